"""How a driver is told where the stand-in is."""


class Address:
    """
    Where the stand-in listens, and a login that it lets in.

    Attributes:
        port: of 127.0.0.1.
    """

    def __init__(self, port, user, password, database):
        self.port = port
        self.user = user
        self.password = password
        self.database = database

    def microsoft(self, **other):
        """Give the connection string of mssql-python, and of Microsoft's ODBC driver."""
        where = {"Server": f"127.0.0.1,{self.port}", "Encrypt": "no"}
        return _words(where | self._login | other)

    def freetds(self, **other):
        """Give the connection string of FreeTDS's ODBC driver."""
        where = {"Driver": "FreeTDS", "Server": "127.0.0.1", "Port": self.port}
        return _words(where | _FREETDS | self._login | other)

    @property
    def _login(self):
        return {"Database": self.database, "UID": self.user, "PWD": self.password}


_FREETDS = {"TDS_Version": "7.4", "Encryption": "off", "ClientCharset": "UTF-8"}


def _words(words):
    return "".join(f"{name}={{{value}}};" for name, value in words.items())

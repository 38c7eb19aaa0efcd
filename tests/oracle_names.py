"""Column names of Oracle in small letters, as the conformance tests write them."""


class LowerCase:
    """A column as the driver describes it, its name aside."""

    def __init__(self, column):
        self._column = column
        self.name = column.name.lower()

    def __getattr__(self, name):
        return getattr(self._column, name)

    def __getitem__(self, at):
        return tuple(self)[at]

    def __iter__(self):
        return iter((self.name, *tuple(self._column)[1:]))


def connection_class(oracledb):
    """Give the driver's class of connections, but for the names that its cursors tell."""

    class Cursor(oracledb.Cursor):
        @property
        def description(self):
            columns = super().description
            return columns and list(map(LowerCase, columns))

    class Connection(oracledb.Connection):
        def cursor(self, scrollable=False):
            return Cursor(self, scrollable)

    return Connection

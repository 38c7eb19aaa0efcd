"""The real drivers, and how each is connected to a stand-in or a server."""

from importlib import import_module
from pathlib import Path


def mssql_python(server, words=None, **options):
    """Connect Microsoft's own driver; *words* go into the connection string."""
    driver = import_module("mssql_python")

    driver.pooling(enabled=False)  # else a closed connection stays open
    return driver.connect(server.microsoft(**words or {}), **options)


def pyodbc_microsoft(server, words=None, **options):
    """Connect pyodbc with ODBC Driver 18, which mssql-python brings along."""
    wheel = import_module("mssql_python_odbc")

    folder = Path(wheel.__file__).parent / "libs/linux/debian_ubuntu"
    library = next(folder.glob("*/lib/libmsodbcsql*"))
    return _pyodbc(f"Driver={library};{server.microsoft(**words or {})}", options)


def pyodbc_freetds(server, words=None, **options):
    """Connect pyodbc with FreeTDS."""
    return _pyodbc(server.freetds(**words or {}), options)


def _pyodbc(words, options):
    driver = import_module("pyodbc")

    driver.pooling = False  # the same
    return driver.connect(words, **options)


DRIVERS = {
    "mssql-python": mssql_python,
    "pyodbc-microsoft": pyodbc_microsoft,
    "pyodbc-freetds": pyodbc_freetds,
}

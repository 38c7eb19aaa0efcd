"""pyodbc, with Microsoft's ODBC driver or FreeTDS: what it does in its own way."""

from __future__ import annotations

import importlib.util
import struct
import sys
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rowferry.databases.mssql_driver import Into, Login, connection_words
from rowferry.databases.mssql_pyodbc_arrays import Filled, stay_the_same
from rowferry.databases.mssql_values import WRITTEN_BY_PYODBC
from rowferry.exceptions import DriverError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rowferry.databases.contract import Connection, Reading

_DRIVER_NAME = 6  # SQL_DRIVER_NAME of ODBC
_DATETIMEOFFSET = struct.Struct("<6hI2h")  # SQL_SS_TIMESTAMPOFFSET_STRUCT


def _moment(data: bytes) -> datetime:
    numbers = _DATETIMEOFFSET.unpack(data)
    year, month, day, hour, minute, second, nanoseconds, hours, minutes = numbers
    zone = timezone(timedelta(hours=hours, minutes=minutes))
    return datetime(year, month, day, hour, minute, second, nanoseconds // 1000, zone)


_CONVERTERS: dict[int, Callable[[bytes], Any]] = {
    -155: _moment,  # datetimeoffset, which pyodbc does not know
    -151: bytes,  # types of the CLR: geography, hierarchyid
    -11: lambda data: UUID(bytes_le=bytes(data)),
}
_half_pairs = methodcaller("decode", "utf-16-le", "surrogatepass")
_PATIENT = dict.fromkeys((-8, -9, -10, -152), _half_pairs)
"""By ODBC's number of a type what makes a value of its bytes. SQL Server takes half a pair."""

_FREETDS = {"TDS_Version": "7.4", "ClientCharset": "UTF-8"}


class Pyodbc:
    """Connections of pyodbc."""

    name = "pyodbc"
    written = WRITTEN_BY_PYODBC

    def owns(self, conn: object) -> bool:
        kind = getattr(sys.modules.get("pyodbc"), "Connection", None)
        return kind is not None and isinstance(conn, kind)

    def connect(self, params: Mapping[str, Any], login: Login) -> Connection:
        try:
            import pyodbc
        except ModuleNotFoundError as error:
            raise DriverError(
                "driver=\"pyodbc\" needs it: pip install 'rowferry[pyodbc]'"
            ) from error
        except ImportError as error:
            raise DriverError(
                f"pyodbc cannot be loaded: {error}; it needs a library of the system, on Debian "
                "and Ubuntu: apt-get install unixodbc"
            ) from error
        words = dict(login.words)
        if "odbc_driver" not in words:
            words["odbc_driver"] = _best_driver(pyodbc.drivers())
        return pyodbc.connect(self.connection_string(params, words), **login.options)

    def connection_string(self, params: Mapping[str, Any], words: Mapping[str, Any]) -> str:
        words = dict(words)
        driver = str(words.pop("odbc_driver", "ODBC Driver 18 for SQL Server"))
        where = {"Server": f"{params['host']},{params['port']}"}
        if _is_freetds(driver):
            where = {"Server": params["host"], "Port": params["port"], **_FREETDS}
        login = {"Database": params["dbname"], "UID": params["user"]}
        return connection_words({"Driver": driver, **where, **login, **words})

    def cancel(self, cursor: Any) -> None:
        cursor.cancel()

    @contextmanager
    def converters(self, conn: Connection, reading: Reading) -> Iterator[None]:
        ours = {**_CONVERTERS, **_PATIENT} if reading.tolerant else _CONVERTERS
        missing = [code for code in ours if conn.get_output_converter(code) is None]
        for code in missing:
            conn.add_output_converter(code, ours[code])
        try:
            yield
        finally:
            for code in missing:
                conn.remove_output_converter(code)

    def tuples(self, rows: list[Any]) -> list[tuple[Any, ...]]:
        return list(map(tuple, rows))

    def kinds(self, conn: Connection, cursor: Any) -> Mapping[str, type] | None:
        del conn, cursor
        return None  # a uniqueidentifier looks like text, and users may have converters

    def execute_array(self, cursor: Any, sql: str, rows: list[Any], into: Into) -> bool:
        # FreeTDS knows no arrays: with fast_executemany it ends the process.
        if not into.plain or len(rows) == 1 or _is_freetds(cursor.connection.getinfo(_DRIVER_NAME)):
            return False
        columns = [Filled(kind, size, digits) for _, kind, _, size, _, digits, _ in into.columns()]
        if not columns or not stay_the_same(rows, columns):
            return False
        cursor.fast_executemany = True
        cursor.executemany(sql, rows)
        return True


def _is_freetds(driver: str) -> bool:
    return "tds" in driver.lower()


def _best_driver(installed: list[str]) -> str:
    """
    Give the name, or the file, of the ODBC driver to use where none is named.

    Raises:
        DriverError: there is none.
    """
    microsoft = [name for name in installed if name.startswith("ODBC Driver ")]
    if microsoft:
        return max(microsoft, key=lambda name: int(name.split()[2]))
    found = _file_of_wheel()
    if found is not None:
        return str(found)
    if "FreeTDS" in installed:
        return "FreeTDS"
    raise DriverError(
        "pyodbc has no ODBC driver for SQL Server: pip install mssql-python brings Microsoft's "
        "along, apt-get install tdsodbc FreeTDS; or name one with odbc_driver="
    )


def _file_of_wheel() -> Path | None:
    """Give Microsoft's driver as mssql-python brings it along."""
    spec = importlib.util.find_spec("mssql_python_odbc")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "libs/linux"
    return next(iter(sorted(folder.glob("debian_ubuntu/*/lib/libmsodbcsql*"))), None)

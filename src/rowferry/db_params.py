"""How to reach a database: parameters, URLs, connections, connection strings."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from rowferry.databases import database_of_scheme, database_of_type, dbtypes
from rowferry.exceptions import ConfigError, ConnectError, DbParamsError
from rowferry.sql import quoted_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rowferry.databases.contract import Connection, Database

_REACH_TIMEOUT = 5.0  # seconds
_HIDDEN = "***"


class DbParams(dict[str, Any]):
    """
    The parameters of a connection, without the password: a dict whose keys are attributes too.

    `DbParams(dbtype="PG", host="localhost", port=5432, dbname="gis", user="me")`,
    `DbParams(dbtype="SQLITE", filename="file.db")`. A change that would make them invalid raises
    and changes nothing.

    Raises:
        DbParamsError: a parameter is missing, or unknown to that type of database.
    """

    def __init__(self, dbtype: str = "", **params: Any) -> None:
        super().__init__(_checked({"dbtype": dbtype, **params}))

    @classmethod
    def from_environment(cls, prefix: str = "ETLHelper_") -> Self:
        """
        Take the parameters from environment variables such as `ETLHelper_host`.

        Args:
            prefix: of the names, with or without its underscore; the rest is read in lower case.
                A variable called password is left where it is, for `connect` to be told of.

        Raises:
            DbParamsError: as for the parameters themselves.
        """
        prefix = prefix.rstrip("_") + "_"
        found = {
            name.removeprefix(prefix).lower(): value
            for name, value in os.environ.items()
            if name.startswith(prefix)
        }
        found.pop("password", None)
        return cls(**found)

    @property
    def paramstyle(self) -> str:
        """DB-API's word for the placeholders of this database."""
        return self._database.paramstyle

    def connect(
        self, password_variable: str | None = None, *, driver: str | None = None, **kwargs: Any
    ) -> Connection:
        """Connect, as the function `connect` does."""
        return connect(self, password_variable, driver=driver, **kwargs)

    def is_reachable(self) -> bool:
        """Tell within 5 seconds whether the server answers, or the file is there; no login."""
        return self._database.is_reachable(self, _REACH_TIMEOUT)

    def copy(self) -> Self:
        """Give parameters of their own that say the same."""
        return type(self)(**self)

    def update(self, *others: Any, **params: Any) -> None:
        """Set several parameters, all or none of them."""
        super().update(_checked({**self, **dict(*others), **params}))

    def __setitem__(self, name: str, value: Any) -> None:
        super().update(_checked({**self, name: value}))

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            there = ", ".join(self)
            raise AttributeError(f"no parameter is called {name!r}; there are: {there}") from None

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self), ()  # all at once: item by item would be incomplete

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self]

    @property
    def _database(self) -> Database:
        return database_of_type(self["dbtype"])


def connect(
    db_params: Mapping[str, Any] | str,
    password_variable: str | None = None,
    *,
    driver: str | None = None,
    **kwargs: Any,
) -> Connection:
    """
    Connect to a database; give the connection of its driver.

    Args:
        db_params: a DbParams, or a URL such as `postgresql://user@host:5432/db` or
            `sqlite:///file.db`; what follows `?` in it goes to the driver.
        password_variable: the environment variable that holds the password; None leaves it to the
            URL, or to the driver's own means (~/.pgpass).
        driver: for a database that has two: "psycopg" (the default) or "psycopg2",
            "mssql_python" (the default) or "pyodbc".
        kwargs: go to the driver.

    Raises:
        ConnectError: the database cannot be reached or refuses the login, or the environment has
            no such variable.
        DriverError: the driver is not installed, or there is none for this.
        DbParamsError: a parameter is missing or unknown.
    """
    target = _target(db_params, password_variable, driver)
    options = {**target.options, **kwargs}
    password = options.get("password", target.password)
    try:
        return target.database.connect(target.params, target.password, options)
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - each driver has exceptions of its own
        _cannot_connect(target, password, error)


def database_at(db_params: Mapping[str, Any] | str) -> Database:
    """
    Give the database that a DbParams or a URL is of; nothing is connected to.

    Raises:
        DriverError: there is no such database, or no such driver of it.
        DbParamsError: a parameter is missing or unknown.
        ConfigError: it is no URL.
    """
    return _target(db_params, None).database


def get_connection_string(
    db_params: Mapping[str, Any] | str, password_variable: str | None = None
) -> str:
    """
    Give the string that the driver's connect function takes; it holds the password.

    Raises:
        ConnectError: the environment has no variable called *password_variable*.
    """
    target = _target(db_params, password_variable)
    return target.database.connection_string(target.params, target.password)


def get_sqlalchemy_connection_string(
    db_params: Mapping[str, Any] | str, password_variable: str | None = None
) -> str:
    """
    Give the URL for SQLAlchemy's create_engine; it holds the password.

    Raises:
        ConnectError: the environment has no variable called *password_variable*.
    """
    target = _target(db_params, password_variable)
    return target.database.sqlalchemy_url(target.params, target.password)


@dataclass(frozen=True, slots=True)
class _Target:
    """
    Where to connect to.

    Attributes:
        options: for the driver, from a URL.
    """

    database: Database
    params: DbParams
    password: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


def _target(
    db_params: Mapping[str, Any] | str,
    password_variable: str | None,
    driver: str | None = None,
) -> _Target:
    if isinstance(db_params, str):
        target = _target_of_url(db_params, driver)
    else:
        params = db_params if isinstance(db_params, DbParams) else DbParams(**db_params)
        target = _Target(database_of_type(params["dbtype"], driver), params)
    if password_variable is None:
        return target
    return replace(target, password=_password_from(password_variable))


def _target_of_url(url: str, driver: str | None) -> _Target:
    # Nothing of the URL goes into an exception: it may hold a password.
    parts = _split(url)
    if parts is None:
        raise ConfigError(
            "that is no URL of a database: write postgresql://user@host:5432/db or "
            "sqlite:///file.db, with special characters percent-encoded"
        )
    database = database_of_scheme(parts.scheme, driver)
    params = DbParams(dbtype=database.dbtype, **database.params_of_url(parts))
    password = None if parts.password is None else unquote(parts.password)
    return _Target(database, params, password, dict(parse_qsl(parts.query)))


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        return None
    if not parts.scheme or "://" not in url:
        return None
    # A password with a / or # that is not encoded ends the host, and its rest would be shown.
    rest = parts.path + parts.fragment
    return None if parts.netloc and "@" in rest and "@" not in parts.netloc else parts


def _password_from(variable: str) -> str:
    try:
        return os.environ[variable]
    except KeyError:
        raise ConnectError(
            f"the environment variable {variable} for the password is not set"
        ) from None


def _cannot_connect(target: _Target, password: str | None, error: Exception) -> NoReturn:
    where = " ".join(f"{name}={value}" for name, value in target.params.items())
    message = str(error).strip()
    if password and password in message:
        # The driver's own exception would show it in the traceback.
        message = message.replace(password, _HIDDEN)
        raise ConnectError(f"cannot connect to {where}: {message}") from None
    raise ConnectError(f"cannot connect to {where}: {message}") from error


def _checked(params: dict[str, Any]) -> dict[str, Any]:
    """
    Give *params* as they came.

    Raises:
        DbParamsError: the dbtype is unknown, or does not go with the others.
    """
    dbtype = params["dbtype"]
    if dbtype not in dbtypes():
        raise DbParamsError(f"{dbtype!r} is no dbtype; there are: {', '.join(dbtypes())}")
    required = database_of_type(dbtype).required
    invalid = [name for name in params if name != "dbtype" and name not in required]
    if invalid:
        raise DbParamsError(
            f"Invalid parameter(s): {quoted_words(invalid)}; {dbtype} has: {', '.join(required)}"
        )
    missing = [name for name in required if params.get(name) is None or params[name] == ""]
    if missing:
        raise DbParamsError(
            f"{quoted_words(missing)} not set. Required parameters are {', '.join(required)}"
        )
    return params

"""
Rows from a database into an HTTP API: fast, with nothing lost.

The public names, each imported when it is first used: a script that only reads rows does not
load what sends them, and `import rowferry` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rowferry import auth, exceptions, row_factories
    from rowferry.abort import abort_etlhelper_threads
    from rowferry.api import Api
    from rowferry.budget import Budget
    from rowferry.catalogue import table_info
    from rowferry.copying import copy_rows, copy_table_rows
    from rowferry.creation import generate_create_table_sql
    from rowferry.db_params import (
        DbParams,
        connect,
        get_connection_string,
        get_sqlalchemy_connection_string,
    )
    from rowferry.dead_letters import dead_letters, retry_dead_letters
    from rowferry.extract import fetchall, fetchone, iter_chunks, iter_rows
    from rowferry.incremental import Incremental
    from rowferry.insert import execute, executemany, generate_insert_sql, load
    from rowferry.journal import Journal
    from rowferry.limits import Limits
    from rowferry.logs import log_to_console
    from rowferry.records import FailedRow, Progress, RawJSON, Report
    from rowferry.retry import Retry
    from rowferry.transfer import acopy_to_api, apost_rows, copy_to_api, post_rows
    from rowferry.transforms import per_row
    from rowferry.version import __version__

__all__ = [
    "Api",
    "Budget",
    "DbParams",
    "FailedRow",
    "Incremental",
    "Journal",
    "Limits",
    "Progress",
    "RawJSON",
    "Report",
    "Retry",
    "__version__",
    "abort_etlhelper_threads",
    "acopy_to_api",
    "apost_rows",
    "auth",
    "connect",
    "copy_rows",
    "copy_table_rows",
    "copy_to_api",
    "dead_letters",
    "exceptions",
    "execute",
    "executemany",
    "fetchall",
    "fetchone",
    "generate_create_table_sql",
    "generate_insert_sql",
    "get_connection_string",
    "get_sqlalchemy_connection_string",
    "iter_chunks",
    "iter_rows",
    "load",
    "log_to_console",
    "per_row",
    "post_rows",
    "retry_dead_letters",
    "row_factories",
    "table_info",
]

_HOMES = {
    "abort": ("abort_etlhelper_threads",),
    "api": ("Api",),
    "budget": ("Budget",),
    "db_params": (
        "DbParams",
        "connect",
        "get_connection_string",
        "get_sqlalchemy_connection_string",
    ),
    "dead_letters": ("dead_letters", "retry_dead_letters"),
    "extract": ("fetchall", "fetchone", "iter_chunks", "iter_rows"),
    "incremental": ("Incremental",),
    "journal": ("Journal",),
    "limits": ("Limits",),
    "copying": ("copy_rows", "copy_table_rows"),
    "creation": ("generate_create_table_sql",),
    "insert": ("execute", "executemany", "generate_insert_sql", "load"),
    "logs": ("log_to_console",),
    "records": ("FailedRow", "Progress", "RawJSON", "Report"),
    "retry": ("Retry",),
    "catalogue": ("table_info",),
    "transfer": ("acopy_to_api", "apost_rows", "copy_to_api", "post_rows"),
    "transforms": ("per_row",),
    "version": ("__version__",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name in {"auth", "exceptions", "row_factories"}:
        return import_module(f"rowferry.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'rowferry' has no attribute {name!r}")
    value = getattr(import_module(f"rowferry.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

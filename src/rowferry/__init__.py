"""Rows from a database into an HTTP API: fast, with nothing lost."""

from rowferry import exceptions, row_factories
from rowferry.abort import abort_etlhelper_threads
from rowferry.api import Api
from rowferry.budget import Budget
from rowferry.db_params import (
    DbParams,
    connect,
    get_connection_string,
    get_sqlalchemy_connection_string,
)
from rowferry.extract import fetchall, fetchone, iter_chunks, iter_rows
from rowferry.limits import Limits
from rowferry.load import (
    copy_rows,
    copy_table_rows,
    execute,
    executemany,
    generate_insert_sql,
    load,
)
from rowferry.logs import log_to_console
from rowferry.records import FailedRow, Progress, RawJSON, Report
from rowferry.retry import Retry
from rowferry.table_info import table_info
from rowferry.transfer import acopy_to_api, apost_rows, copy_to_api, post_rows
from rowferry.transforms import per_row
from rowferry.version import __version__

__all__ = [
    "Api",
    "Budget",
    "DbParams",
    "FailedRow",
    "Limits",
    "Progress",
    "RawJSON",
    "Report",
    "Retry",
    "__version__",
    "abort_etlhelper_threads",
    "acopy_to_api",
    "apost_rows",
    "connect",
    "copy_rows",
    "copy_table_rows",
    "copy_to_api",
    "exceptions",
    "execute",
    "executemany",
    "fetchall",
    "fetchone",
    "generate_insert_sql",
    "get_connection_string",
    "get_sqlalchemy_connection_string",
    "iter_chunks",
    "iter_rows",
    "load",
    "log_to_console",
    "per_row",
    "post_rows",
    "row_factories",
    "table_info",
]

"""
Every exception that rowferry raises.

    RowferryError
    ├── ConfigError             an argument that cannot work, found before anything is sent
    │   ├── DbParamsError       parameters of a database that are missing or unknown
    │   ├── DriverError         no driver here serves this connection or this type of database
    │   └── BadIdentifierError  a table or column name that is not one
    ├── SourceError             a database could not be read              .report
    │   └── ConnectError        a database could not be reached
    ├── QueryError              a database refused a statement
    ├── InsertError             a database refused rows
    ├── AbortError              abort_etlhelper_threads() was called
    └── TransferError           a transfer ended before all was settled   .report .exit_code
        ├── RejectedError       the API will not take a record            .key .status .answer
        │   └── ExhaustedError  sent as often as allowed, without an answer that settles it
        ├── AuthError           the API does not accept the credentials
        └── JournalError        the journal cannot be used, or not written any more

Each has an `exit_code`, with which a command should exit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rowferry.records import Report


class RowferryError(Exception):
    """
    Base of all exceptions of rowferry.

    Attributes:
        exit_code: what a command should exit with: 1 a bug, 2 configuration, 4 incomplete,
            5 authentication, 6 another run holds the transfer, 7 journal or disk.
    """

    exit_code = 1


class ConfigError(RowferryError):
    """An argument that cannot work; the message names it and what is allowed."""

    exit_code = 2


class DbParamsError(ConfigError):
    """Database parameters that are missing, unknown or contradict each other."""


class DriverError(ConfigError):
    """No driver here serves this connection or this type of database."""


class BadIdentifierError(ConfigError):
    """A table or column name with characters that no plain SQL identifier has."""


class SourceError(RowferryError):
    """
    A database could not be read.

    Attributes:
        report: how far the transfer got; None outside a transfer.
    """

    exit_code = 4
    report: Report | None = None


class ConnectError(SourceError):
    """A database could not be reached, or refused the login."""


class QueryError(RowferryError):
    """A database refused a statement; its transaction was rolled back."""

    exit_code = 4


class InsertError(RowferryError):
    """A database refused rows; the chunk they were in was rolled back."""

    exit_code = 4


class AbortError(RowferryError):
    """The work was ended by `abort_etlhelper_threads`."""

    exit_code = 4


class TransferError(RowferryError):
    """
    A transfer ended before all of its records were settled.

    Attributes:
        report: how far it got; None until the transfer has ended.
        exit_code: as of every error; of this very class mostly 4, and 2 where the request cannot
            be right as it is, and nothing was delivered.
    """

    exit_code = 4

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.report: Report | None = None
        if exit_code is not None:
            self.exit_code = exit_code


class RejectedError(TransferError):
    """
    The API will not take a record, or the record has no form that can be sent.

    Attributes:
        key: values of the record's key columns, in order; None where no key was declared.
        status: of the HTTP answer; None where the record was never sent.
        answer: the beginning of the answer's body, at most 2 KiB, without credentials.
        reason: one word for machines: "rejected"; "key_conflict", a 422 to an idempotency key
            that the API may know from an earlier try; "exhausted", sent as often as allowed;
            "ambiguous", the API may have it, and it is not to be sent again; "unsendable", or
            "too_large", for what has no form to be sent.
    """

    def __init__(
        self,
        message: str,
        *,
        key: tuple[Any, ...] | None = None,
        status: int | None = None,
        answer: str = "",
        reason: str = "rejected",
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.key = key
        self.status = status
        self.answer = answer


class ExhaustedError(RejectedError):
    """A record was sent as often as allowed, without an answer that settles it."""


class AuthError(TransferError):
    """The API does not accept the credentials."""

    exit_code = 5


class JournalError(TransferError):
    """
    The journal of a transfer cannot be used, or not written any more.

    Nothing counts as delivered that it did not take. Its exit_code is 7; 6 where another run holds
    it; 2 where it is of another transfer, or no file can be made there.
    """

    exit_code = 7


# ETLHelper's names for the same exceptions.
ETLHelperError = RowferryError
ETLHelperConnectionError = ConnectError
ETLHelperQueryError = QueryError
ETLHelperDbParamsError = DbParamsError
ETLHelperExtractError = SourceError
ETLHelperInsertError = InsertError
ETLHelperAbort = AbortError
ETLHelperHelperError = DriverError
ETLHelperBadIdentifierError = BadIdentifierError

"""Dead letters: what an API would not take, as rows, and sent again."""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rowferry.api import as_api
from rowferry.exceptions import JournalError
from rowferry.journal_file import JournalFile
from rowferry.letter_book import LetterBook, LetterRecorder, Letters
from rowferry.row_source import Journaled
from rowferry.running import run_here
from rowferry.spans import Span
from rowferry.transfer_spec import Transfer

if TYPE_CHECKING:
    from os import PathLike

    from rowferry.api import Api
    from rowferry.recording import Shaping
    from rowferry.records import Report
    from rowferry.transforms import Transform

_COLUMNS = (
    "number, key, state, reason, message, status, answer, ambiguous, body, row, idempotency_key, "
    "pass, at"
)
_parse = msgspec.json.Decoder(float_hook=Decimal).decode


def dead_letters(path: str | PathLike[str]) -> list[dict[str, Any]]:
    """
    Give the dead letters of a journal as rows, in the order in which they died.

    Each has `number`, `key` (as text, the number of the record in its row after it), `state`
    ("dead", "delivered", "skipped" or "superseded"), `reason` (a word: rejected, key_conflict,
    exhausted, ambiguous, "ambiguous (interrupted)", unsendable, too_large, transform), `message`,
    `status` and `answer` (at most 2 KiB, without credentials) of the API, `ambiguous` (the API may
    have it), `record` (parsed; None where there is none, or it was not kept), `row` (as text, where
    there is no record), `idempotency_key`, `pass` and `at`.

    Raises:
        JournalError: a run holds the journal (exit_code 6), there is none, or it is damaged.
    """
    names = _COLUMNS.split(", ")
    with closing(_opened(path)) as file:
        rows = file.letters(_COLUMNS, "true ORDER BY number")
    return [_shown(dict(zip(names, row, strict=True))) for row in rows]


def retry_dead_letters(
    path: str | PathLike[str], api: str | Api, *, transform: Transform | None = None
) -> Report:
    """
    Send the dead letters of a journal again that are still dead; block until all are settled.

    A letter is sent under the idempotency key that it had only where the API may have it, and its
    body is the same byte for byte; else under a new one.

    Args:
        path: of the journal.
        api: a URL or an `Api`; it need not be the one that would not take them.
        transform: takes the kept records, parsed, and gives what is to be sent: `per_row` of a
            function, or a function of a chunk, whose records keep the key columns. A letter for
            which it gives nothing becomes "skipped". None sends the records as they are.

    Returns:
        The counts; `dead` are those that are still dead, with those that have no record to send.

    Raises:
        JournalError: a run holds the journal (exit_code 6), there is none, or it is damaged.
        ConfigError, TransferError: as `copy_to_api`.
    """
    return run_here(
        Transfer(
            source=Journaled(_LetterSource(), _LetterOpening(Path(path))),
            api=as_api(api),
            transform=transform,
            key=("dead letter",),
        )
    )


@dataclass(frozen=True, slots=True)
class _LetterOpening:
    path: Path

    def open(self, shaping: Shaping) -> LetterRecorder:
        file = _opened(self.path)
        try:
            key = file.fingerprint().get("key", "")
            columns = tuple(key.split(", ")) if key else ()
            return LetterRecorder(LetterBook(file), columns, shaping, _parse)
        except BaseException:
            file.close()
            raise


class _LetterSource:
    def open_recorded(self, book: LetterBook) -> Letters:
        return book.read(Span())


def _opened(path: str | PathLike[str]) -> JournalFile:
    place = Path(path)
    if not place.is_file():
        raise JournalError(f"there is no journal {place}", exit_code=2)
    return JournalFile(place)


def _shown(letter: dict[str, Any]) -> dict[str, Any]:
    body = letter.pop("body")
    return {
        **letter,
        "ambiguous": bool(letter["ambiguous"]),
        "record": None if body is None else _parse(body),
        "at": dt.datetime.fromtimestamp(letter["at"], dt.UTC),
    }

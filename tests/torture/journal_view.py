"""What a journal says, read from a copy of it by SQLite alone: not by the code under test."""

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

_HASH = 16


class View(NamedTuple):
    """
    A journal after its program has ended.

    Attributes:
        complete: whether its last pass is.
        watermark: the last key up to which all is settled; 0 before the first.
        doubled: by key, how often it was sent again though the API may have had it.
        dead: by key, the reason of its dead letter.
        above: records that are settled above the watermark.
        text: all that its files hold, to look for what they must not.
    """

    complete: bool = False
    watermark: int = 0
    dispatched_to: int = 0
    read: int = 0
    delivered: int = 0
    dead_count: int = 0
    maybe_duplicated: int = 0
    doubled: Mapping[int, int] = MappingProxyType({})
    dead: Mapping[int, str] = MappingProxyType({})
    above: int = 0
    text: bytes = b""


def view(path):
    """Read the journal at *path*; an empty view where there is none yet."""
    path = Path(path)
    if not path.exists() or not path.stat().st_size:
        return View()
    with tempfile.TemporaryDirectory() as folder:
        files = sorted(path.parent.glob(f"{path.name}*"))
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(file, folder)
        text = b"".join(file.read_bytes() for file in Path(folder).iterdir())
        with contextlib.closing(sqlite3.connect(Path(folder) / path.name)) as conn:
            return _read(conn, text)


def _read(conn, text):
    if not conn.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return View(text=text)
    pass_ = conn.execute(
        "SELECT state, watermark, dispatched_to, read, delivered, dead, maybe_duplicated, number "
        "FROM passes ORDER BY number DESC LIMIT 1"
    ).fetchone()
    if pass_ is None:
        return View(text=text)
    state, watermark, dispatched_to, *counts, number = pass_
    doubled = {
        int(position): n for position, n in conn.execute("SELECT position, n FROM maybe_duplicated")
    }
    letters = conn.execute("SELECT key, reason FROM dead_letters WHERE state = 'dead'")
    (above,) = conn.execute(
        "SELECT coalesce(sum(length(hashes)), 0) FROM settled WHERE pass = ?", (number,)
    ).fetchone()
    dead = {int(key): reason for key, reason in letters}
    return View(
        state == "complete",
        *map(_key, (watermark, dispatched_to)),
        *counts,
        doubled,
        dead,
        above // _HASH,
        text,
    )


def _key(text):
    return int(json.loads(text)[0]) if text else 0

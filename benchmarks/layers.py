"""
Which layer of rowferry a sample of `perf` belongs to.

A stack is walked from the instruction outwards, and ends at the innermost Python function: with
Python's perf trampoline that is a frame named `py::function:file`. C code, that of the kernel as
well, counts as the Python function's that called it, unless its own names say more.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FETCH = "fetch rows: libpq, the socket of the database"
VALUES = "values to Python: psycopg, Decimal, datetime, dicts"
TRANSFORM = "transform, and find the keys"
ENCODE = "encode as JSON: msgspec, and the look for what JSON cannot hold"
HAND_OVER = "batch, and hand over to the event loop"
FREE = "free the rows"
HEAD = "make the request: its line, head and body"
WRITE = "write: the kernel sends it, and runs the way to the server"
WAIT = "wait for events: epoll"
READ = "read the answer from the socket"
PARSE = "parse the answer, or know it again"
SETTLE = "settle it, choose the next"
JOURNAL = "journal: positions, commits"
LOOP = "event loop: what is left of uvloop"
LOCK = "the interpreter's lock, taken and given"
COLLECT = "garbage collection"
OTHER = "everything else"

LAYERS = (
    *(FETCH, VALUES, TRANSFORM, ENCODE, HAND_OVER, FREE, HEAD, WRITE, WAIT, READ, PARSE),
    *(SETTLE, JOURNAL, LOOP, LOCK, COLLECT, OTHER),
)

BY_SYMBOL = (
    (re.compile(r"gc_collect|_PyGC_"), COLLECT),
    (re.compile(r"take_gil|drop_gil|PyThreadState_Attach|PyThreadState_Detach"), LOCK),
    (re.compile(r"uvloop.*UVStream.*write"), WRITE),
    (re.compile(r"uv__read|uv__stream_io|uvloop.*on_read|uvloop.*alloc_buf"), READ),
    (re.compile(r"uv__io_poll|epoll"), WAIT),
)

BY_FILE = (
    (re.compile(r"rowferry/(json_columns|written_rows|databases/postgresql_written)"), ENCODE),
    (
        re.compile(
            r"/psycopg/|rowferry/(databases/|reader|sources|row_source|ordered|extract|sql\.)"
        ),
        VALUES,
    ),
    (re.compile(r"rowferry/row_factories|<string>"), VALUES),
    (re.compile(r"rowferry/transforms"), TRANSFORM),
    (re.compile(r"rowferry/(values|json_text)"), ENCODE),
    (
        re.compile(
            r"rowferry/(batching|batches|handoff|pipeline|packing|unsent|fetching|formats/)"
        ),
        HAND_OVER,
    ),
    (re.compile(r"rowferry/(templates|heads|auth|credentials|idempotency)"), HEAD),
    (re.compile(r"rowferry/http/"), PARSE),
    (
        re.compile(
            r"rowferry/(journal|recording|pass_book|spans|committing|positions|keyset|watermark|"
            r"resuming|key_text|letter|fingerprint|places)"
        ),
        JOURNAL,
    ),
    (
        re.compile(
            r"rowferry/(delivery|settling|ledger|gate|adaptive|refusals|quota|limits|waiting|"
            r"outcomes|lanes|ordering|retry|dispatching|pacing|dividing)"
        ),
        SETTLE,
    ),
    (re.compile(r"asyncio/"), LOOP),
)

BY_FUNCTION = {
    "Delivery.request": HEAD,
    "Handoff.settled": SETTLE,
    "Handoff.committed": SETTLE,
    "Run._hand_over_all": FREE,
}

SYSTEM_CALL = "entry_SYSCALL"
LIBPQ = "libpq"
MAP = re.compile(r"\((\S+/perf-\d+\.map)\)")
"""Where Python wrote the names of its functions for `perf`."""

PYTHON = re.compile(r"\s+[0-9a-f]+ py::(?P<function>.+?):(?P<file>[^:]*) \(\S+\.map\)")


class Sample(NamedTuple):
    """
    Where the processor was.

    Attributes:
        native: the frames of C and of the kernel, the innermost first.
        function: the innermost of Python, as `Class.method`; empty where none was found.
        file: its path.
    """

    native: tuple[str, ...]
    function: str
    file: str


def samples(script: str) -> Iterator[Sample]:
    """Read what `perf script` printed: a head and its frames, then an empty line."""
    for block in script.split("\n\n"):
        _, *frames = block.strip("\n").split("\n")
        if frames:
            yield _sample(frames)


def _sample(frames: list[str]) -> Sample:
    for place, frame in enumerate(frames):
        if python := PYTHON.match(frame):
            return Sample(tuple(frames[:place]), python["function"], python["file"])
    return Sample(tuple(frames), "", "")


def layer_of(sample: Sample) -> str:
    """Give the layer that a sample belongs to."""
    native = "\n".join(sample.native)
    for pattern, layer in BY_SYMBOL:
        if pattern.search(native):
            return layer
    by_file = next((layer for pattern, layer in BY_FILE if pattern.search(sample.file)), OTHER)
    layer = BY_FUNCTION.get(sample.function.replace(".<locals>", ""), by_file)
    if layer == VALUES and (LIBPQ in native or SYSTEM_CALL in native):
        return FETCH
    return layer

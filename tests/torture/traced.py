"""
The program under strace: which calls it makes on which file or socket, and in which order.

Nothing else sees what a kill does not show: that what is written is also on the disk in time.
"""

import re
import shutil
from typing import NamedTuple

from torture.world import wait

ON_FILES = ("fdatasync", "fsync", "pwrite64", "ftruncate", "unlink", "rename", "openat")
ON_SOCKETS = ("write", "writev", "sendto", "sendmsg", "read", "recvfrom", "recvmsg")

available = shutil.which("strace") is not None

_BEGUN = re.compile(r"^(\d+) +(\w+)\((?:\d+<(.*?)>)?(.*)$", re.DOTALL)
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|([0-7]{1,3})|(.))")
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "v": "\v", "f": "\f"}
_KEY = re.compile(r'\{"id":(\d+),')
_PASS = re.compile(r"open(?:\[(\d+)\])?\[(\d+)\]")
"""State, watermark and dispatched_to of a pass, as its row lies in a page of the journal."""


class Event(NamedTuple):
    """
    A call, or the return of one that others came in between of.

    Attributes:
        on: "api", "journal", "journal-wal", "status" (what lies beside it), or nothing.
        text: of its arguments; of its return, where *done*.
    """

    thread: str
    name: str
    on: str
    text: str
    done: bool


def traced(world, *, bytes_shown=100_000, **changed):
    """Run the program under strace; give its exit code and its events."""
    log = world.folder / "trace"
    names = ",".join((*ON_FILES, *ON_SOCKETS))
    wrap = ("strace", "-f", "--seccomp-bpf", "-y", "-s", str(bytes_shown), "-o", str(log))
    process = world.start(wrap=(*wrap, "-e", f"trace={names}"), **changed)
    code = wait(process, 60)
    return code, list(events(log.read_text(errors="replace").split("\n"), world))


def events(lines, world):
    """Read the lines of a trace."""
    waiting = {}
    for line in lines:
        if resumed := _RESUMED.match(line):
            thread, name, text = resumed.groups()
            if thread in waiting:
                yield Event(thread, name, waiting.pop(thread), text, done=True)
        elif begun := _BEGUN.match(line):
            thread, name, on, text = begun.groups()
            on = _place(on or text, world)
            unfinished = text.endswith("<unfinished ...>")
            if unfinished:
                waiting[thread] = on
            yield Event(thread, name, on, text, done=False)
            if not unfinished:
                yield Event(thread, name, on, text[-40:], done=True)


def _place(on, world):
    if on.startswith(("socket:", "TCP")):
        return "api"
    journal = str(world.journal)
    if journal in on:
        rest = on.partition(journal)[2]
        if rest.startswith("-wal"):
            return "journal-wal"
        return "status" if rest.startswith(".") else "journal"
    return ""


def out_of_order(events):
    """
    Give what reached a socket before the disk (delivery.md, 7.5), and how many records did.

    A record may leave once an fdatasync of the journal has returned that came after the write of a
    `dispatched_to` that covers it.
    """
    problems, sent = [], 0
    written = covered = 0
    dirty = set()
    for event in events:
        if event.on in {"journal", "journal-wal"}:
            if event.name == "pwrite64" and not event.done:
                dirty.add(event.on)
                written = max([written, *_dispatched(event.text)])
            if event.name in {"fdatasync", "fsync"} and event.done and "= 0" in event.text:
                dirty.discard(event.on)
                covered = written
            if event.name == "unlink":
                dirty.discard("journal-wal")
        elif event.on == "api" and event.name in ON_SOCKETS[:4] and not event.done:
            for key in map(int, _KEY.findall(_unescaped(event.text))):
                sent += 1
                if key > covered:
                    problems.append(f"{key} was sent when {covered} was on the disk")
    problems += [f"the last write to {name} was not synced" for name in sorted(dirty)]
    return problems, sent


def _dispatched(text):
    return [int(second) for _, second in _PASS.findall(_unescaped(text))]


def _unescaped(text):
    return _ESCAPE.sub(_character, text)


def _character(found):
    sixteen, eight, other = found.groups()
    if sixteen:
        return chr(int(sixteen, 16))
    return chr(int(eight, 8)) if eight else _PLAIN.get(other, other)

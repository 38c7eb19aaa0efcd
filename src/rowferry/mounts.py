"""What kind of file system a file is on."""

from __future__ import annotations

import os
from pathlib import Path

UNSURE = {
    "tmpfs": "is gone when the machine is switched off",
    "ramfs": "is gone when the machine is switched off",
    "overlay": "may be gone with its container",
    "nfs": "may lose locks and writes",
    "nfs4": "may lose locks and writes",
    "cifs": "may lose locks and writes",
    "smb3": "may lose locks and writes",
    "9p": "may lose locks and writes",
}
"""For a kind of file system on which a journal is not safe, what may happen to it."""

_MOUNTS = Path("/proc/self/mountinfo")


def file_system(path: Path, mounts: Path = _MOUNTS) -> str:
    """Give the kind of the file system that *path* is on, as Linux calls it; empty if unknown."""
    place = os.path.realpath(path)
    kinds = {}
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split()[4].encode().decode("unicode_escape")  # a blank is \\040
        if place == point or place.startswith(point.rstrip("/") + "/"):
            kinds[len(point)] = after.split()[0]
    return kinds[max(kinds)] if kinds else ""

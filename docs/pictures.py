"""
Makes the pictures in docs/pictures from what the commands really print, and how their page looks.

    python docs/pictures.py

Each command runs on a terminal of its own, with a table of readings in SQLite and an API on
loopback. A picture whose words are those of the one that is there is left as it is, since times and
rates are never the same; the page's are made where they are missing (delete them to have them made
anew).
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import termios
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from rowferry.testing import Answer, FakeApi

if TYPE_CHECKING:
    from rowferry.testing import Received, Reply

PICTURES = Path(__file__).parent / "pictures"
COLUMNS = 100
RUN = "rowferry run job.toml --report run.html"
PORT = "8080"
"""Shown instead of the one that the API got from the system."""

READINGS = 6_000
REFUSED = range(1_000, READINGS, 1_997)
UNLUCKY = range(400, READINGS, 401)
"""The readings that the API never takes, and not at once."""


JOB = """\
[jobs.readings]
key = "id"

[jobs.readings.source]
url = "sqlite:///sensors.db"
query = "SELECT id, sensor, celsius FROM reading ORDER BY id"

[jobs.readings.api]
url = "{url}"
headers = {{ Authorization = "Bearer ${{TOKEN}}" }}
"""

MISTAKEN = """\
[jobs.readings]
chunk_sise = 500

[jobs.readings.source]
url = "sqlite:///sensors.db"
table = "reading"

[jobs.readings.api]
url = "https://api.example/readings"
headers = { Authorization = "Bearer ${TOKEN}" }
limits.max_in_flight = "many"
retry.max_backof = 10
"""

FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""As rich has it, but for fonts that a browser would fetch from elsewhere."""


def behave(request: Received) -> Reply:
    """Take 20 ms; be out of order now and then, and never take some."""
    number = request.json()["id"] if request.body else 0
    if number in REFUSED:
        return Answer(status=422, body=b'{"error": "celsius is out of range"}', delay=0.02)
    if number in UNLUCKY and request.attempt == 1:
        return Answer(status=503, delay=0.02)
    return Answer(delay=0.02)


def make_readings(folder: Path) -> None:
    """Make the database that all of it begins with."""
    with closing(sqlite3.connect(folder / "sensors.db")) as conn:
        conn.execute("CREATE TABLE reading (id INTEGER PRIMARY KEY, sensor TEXT, celsius NUMERIC)")
        rows = ((i, f"S{i % 40:02}", round(i * 7 % 400 / 10, 1)) for i in range(1, READINGS + 1))
        conn.executemany("INSERT INTO reading VALUES (?, ?, ?)", rows)
        conn.commit()


def shown_by(folder: Path, *arguments: str) -> str:
    """Run the command on a terminal; give all that it wrote there."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    process = subprocess.Popen(  # noqa: S603 (our own command)
        [sys.executable, "-m", "rowferry", *arguments],
        cwd=folder,
        env=os.environ | {"TERM": "xterm-256color", "TOKEN": "t0ken", "COLUMNS": str(COLUMNS)},
        **dict.fromkeys(("stdin", "stdout", "stderr"), other),
    )
    os.close(other)
    shown = b""
    while part := read(main):
        shown += part
    os.close(main)
    process.wait()
    return shown.decode().replace("\r\n", "\n")


def read(terminal: int) -> bytes:
    """Give what was written next; nothing once the other end is closed, which Linux says so."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def picture(name: str, command: str, shown: str) -> None:
    """Write the picture of a terminal, unless there is one that says the same."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(f"[bold]$ {command}[/]", highlight=False)
        console.print(Text.from_ansi(shown.strip("\n")), "", sep="\n")  # letters reach below a line
        svg = console.export_svg(title="rowferry", unique_id=name, code_format=FORMAT)
    place = PICTURES / f"{name}.svg"
    if not place.exists() or words(place.read_text(encoding="utf-8")) != words(svg):
        place.write_text(svg, encoding="utf-8")
        sys.stdout.write(f"{place}\n")


def words(svg: str) -> set[str]:
    """Give the words of a picture, without its figures."""
    text = " ".join(re.findall(r"<text[^>]*>(.*?)</text>", svg)).replace("&#160;", " ")
    return set(re.findall(r"\b[A-Za-z_]{2,}\b", text))


def frames(shown: str) -> list[str]:
    """Give what stood in the line of the bar, one after another."""
    return [part for part in shown.split("\r\x1b[2K") if "delivered" in part]


def screenshots(page: Path) -> None:
    """Write how the page about a run looks by day and by night, where that is missing."""
    chromium = shutil.which("chromium")
    for scheme, options in {
        "light": (),
        "dark": ("--blink-settings=preferredColorScheme=0",),
    }.items():
        place = PICTURES / f"report-{scheme}.png"
        if chromium is None or place.exists():
            continue
        with tempfile.TemporaryDirectory() as profile:
            subprocess.run(  # noqa: S603 (a page of our own)
                [
                    chromium,
                    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                    *(f"--user-data-dir={profile}", "--window-size=820,845", *options),
                    *(("--force-dark-mode",) if options else ()),
                    *(f"--screenshot={place}", page.as_uri()),
                ],
                check=True,
                capture_output=True,
                timeout=90,
            )
        sys.stdout.write(f"{place}\n")


def main() -> None:
    """Make them all."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place, FakeApi(behave) as api:
        folder = Path(place)
        make_readings(folder)

        def told(*arguments: str) -> str:
            return shown_by(folder, *arguments).replace(str(api.port), PORT)

        (folder / "job.toml").write_text(MISTAKEN, encoding="utf-8")
        picture("validate", "rowferry validate job.toml", told("validate", "job.toml"))
        (folder / "job.toml").write_text(JOB.format(url=api.url), encoding="utf-8")
        picture("plan", "rowferry plan job.toml --rows 1", told("plan", "job.toml", "--rows", "1"))
        picture("doctor", "rowferry doctor job.toml", told("doctor", "job.toml"))
        run = told("run", "job.toml", "--report", "run.html")
        bar = frames(run)
        picture("bar", RUN, bar[len(bar) // 2].partition("\n")[0])
        end = run[run.rindex("\r\x1b[2K") :]
        picture("run", RUN, end)
        page = folder / "run.html"
        page.write_text(page.read_text(encoding="utf-8").replace(str(api.port), PORT), "utf-8")
        screenshots(page)


if __name__ == "__main__":
    main()

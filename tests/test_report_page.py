"""The page about a run: what it is made of, and how a browser shows it."""

import re
import shutil
import subprocess
import zlib
from html.parser import HTMLParser
from itertools import pairwise

import pytest

import servers
from rowferry.cli.charts import bars, lines, number, span
from rowferry.cli.history import History, Point
from rowferry.records import Progress
from rowferry.testing import Answer, FakeApi


def event(seconds, delivered=0, **more):
    figures = {"read": delivered, "records": delivered, "dead": 0, "in_flight": 0, "retries": 0}
    return Progress(seconds=seconds, delivered=delivered, total=None, **figures | more)


# history and charts


def test_history_keeps_events_evenly_and_always_the_last():
    history = History()
    for tenth in range(10_000):
        history(event(tenth / 10, tenth))
    kept = [one.seconds for one in history.events]
    assert len(kept) <= 402
    assert (kept[0], kept[-1]) == (0, 999.9)
    assert max(later - one for one, later in pairwise(kept)) < 6 * 999.9 / 400


def test_rates_are_what_was_delivered_between_events():
    history = History()
    for one in (event(0, 0), event(1, 100), event(3, 200), event(3, 200)):
        history(one)
    assert history.rates == [Point(0.5, 100), Point(2, 50)]


def test_latencies_begin_once_there_are_any():
    history = History()
    history(event(0))
    history(event(1, latency_p50=0.01, latency_p99=0.5))
    assert history.latencies == {"p50": [Point(1, 10)], "p99": [Point(1, 500)]}


def test_a_chart_is_drawn_within_its_frame():
    drawn = lines("a < b", {"": [Point(0, 0), Point(5, 37), Point(10, 12)]})
    places = re.search(r'points="([^"]+)"', drawn)[1].split()
    for x, y in (map(float, place.split(",")) for place in places):
        assert 0 <= x <= 720
        assert 0 <= y <= 190
    assert "a &lt; b" in drawn
    assert ">40<" in drawn


def test_a_chart_of_one_moment_or_none_is_drawn_as_well():
    assert "<circle" in lines("one", {"": [Point(0, 0)]})
    assert "nothing was measured" in lines("none", {"": []})


def test_bars_are_in_the_order_of_their_size_and_escaped():
    drawn = bars({"small": 1, "<large>": 1000, "none": 0})
    assert drawn.index("&lt;large&gt;") < drawn.index("small")
    assert "1,000" in drawn
    assert "none" not in drawn
    assert "none" in bars({})


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.25, "0.25"), (1250, "1,250"), (2e6, "2M"), (3.5e9, "3.5G")]
)
def test_numbers_are_short(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "0.5 s"), (119, "119.0 s"), (150, "2.5 min"), (9000, "2.5 h")]
)
def test_spans_are_in_the_unit_that_suits_them(seconds, text):
    assert span(seconds) == text


# the page


class Outside(HTMLParser):
    """Finds what a page would fetch from elsewhere."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in {"src", "href", "srcset", "data", "action"} and value != "data:,":
                self.found.append((tag, value))
        if tag in {"script", "iframe", "object", "embed"}:
            self.found.append((tag, ""))


def behave(request):
    number = request.json()["id"]
    if number == 2:
        return Answer(status=422, body=b"no")
    if number == 3 and request.attempt == 1:
        return 503
    return Answer(delay=0.1)


@pytest.fixture
def report(job, rowferry, folder):
    """The page about a run of a job that had some trouble."""
    path = job('api.headers = { X-Word = "${WORD}" }\napi.limits.concurrency = 1\n')
    with FakeApi(behave) as api:
        env = {"API": f"{api.url}?key=h0tel", "WORD": "t4ngo"}
        done = rowferry("run", path, "--report", "run.html", env=env)
    assert done.returncode == 3
    return folder / "run.html"


def test_the_page_is_one_file_without_a_secret(report):
    text = report.read_text(encoding="utf-8")
    outside = Outside()
    outside.feed(text)
    assert outside.found == []
    assert "default-src 'none'" in text
    assert "h0tel" not in text
    assert "t4ngo" not in text
    for said in ("sensors", "finished, with dead letters", "503", "rejected, 422"):
        assert said in text


def test_a_job_that_ended_early_has_its_page_and_says_why(rowferry, job, folder):
    with FakeApi(401) as api:
        done = rowferry("run", job(), "--report", "run.html", env={"API": api.url})
    assert done.returncode == 5
    assert "answered 401" in (folder / "run.html").read_text()


def test_a_place_where_no_page_can_be_is_told_before_anything_is_sent(rowferry, job):
    with FakeApi() as api:
        for place in ("no/where/run.html", "."):
            done = rowferry("run", job(), "--report", place, env={"API": api.url})
            assert done.returncode == 2
            assert f"no file can be made at {place}" in done.stderr
        assert len(api.received) == 0


def test_copies_have_a_page_too(rowferry, folder):
    done = rowferry(
        *("copy", "sqlite:///sensors.db", "sqlite:///there.db", "--table", "sensor"),
        *("--create", "--report", "run.html"),
    )
    assert done.returncode == 0
    assert "into a database" in (folder / "run.html").read_text()


# in a browser


@pytest.fixture(scope="session")
def chromium():
    return shutil.which("chromium") or servers.missing("Chromium", "apt-get install chromium")


def browse(chromium, folder, *options):
    """Open a page without a network; give what the browser printed."""
    done = subprocess.run(
        [
            chromium,
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--enable-logging=stderr", "--window-size=600,900", f"--user-data-dir={folder}"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", *options),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def pixels(png):
    """Give the rows of a PNG picture of 8 bits a colour, as they are after unfiltering."""
    place, data = 8, b""
    while place < len(png):
        size = int.from_bytes(png[place : place + 4], "big")
        kind, content = png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        if kind == b"IHDR":
            width, channels = int.from_bytes(content[:4], "big"), {2: 3, 6: 4}[content[9]]
        data += content if kind == b"IDAT" else b""
        place += 12 + size
    raw, line = zlib.decompress(data), width * channels
    rows, before = [], bytes(line)
    for start in range(0, len(raw), line + 1):
        before = unfiltered(raw[start], raw[start + 1 : start + 1 + line], before, channels)
        rows.append(before)
    return rows, channels


def unfiltered(kind, line, above, step):
    """Undo the filter of a line. Source: PNG (ISO/IEC 15948), section 9."""
    if kind == 0:
        return line
    if kind == 2:
        return bytes((one + up) & 255 for one, up in zip(line, above, strict=True))
    done = bytearray(line)
    for place in range(len(done)):
        left = done[place - step] if place >= step else 0
        up, corner = above[place], above[place - step] if place >= step else 0
        near = left + up - corner
        nearest = min((left, up, corner), key=lambda one: abs(near - one))
        done[place] = (done[place] + {1: left, 3: (left + up) // 2, 4: nearest}[kind]) & 255
    return bytes(done)


@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_the_page_in_the_light_and_in_the_dark(chromium, report, tmp_path, dark):
    place = tmp_path / "page.png"
    scheme = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0") if dark else ()
    _, console = browse(
        chromium, tmp_path / "profile", *scheme, f"--screenshot={place}", report.as_uri()
    )
    assert console == []
    rows, channels = pixels(place.read_bytes())
    corner = rows[5][:3]
    assert (max(corner) < 60) if dark else (min(corner) > 240)
    colours = {row[at : at + 3] for row in rows[::3] for at in range(0, len(row), channels)}
    ink = max(colours, key=sum) if dark else min(colours, key=sum)
    assert (sum(ink) > 600) if dark else (sum(ink) < 150)
    blue = [one for one in colours if one[2] > one[0] + 80]
    assert blue, "no line is drawn"


def test_a_browser_finds_the_text_of_the_page_and_no_mistake_in_it(chromium, report, tmp_path):
    dom, console = browse(chromium, tmp_path / "profile", "--dump-dom", report.as_uri())
    assert console == []
    text = " ".join(re.sub(r"<style.*?</style>|<[^>]+>", " ", dom, flags=re.DOTALL).split())
    for said in (
        *("sensors finished, with dead letters", "rows read 5", "delivered 4", "dead 1"),
        *("Rows a second", "Requests in flight", "Latency, ms", "Sent again, so far"),
        *("Answers delivered 4", "503 1", "422 1", "Dead letters rejected, 422 1"),
    ):
        assert said in text


def test_the_page_can_be_printed(chromium, report, tmp_path):
    place = tmp_path / "page.pdf"
    browse(chromium, tmp_path / "profile", f"--print-to-pdf={place}", report.as_uri())
    assert place.read_bytes().startswith(b"%PDF")

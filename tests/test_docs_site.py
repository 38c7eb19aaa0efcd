"""The site of the documents: what is on its pages, its pictures, and that it needs no network."""

import importlib.util
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import rowferry
import servers
from command_line import environ

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
REFERENCE = sorted(set(ROOT.glob("docs/reference/*.md")) - {ROOT / "docs/reference/README.md"})
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
SHOWN = re.compile(r'(?:\]\(|src="|srcset=")(?:docs/)?pictures/([\w.-]+)')


# the reference


def on_the_pages():
    text = "".join(page.read_text(encoding="utf-8") for page in REFERENCE)
    return re.findall(r"^::: (\S+)$", text, re.MULTILINE)


def test_every_public_name_is_on_one_page_of_the_reference():
    shown = on_the_pages()
    modules = ("rowferry.elasticsearch", "rowferry.testing")
    for name in (*modules, *(f"rowferry.{name}" for name in rowferry.__all__)):
        assert shown.count(name) == 1, name
    assert len(shown) == len(set(shown))


def test_a_page_of_the_reference_says_what_fills_it_and_is_listed():
    overview = (ROOT / "docs" / "reference" / "README.md").read_text(encoding="utf-8")
    for page in REFERENCE:
        assert "fills this page in from the docstrings" in page.read_text(encoding="utf-8")
        assert f"]({page.name})" in overview
    for name in rowferry.__all__:
        assert f"`{name}`" in overview


# pictures


def test_every_picture_is_shown_and_every_one_that_is_shown_is_there():
    shown = {name for page in DOCUMENTS for name in SHOWN.findall(page.read_text("utf-8"))}
    assert shown == {path.name for path in PICTURES.iterdir()}


def test_every_picture_says_in_words_what_it_shows():
    for page in DOCUMENTS:
        text = page.read_text(encoding="utf-8")
        words = re.findall(r"!\[(.*?)\]\(", text)
        words += [image[1] for image in re.finditer(r'<img [^>]*?alt="(.*?)"', text)]
        assert len(words) == text.count("![") + text.count("<img ")
        assert all(len(told.split()) > 3 for told in words), page.name


def test_pictures_are_small_and_fetch_nothing():
    for picture in PICTURES.iterdir():
        content = picture.read_bytes()
        assert len(content) < 150_000
        assert b"url(http" not in content


# pages


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("file", "link", "turned"),
    [
        ("README.md", "[a](docs/guide.md#values)", "[a](guide.md#values)"),
        ("README.md", "![a](docs/pictures/run.svg)", "![a](pictures/run.svg)"),
        ("README.md", "[a](ARCHITECTURE.md)", "[a](design.md)"),
        ("docs/guide.md", "[a](../examples/load.py)", "[a](code/examples/load.md)"),
        ("docs/guide.md", "[a](../examples)", "[a](examples.md)"),
        ("docs/guide.md", "[a](../tests/wire.py)", "[a](code/tests/wire.md)"),
        ("docs/guide.md", "[a](../examples/one.ipynb)", "[a](code/examples/one.ipynb)"),
        ("docs/guide.md", "[a](../README.md)", "[a](index.md)"),
        ("docs/reference/api.md", "[a](../../CONTRIBUTING.md)", "[a](../contributing.md)"),
        ("docs/reference/api.md", "[a](../guide.md)", "[a](../guide.md)"),
        ("docs/guide.md", "[a](https://example.org/x.md), [b](#b)", None),
        ("docs/guide.md", "[a](../SECURITY.md)", None),
    ],
)
def test_links_are_turned_to_where_they_lead_in_the_site(pages, file, link, turned):
    assert pages.turned(link, file) == (turned or link)


def test_the_pipes_in_the_code_of_a_table_lose_the_backslash_that_github_wants(pages):
    assert pages.with_plain_pipes("| `a\\|b` | c\\|d |") == "| `a|b` | c\\|d |"
    assert pages.with_plain_pipes("a `x\\|y` in a sentence") == "a `x\\|y` in a sentence"


# the site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as it is built; a warning ends that."""
    place = tmp_path_factory.mktemp("site")
    environment = environ(NO_MKDOCS_2_WARNING="1")
    for command in (["docs/pages.py"], ["-m", "mkdocs", "build", "--site-dir", str(place)]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return place


class Fetched(HTMLParser):
    """Collects what a browser fetches to show a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        names = {"src", "srcset", "data"} | ({"href"} if tag == "link" else set())
        self.found += [value for name, value in attrs if name in names]


def test_the_site_fetches_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        fetched = Fetched()
        fetched.feed(page.read_text(encoding="utf-8"))
        assert [one for one in fetched.found if re.match(r"(\w+:)?//", one)] == []
        for one in fetched.found:
            place = one.partition("?")[0]
            assert place.startswith("/") or (page.parent / place).exists(), (page.name, one)
    for style in site.rglob("*.css"):
        assert "url(http" not in style.read_text(encoding="utf-8")


def text_of(page):
    return " ".join(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")).split())


def test_the_reference_shows_signatures_as_python_has_them(site):
    api = text_of(site / "reference" / "api.html")
    assert "Api( url: str, *, method: str = &quot;POST&quot;" in api.replace('"', "&quot;")
    assert "batch_bytes: int = 5242880" in api
    assert "budget: Budget = Budget()" in text_of(site / "reference" / "sending.html")
    sending = (site / "reference" / "sending.html").read_text(encoding="utf-8")
    assert 'href="exceptions.html#rowferry.exceptions.RejectedError"' in sending


@pytest.mark.parametrize("word", ["watermark", "acopy_to_api"])
def test_the_search_works_in_files_without_a_server(site, tmp_path, word):
    chromium = shutil.which("chromium") or servers.missing("Chromium", "apt-get install chromium")
    done = subprocess.run(
        [
            chromium,
            *("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=20000"),
            *("--dump-dom", f"{(site / 'index.html').as_uri()}?q={word}"),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    assert "md-search-result__item" in done.stdout
    assert "<mark>" in done.stdout

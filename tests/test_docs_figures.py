"""The pages of figures are made of what was measured, and the first page tells the same."""

import importlib
import json
import re
import sys

import pytest

import documents

BENCHMARKS = documents.ROOT / "benchmarks"
DOCS = documents.ROOT / "docs"


@pytest.fixture
def rendered(monkeypatch):
    """Give a page as `make docs` writes it."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])

    def rendered(intro, report, results):
        figures = json.loads((BENCHMARKS / results).read_text(encoding="utf-8"))
        page = importlib.import_module(report).render(figures)
        return (BENCHMARKS / intro).read_text(encoding="utf-8") + page

    return rendered


PAGES = {
    "performance.md": ("intro.md", "report", "published.json"),
    "databases-performance.md": (
        "databases_intro.md",
        "database_report",
        "published_databases.json",
    ),
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_figures_is_what_is_made_of_the_measurements(page, rendered):
    assert documents.text_of(DOCS / page) == rendered(*PAGES[page]), "make docs writes it anew"


@pytest.mark.parametrize("row", ["rows/s, an API of 20 ms", "rows/s, 10 ms", "µs of CPU a row"])
def test_the_figures_of_the_first_page_are_those_of_the_page_of_figures(row):
    shown = re.findall(r"\d[\d,]*(?:\.\d+)?", documents.text_of(DOCS / "performance.md"))
    measured = {round(float(figure.replace(",", ""))) for figure in shown}
    readme = documents.text_of(documents.ROOT / "README.md")
    line = re.search(rf"^\| \*\*{row}.*?\*\* \|(.*)$", readme, re.MULTILINE)[1]
    cells = [re.findall(r"^ ([\d,]+)|the limit: ([\d,]+)", cell) for cell in line.split("|")]
    texts = {figure for cell in cells for pair in cell for figure in pair if figure}
    figures = {int(figure.replace(",", "")) for figure in texts}
    assert len(figures) >= 3
    assert sorted(figures - measured) == []

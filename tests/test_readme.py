"""The figures of README.md are those that were measured."""

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PUBLISHED = json.loads((ROOT / "benchmarks" / "published.json").read_text(encoding="utf-8"))


@pytest.fixture
def report(monkeypatch):
    """What writes the table, as a module."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("readme_report")


def test_the_figures_are_those_that_were_published(report):
    assert report.written(README, PUBLISHED) == README


def test_another_measurement_gives_another_table(report):
    doubled = json.loads(json.dumps(PUBLISHED))
    for scenario in doubled["scenarios"]:
        for run in scenario["runs"]:
            run["rows"] *= 2
    assert report.written(README, doubled) != README

"""The figures of README.md are those that were measured."""

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PUBLISHED = json.loads((ROOT / "benchmarks" / "published.json").read_text(encoding="utf-8"))


def report():
    spec = importlib.util.spec_from_file_location(
        "readme_report", ROOT / "benchmarks" / "readme_report.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_figures_are_those_that_were_published():
    assert report().written(README, PUBLISHED) == README


def test_another_measurement_gives_another_table():
    doubled = json.loads(json.dumps(PUBLISHED))
    for scenario in doubled["scenarios"]:
        for run in scenario["runs"]:
            run["rows"] *= 2
    assert report().written(README, doubled) != README

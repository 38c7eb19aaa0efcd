"""The wheel, installed where nothing is but what it depends on: it runs a job, and the demo."""

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from rowferry.testing import FakeApi

ROOT = Path(__file__).parent.parent


def run(*command, **options):
    options = {"capture_output": True, "text": True, "timeout": 110} | options
    return subprocess.run([*map(str, command)], check=True, **options)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The programs of an environment with the wheel; what it depends on is there by reference."""
    place = tmp_path_factory.mktemp("env")
    venv.create(place, symlinks=True)
    programs = place / "bin"
    there = sysconfig.get_path("purelib", vars={"base": place, "platbase": place})
    (Path(there) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", programs / "python")
    run(*pip, "install", "--no-deps", "--no-index", "--quiet", wheel)
    return programs


def test_the_wheel_holds_all_of_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    sources = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src" / "rowferry").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == sources


def test_the_dependencies_of_the_command_line_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {dependency.split(">")[0] for dependency in project["dependencies"]}
    assert {"click", "rich", "msgspec"} <= names
    assert project["scripts"] == {"rowferry": "rowferry.cli.main:main"}


def test_the_wheel_runs_a_job(installed, folder):
    environment = {**os.environ, "PYTHONPATH": "", "NO_COLOR": "1"}
    with FakeApi() as api:
        url = "sqlite:///sensors.db"
        run(installed / "rowferry", "init", url, api.url, "--table", "sensor", env=environment)
        done = run(installed / "rowferry", "run", "job.toml", env=environment)
    assert json.loads(done.stdout)["delivered"] == len(api.records) == 5
    module = run(
        installed / "python", "-c", "import rowferry; print(rowferry.__file__)", env=environment
    )
    assert str(installed.parent) in module.stdout


def test_the_wheel_runs_the_demo(installed):
    pytest.importorskip("airportsdata")
    environment = {**os.environ, "PYTHONPATH": "", "NO_COLOR": "1"}
    demo = ROOT / "examples" / "demo.py"
    done = run(installed / "python", demo, "--rows", 300, "--sequential", 20, env=environment)
    assert "airports" in done.stdout

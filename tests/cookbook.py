"""The recipes of examples/cookbook, for the tests: as modules, and as programs."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RECIPES = ROOT / "examples" / "cookbook"


def recipe(name):
    """Give the module of a recipe."""
    return module(RECIPES / f"{name}.py")


def module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def run(tmp_path):
    """Run a recipe as users do, and give the lines that it printed; it has to leave no files."""

    def run(name, **environment):
        path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ROWFERRY_")}
        folder = tmp_path / "run"
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-W", "error", RECIPES / f"{name}.py"],
            cwd=folder,
            env=kept | {"PYTHONPATH": path, "TMPDIR": str(folder)} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert list(folder.iterdir()) == []
        return done.stdout.splitlines()

    return run

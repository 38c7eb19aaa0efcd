"""The recipes of examples/cookbook, for the tests: as modules, and as programs."""

import importlib.util
import os
import signal
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


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import rowferry as etl
from cookbook import recipe
job = recipe({name!r})
with etl.connect({database!r}) as conn:
    {call}
"""


class KillingApi:
    """A behaviour: the process that sends is killed at the request of a number, once."""

    def __init__(self, at, then=201):
        self.process = None
        self._at = at
        self._then = then

    def __call__(self, request):
        if request.number == self._at:
            self.process.kill()
            self.process.wait()  # so that it cannot have had the answer
        return self._then(request) if callable(self._then) else self._then


def run_until_killed(behaviour, name, database, call):
    """Run *call*, with `job` and `conn`, in a process that *behaviour* is to kill."""
    code = KILLED.format(tests=str(ROOT / "tests"), name=name, database=database, call=call)
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    behaviour.process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert behaviour.process.wait(timeout=60) == -signal.SIGKILL

"""What `import rowferry` gives, and what it costs."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import rowferry
from rowferry import exceptions

SOURCES = Path(rowferry.__file__).parent


def test_all_is_what_can_be_had_and_nothing_else_is_public():
    assert len(rowferry.__all__) == len(set(rowferry.__all__))
    assert dir(rowferry) == sorted(rowferry.__all__)
    for name in rowferry.__all__:
        assert hasattr(rowferry, name)


def test_no_public_name_is_that_of_a_module_which_would_take_its_place_once_it_is_imported():
    modules = {path.stem for path in SOURCES.glob("*.py")}
    assert set(rowferry.__all__) & modules == {"auth", "exceptions", "row_factories"}


def test_all_is_what_type_checkers_see():
    tree = ast.parse((SOURCES / "__init__.py").read_text())
    typed = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name for node in typed.body for alias in node.names}
    assert seen == set(rowferry.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'rowferry' has no attribute 'nope'"):
        rowferry.nope  # noqa: B018 - it raises


@pytest.mark.parametrize("name", [name for name in rowferry.__all__ if name != "__version__"])
def test_every_public_name_has_a_docstring(name):
    public = getattr(rowferry, name)
    assert public.__doc__
    if inspect.isclass(public):
        assert not public.__doc__.startswith(f"{name}(")  # what a dataclass writes by itself
        members = [
            member
            for attribute, member in vars(public).items()
            if not attribute.startswith("_") and inspect.isfunction(member)
        ]
        assert all(member.__doc__ for member in members)


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: path.stem)
def test_every_module_has_a_docstring(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_every_exception_is_of_one_tree_and_drawn_in_it():
    for name, kind in vars(exceptions).items():
        if inspect.isclass(kind) and issubclass(kind, Exception):
            assert issubclass(kind, exceptions.RowferryError)
            assert kind.__doc__
            assert name == "RowferryError" or kind.__name__ in exceptions.__doc__


def test_etlhelpers_names_are_the_same_exceptions():
    assert exceptions.ETLHelperError is exceptions.RowferryError
    for name in ("Connection", "Query", "DbParams", "Extract", "Insert", "Helper", "BadIdentifier"):
        kind = getattr(exceptions, f"ETLHelper{name}Error")
        assert issubclass(kind, exceptions.RowferryError)


def imported_by(statement):
    """Give the packages that a new interpreter has loaded after *statement*."""
    program = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(SOURCES.parent)},
    )
    return set(done.stdout.split())


HEAVY = {"psycopg", "psycopg2", "rich", "click", "pytest"}


def test_importing_rowferry_imports_no_driver_and_nothing_for_terminals():
    every = "import rowferry as etl; [getattr(etl, name) for name in etl.__all__]"
    for statement in ("import rowferry", every, f"{every}; import rowferry.testing"):
        assert not HEAVY & imported_by(statement)


def test_importing_rowferry_imports_nothing_for_transfers():
    assert not {"asyncio", "ssl", "msgspec", "httptools", "uvloop"} & imported_by("import rowferry")


def test_a_transfer_imports_no_driver_that_it_does_not_use():
    every = (
        "import rowferry as etl; from rowferry.testing import FakeApi; import sqlite3\n"
        "conn = sqlite3.connect(':memory:')\n"
        "with FakeApi() as api: etl.copy_to_api('SELECT 1 AS id', conn, api.url)\n"
        "import sys"
    )
    program = f"{every}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(SOURCES.parent)},
    )
    assert not HEAVY & set(done.stdout.split())

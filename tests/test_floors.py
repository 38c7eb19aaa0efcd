"""The architecture (ARCHITECTURE.md): no file imports a higher floor, none in circles."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import rowferry

FLOORS = (
    """exceptions records batches version""",
    """abort adaptive batching budget checks column_types fingerprint gate idempotency incremental
    json_text key_text keyset ledger limits logs mounts ordering places quota redaction refusals
    retry row_factories splitting sql templates transforms values verdict watermark""",
    """databases formats http auth heads api_checks api positions lock letters journal_schema
    journal_status journal_file journal_entry spans pass_book recording letter_book journal""",
    """db_params connections transactions ordered reader extract catalogue creation flow writing
    checkpoint_table session_lock checkpoint insert whole_table copying resuming row_source
    sources transfer_spec fetching unsent packing handoff dialer credentials lanes
    journal_writer committing settling waiting aside dividing pacing retrying outcomes
    dispatching delivery pipeline""",
    """transfer running letter_office options observe testing file_rows preview config cli
    elasticsearch __init__ __main__""",
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names.split()}
SOURCES = Path(rowferry.__file__).parent
FILES = {
    ".".join(path.relative_to(SOURCES).with_suffix("").parts): path
    for path in SOURCES.rglob("*.py")
}


def imports(name):
    """Give the modules that *name* imports, also for types only or in a function."""
    for node in ast.walk(ast.parse(FILES[name].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "rowferry":
            package = ".".join(node.module.split(".")[1:])
            for alias in node.names:
                inner = f"{package}.{alias.name}".strip(".")
                yield next(
                    known for known in (inner, package, f"{package}.__init__") if known in FILES
                )


def floor(name):
    return FLOOR[name.split(".")[0]]


@pytest.mark.parametrize("name", FILES)
def test_no_module_imports_a_higher_floor(name):
    assert [known for known in imports(name) if floor(known) > floor(name)] == []


def test_nothing_is_imported_in_circles():
    tuple(TopologicalSorter({name: set(imports(name)) for name in FILES}).static_order())


@pytest.mark.parametrize("folder", ["databases", "formats"])
def test_the_files_of_a_folder_do_not_know_one_another(folder):
    """But for those of one database, which begin with its name, and the contract that all share."""
    for name in FILES:
        if name.startswith(f"{folder}.") and not name.endswith("__init__"):
            family = name.split(".")[1].split("_")[0]
            known = {other for other in imports(name) if other.startswith(f"{folder}.")}
            kin = {other for other in known if other.split(".")[1].split("_")[0] == family}
            assert known - kin <= {f"{folder}.contract"}


def test_every_module_has_its_floor_and_every_floor_its_modules():
    assert {name.split(".")[0] for name in FILES} == set(FLOOR)


def test_the_picture_of_the_floors_names_the_same_modules():
    picture = (SOURCES.parent.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = [line.split("|")[3] for line in picture.splitlines() if re.match(r"\| \d ", line)]
    assert [row.replace("`", "").replace("/", "").split() for row in rows] == [
        names.split() for names in FLOORS
    ]

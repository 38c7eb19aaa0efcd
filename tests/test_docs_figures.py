"""What `make docs` writes into the documents is in them: tables, recipes, measured figures."""

import re
import shutil
import subprocess
import sys

import pytest

import documents
from command_line import environ

MAKEFILE = documents.text_of(documents.ROOT / "Makefile")
RECIPE = MAKEFILE.partition("\ndocs:")[2].partition("\n\n")[0]
STEPS = [
    step
    for step in re.findall(r"^\t(.*)", RECIPE, re.MULTILINE)
    if "mkdocs" not in step and not step.startswith("@")
]
"""What the recipe does before it builds the site of the pages."""


@pytest.fixture
def anew(tmp_path):
    """Write the documents anew, in a copy of them; give the copy."""
    for folder in ("docs", "benchmarks", "examples"):
        shutil.copytree(documents.ROOT / folder, tmp_path / folder)
    for page in documents.ROOT.glob("*.md"):
        shutil.copy(page, tmp_path)
    for step in STEPS:
        command = step.replace("$(BIN)/python", sys.executable)
        subprocess.run(command, shell=True, cwd=tmp_path, env=environ(), check=True)
    return tmp_path


def test_the_documents_are_what_make_docs_writes(anew):
    assert any("report.py benchmarks/published.json" in step for step in STEPS)
    assert any("benchmarks/published_databases.json" in step for step in STEPS)
    pages = [page.relative_to(documents.ROOT) for page in documents.PAGES]
    pages += [path.relative_to(anew) for path in anew.glob("docs/pictures/performance*")]
    changed = [
        str(page)
        for page in pages
        if (documents.ROOT / page).read_bytes() != (anew / page).read_bytes()
    ]
    assert changed == [], "make docs writes them anew"

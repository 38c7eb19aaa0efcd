"""
Writes the cookbook from its recipes, which are programs.

    python docs/cookbook.py

A recipe is a file of examples/cookbook: its docstring is a title and the text, and the code down to
`MARK` is what a reader copies. What is below runs it, and does not stand in the page.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parent / "cookbook.md"
RECIPES = Path(__file__).parent.parent / "examples" / "cookbook"

MARK = "# Below is a run of it: a database, an API, and what arrived.\n"

NEEDS: dict[str, tuple[str, ...]] = {
    "What is in the rows": ("geometry_as_geojson", "jsonb_passed_through", "parent_with_children"),
    "What else holds rows": ("csv_to_api",),
    "What the API asks for": ("put_by_id", "delete_what_is_gone", "hmac_signed"),
    "How the API answers": ("paging_api_with_207", "rate_limited_api"),
    "When it runs, and where": ("nightly_incremental", "scheduler_task", "in_a_notebook"),
    "What is done afterwards": ("retry_dead_letters",),
}
"""The recipes, by what they are needed for, in the order of the page."""

INTRO = """\
# Cookbook

Jobs to copy, each complete but for your query and your API. The link below each leads to the whole
program, which makes a small database and an API, runs the job and prints what arrived. The tests
run them all, and the failures that they are about.
"""


class Recipe(NamedTuple):
    """What a file of the cookbook says."""

    name: str
    title: str
    text: str
    code: str

    @property
    def anchor(self) -> str:
        """Where its heading is in the page."""
        return re.sub(r"[^\w -]", "", self.title).strip().lower().replace(" ", "-")


def recipe(name: str) -> Recipe:
    """Read the recipe called *name*."""
    source = (RECIPES / f"{name}.py").read_text(encoding="utf-8")
    title, _, text = (ast.get_docstring(ast.parse(source)) or "").partition("\n")
    program, _, _ = source.partition(MARK)
    code = program.split('"""', 2)[2]
    return Recipe(name, title.removesuffix("."), text.strip(), code.strip())


def page() -> str:
    """Give the text of the page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield INTRO
    needs = {need: [recipe(name) for name in names] for need, names in NEEDS.items()}
    for need, recipes in needs.items():
        yield f"**{need}**\n"
        yield from (f"* [{one.title}](#{one.anchor})" for one in recipes)
        yield ""
    for recipes in needs.values():
        for one in recipes:
            yield f"## {one.title}\n\n{one.text}\n\n```python\n{one.code}\n```\n"
            yield f"To try it: [{one.name}.py](../examples/cookbook/{one.name}.py).\n"


def main() -> None:
    """Write the page if it has changed."""
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        PAGE.write_text(page(), encoding="utf-8")
        sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()

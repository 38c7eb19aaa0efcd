"""
Lays out the pages of the site in build/pages, where MkDocs finds them.

    python docs/pages.py

The documents stay where GitHub shows them: in docs/, and a few at the root. Here each gets its
place in the site, an example becomes a page with its code, and links between them are turned to
where they lead now. A link to a file that has no place in the site is left, so that MkDocs tells
of it.
"""

from __future__ import annotations

import ast
import os.path
import re
import shutil
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "build" / "pages"

PLACES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "design.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""Where the documents of the root are in the site."""

KINDS = ("*.md", "*.svg", "*.png", "*.css", "*.js")
"""What is taken from docs/, its folders included."""

_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")
_ROW = re.compile(r"^\|.*$", re.MULTILINE)
_CODE = re.compile(r"`[^`]+`")


def place_of(file: str) -> str | None:
    """Give where a file of the repository is in the site; None where it is not in it."""
    path = PurePosixPath(file)
    if path.parts[0] == "docs":
        return str(path.relative_to("docs"))
    if path.parts[0] == "examples" and path.suffix == ".py":
        return str(path.with_suffix(".md"))
    return PLACES.get(file)


def turned(text: str, file: str) -> str:
    """Give the text of a page of the repository with its links as they are in the site."""
    here = os.path.dirname(file)  # noqa: PTH120 (paths within the repository, none of this machine)
    folder = os.path.dirname(place_of(file) or "")  # noqa: PTH120

    def link(match: re.Match[str]) -> str:
        place = place_of(os.path.normpath(os.path.join(here, match[1])))  # noqa: PTH118
        return f"]({os.path.relpath(place, folder or '.') if place else match[1]}"

    return _LINK.sub(link, text)


def with_plain_pipes(text: str) -> str:
    """Take the backslashes away that GitHub wants before a | in the code of a table."""

    def plain(code: re.Match[str]) -> str:
        return code[0].replace("\\|", "|")

    return _ROW.sub(lambda row: _CODE.sub(plain, row[0]), text)


def summary(code: str) -> str:
    """Give the first line of the docstring of an example."""
    return (ast.get_docstring(ast.parse(code)) or "").partition("\n")[0]


def page_of(example: Path) -> str:
    """Give the page that shows an example."""
    code = example.read_text(encoding="utf-8")
    return f"# {example.name}\n\n````python\n{code}````\n"


def page_of_examples(examples: list[Path]) -> str:
    """Give the page that lists them."""
    lines = [
        "# Examples",
        "",
        "Scripts to start from, in the folder `examples`; each runs as it is.",
        "",
    ]
    for example in examples:
        told = summary(example.read_text(encoding="utf-8"))
        lines.append(f"* [{example.name}]({example.stem}.md): {told[:1].lower()}{told[1:]}")
    return "\n".join([*lines, ""])


def write(place: str, text: str) -> None:
    """Write a page of the site."""
    page = PAGES / place
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")


def main() -> None:
    """Lay out all pages, and nothing that was there before."""
    shutil.rmtree(PAGES, ignore_errors=True)
    documents = [path for kind in KINDS for path in (ROOT / "docs").rglob(kind)]
    for path in [*documents, *(ROOT / name for name in PLACES)]:
        file = path.relative_to(ROOT).as_posix()
        if path.suffix == ".md":
            text = with_plain_pipes(path.read_text(encoding="utf-8"))
            write(place_of(file) or file, turned(text, file))
        else:
            copy = PAGES / (place_of(file) or file)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    examples = sorted((ROOT / "examples").glob("*.py"))
    for example in examples:
        write(f"examples/{example.stem}.md", page_of(example))
    write("examples/index.md", page_of_examples(examples))


if __name__ == "__main__":
    main()

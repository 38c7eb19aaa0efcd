"""
Lays out the pages of the site in build/pages, where MkDocs finds them.

    python docs/pages.py

The documents stay where GitHub shows them: in docs/, and a few at the root. Here each gets its
place in the site, the examples and other code that they lead to become pages with that code, and
the links are turned to where they lead now. A link to what is not there is left to MkDocs to tell.
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
    "examples": "examples.md",
}
"""Where in the site is what has a place of its own there."""

KINDS = ("*.md", "*.svg", "*.png", "*.css", "*.js")
"""What is taken from docs/, its folders included."""

_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")
_ROW = re.compile(r"^\|.*$", re.MULTILINE)
_CODE = re.compile(r"`[^`]+`")


def place_of(file: str) -> str | None:
    """Give where a file of the repository is in the site; None where it is not in it."""
    path = PurePosixPath(file)
    if path.suffix == ".py":
        return f"code/{path.with_suffix('.md')}"
    if path.parts[0] == "docs":
        return str(path.relative_to("docs"))
    other = f"code/{file}" if path.suffix not in {"", ".md"} else None
    return PLACES.get(file, other)


def target_of(link: str, file: str) -> str:
    """Give the file of the repository to which a link in another one leads."""
    return os.path.normpath(PurePosixPath(file).parent / link)


def turned(text: str, file: str) -> str:
    """Give the text of a page of the repository with its links as they are in the site."""
    folder = PurePosixPath(place_of(file) or file).parent

    def link(match: re.Match[str]) -> str:
        place = place_of(target_of(match[1], file))
        return f"]({os.path.relpath(place, folder) if place else match[1]}"

    return _LINK.sub(link, text)


def with_plain_pipes(text: str) -> str:
    """Take the backslashes away that GitHub wants before a | in the code of a table."""

    def plain(code: re.Match[str]) -> str:
        return code[0].replace("\\|", "|")

    return _ROW.sub(lambda row: _CODE.sub(plain, row[0]), text)


def summary(code: str) -> str:
    """Give the first paragraph of the docstring of an example."""
    told = (ast.get_docstring(ast.parse(code)) or "").partition("\n\n")[0]
    return " ".join(told.split())


def page_of(code: Path) -> str:
    """Give the page that shows code."""
    return f"# {code.name}\n\n````python\n{code.read_text(encoding='utf-8')}````\n"


def page_of_examples(examples: list[Path]) -> str:
    """Give the page that lists them."""
    lines = []
    for example in examples:
        name = example.relative_to(ROOT / "examples").as_posix()
        told = summary(example.read_text(encoding="utf-8"))
        lines.append(f"* [{name}]({place_of(f'examples/{name}')}): {told}")
    return "\n".join(["# Examples", "", "Scripts to start from.", "", *lines, ""])


def put(file: str) -> None:
    """Write or copy a file of the repository to its place in the site."""
    path, place = ROOT / file, PAGES / (place_of(file) or file)
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".py":
        place.write_text(page_of(path), encoding="utf-8")
    elif path.suffix == ".md":
        text = with_plain_pipes(path.read_text(encoding="utf-8"))
        place.write_text(turned(text, file), encoding="utf-8")
    else:
        shutil.copyfile(path, place)


def code_behind(file: str) -> set[str]:
    """Give the files to which a document leads and which are none themselves."""
    links = _LINK.findall((ROOT / file).read_text(encoding="utf-8"))
    targets = {target_of(link, file) for link in links}
    return {one for one in targets if (place_of(one) or "").startswith("code/")}


def main() -> None:
    """Lay out all pages, and nothing that was there before."""
    shutil.rmtree(PAGES, ignore_errors=True)
    found = [path for kind in KINDS for path in (ROOT / "docs").rglob(kind)]
    files = {path.relative_to(ROOT).as_posix() for path in found}
    files |= {name for name in PLACES if name.endswith(".md")}
    examples = sorted((ROOT / "examples").rglob("*.py"))
    files |= {path.relative_to(ROOT).as_posix() for path in examples}
    for file in [one for one in files if one.endswith(".md")]:
        files |= code_behind(file)
    for file in files:
        if (ROOT / file).is_file():
            put(file)
    (PAGES / "examples.md").write_text(page_of_examples(examples), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The documents, as the tests read them: their prose, their blocks of code, what they name."""

import re
from itertools import count
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
"""All documents."""

DOCS = sorted(ROOT.glob("docs/*.md"))
"""What users look things up in."""

_FENCED = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^ *```\s*?$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


class Block(NamedTuple):
    """A block of code; *name* says where it stands."""

    page: str
    language: str
    text: str
    name: str


def text_of(page):
    return page.read_text(encoding="utf-8")


def blocks():
    """Give every block of code in the documents."""
    for page in PAGES:
        numbers = count(1)
        for _, language, text in _FENCED.findall(text_of(page)):
            yield Block(page.name, language, text, f"{page.name}-{next(numbers)}")


def prose(text):
    """Give *text* without its blocks of code."""
    return _FENCED.sub("", text)


def code_in(text):
    """Give all that stands between backticks in the prose of *text*."""
    return _CODE.findall(prose(text))


def named(text):
    """Give the words that stand between backticks in the prose of *text*."""
    return set(re.findall(r"[\w-]+", " ".join(code_in(text))))

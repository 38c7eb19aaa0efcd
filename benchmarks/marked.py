"""Parts of a page that are generated, each between `<!-- NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def filled(page: str, parts: Mapping[str, str]) -> str:
    """Give the text of *page* with *parts*, by their names; KeyError where one is not there."""

    def part(place: re.Match[str]) -> str:
        return f"<!-- {place[1]} -->\n{parts[place[1]]}\n<!-- end -->"

    return re.sub(r"<!-- (\S+) -->\n.*?<!-- end -->", part, page, flags=re.DOTALL)

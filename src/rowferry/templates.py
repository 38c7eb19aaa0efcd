"""Requests from records: a URL, a method and headers that have a `{column}` in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from urllib.parse import quote, unquote

from rowferry.exceptions import ConfigError
from rowferry.values import UnencodableError, named, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

METHODS = ("POST", "PUT", "PATCH", "DELETE")
"""What a column may name as the method of its record's request."""

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]")
_UNRESERVED = re.compile(r"[-.0-9A-Z_a-z~]*")
"""What stands for itself anywhere in a URL. Source: RFC 3986, section 2.3."""

_PRINTABLE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""What may stand in the value of a header. Source: RFC 9110, section 5.5."""

_DOTS = frozenset({".", ".."})
_NOWHERE = _DOTS | {""}
"""What no part of a path may be: a server would take the request for another place."""

Errors: TypeAlias = "dict[int, UnencodableError]"
"""What is wrong with records, by their index."""


class _Missing:
    """Stands for the cell of a column that a record does not have."""


MISSING: Final = _Missing()


def pieces_of(text: str, option: str) -> list[str]:
    """
    Split a text at each `{column}`: text at even places, names of columns at odd ones.

    `{{` and `}}` are braces that stand for themselves.

    Raises:
        ConfigError: a brace stands alone; the message names the option and does not show the text.
    """
    pieces, end = [""], 0
    for match in _BRACES.finditer(text):
        pieces[-1] += text[end : match.start()]
        end = match.end()
        if match[1]:
            pieces += [match[1], ""]
        elif len(match[0]) == 1:
            raise ConfigError(
                f"{option} has a brace that stands alone: write {{column}} for a column, "
                "{{ and }} for braces"
            )
        else:
            pieces[-1] += match[0][0]
    pieces[-1] += text[end:]
    return pieces


class Template(NamedTuple):
    """
    A text with columns in it.

    Attributes:
        option: where it stands, for messages.
        pattern: for `%`, with `%s` for each of its columns.
        columns: in order; one that stands twice is here twice.
    """

    option: str
    pattern: str
    columns: tuple[str, ...]

    def filled(self, texts: Mapping[str, Sequence[str]], count: int) -> list[str]:
        """Give the text of each of *count* records, of the texts that their columns have here."""
        if not self.columns:
            return [self.pattern % ()] * count
        if self.pattern == "%s":
            return list(texts[self.columns[0]])
        rows = zip(*(texts[column] for column in self.columns), strict=True)
        return list(map(self.pattern.__mod__, rows))


def template(text: str, option: str, literal: Callable[[str], str] = str) -> Template:
    """
    Make the template of *text*.

    Args:
        literal: makes of the text between columns what is to stand there.

    Raises:
        ConfigError: a brace stands alone.
    """
    pieces = pieces_of(text, option)
    pattern = "%s".join(literal(piece).replace("%", "%%") for piece in pieces[::2])
    return Template(option, pattern, tuple(pieces[1::2]))


class Rendered(NamedTuple):
    """
    What the records of a chunk make of their requests.

    Attributes:
        lines: the first line of each request.
        headers: lines of its own at the end of its head, each with its line break before; empty
            where none has any.
        bare: indexes of those that have no body.
        errors: of records whose request cannot be made; the others' are right.
    """

    lines: list[bytes]
    headers: list[bytes]
    bare: list[int]
    errors: Errors


class Templates:
    """
    What differs from request to request, since it comes from the records.

    Args:
        method: a method, or the template of one column.
        path: of the URL, as users write it.
        query: of the URL, as users write it; without the question mark.
        literal: percent-encodes what users wrote.
        headers: those that have columns, by name.
        content: headers that only a request with a body has; a DELETE has none where they are here.
    """

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        literal: Callable[[str], str],
        headers: Mapping[str, str],
        content: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._method = template(method, "method")
        target = template(f"{path or '/'}{'?' if query else ''}{query}", "url", literal)
        before = "" if self._method.columns else f"{self._method.pattern} "
        self._target = target._replace(pattern=f"{before}{target.pattern} HTTP/1.1")
        self._segments = [
            one for part in path.split("/") if (one := template(part, "url", unquote)).columns
        ]
        self._headers = [template(text, "headers") for text in headers.values()]
        self._block = "".join(
            f"\r\n{name.replace('%', '%%')}: {one.pattern}"
            for name, one in zip(headers, self._headers, strict=True)
        )
        self._content = "".join(f"\r\n{name}: {value}" for name, value in content)

    @property
    def in_target(self) -> bool:
        """Whether path or query have columns."""
        return bool(self._target.columns)

    @property
    def columns(self) -> dict[str, str]:
        """The option that each column stands in, by column."""
        every = (self._method, self._target, *self._headers)
        return {column: one.option for one in reversed(every) for column in one.columns}

    def render(
        self, records: Sequence[Any], rows: Sequence[Mapping[str, Any]] = (), *, first: bool = False
    ) -> Rendered:
        """
        Make the line and the headers of each record's request.

        Args:
            rows: one a record: what to take of its row where the record has no such column.
            first: whether these are the first records of a run, so that nothing was sent.

        Raises:
            ConfigError: none of the first records has a column that is needed.
        """
        errors: Errors = {}
        texts = {}
        for column, option in self.columns.items():
            cells = cells_of(records, rows, column)
            if first and cells and all(cell is MISSING for cell in cells):
                raise _no_column(column, option, records)
            texts[column] = _texts(cells, column, option, errors)
        for segment in self._segments:
            _check_segment(segment, segment.filled(texts, len(records)), errors)
        methods = self._methods(texts, errors)
        lines = self._lines(methods, texts, len(records), errors)
        bare = self._bare(methods, len(records))
        headers = self._blocks(bare, texts, len(records), errors)
        return Rendered(_encoded(lines), _encoded(headers), bare, errors)

    def _methods(self, texts: Mapping[str, list[str]], errors: Errors) -> list[str]:
        """Give the method of each record that names one; none where it is the same for all."""
        if not self._method.columns:
            return []
        column = self._method.columns[0]
        methods = list(map(str.upper, texts[column]))
        for index, method in enumerate(methods):
            if method not in METHODS:
                problem = f"column {column!r}: names none of the methods {', '.join(METHODS)}"
                errors.setdefault(index, UnencodableError(problem))
        return methods

    def _lines(
        self, methods: list[str], texts: Mapping[str, list[str]], count: int, errors: Errors
    ) -> list[str]:
        columns = set(self._target.columns)
        quoted = {column: _quoted(texts[column], column, errors) for column in columns}
        lines = self._target.filled(quoted, count)
        if methods:
            return [f"{method} {line}" for method, line in zip(methods, lines, strict=True)]
        return lines

    def _bare(self, methods: list[str], count: int) -> list[int]:
        if not self._content:
            return []
        if not methods:
            return list(range(count)) if self._method.pattern == "DELETE" else []
        return [index for index, method in enumerate(methods) if method == "DELETE"]

    def _blocks(
        self, bare: list[int], texts: Mapping[str, list[str]], count: int, errors: Errors
    ) -> list[str]:
        """Give the headers of each record; nothing where none has any."""
        columns = tuple(column for one in self._headers for column in one.columns)
        printable = {column: _printable(texts[column], column, errors) for column in set(columns)}
        if not columns and not self._content:
            return []
        blocks = Template("headers", self._block, columns).filled(printable, count)
        if not self._content:
            return blocks
        without = set(bare)
        return [
            block if index in without else block + self._content
            for index, block in enumerate(blocks)
        ]


def cells_of(records: Sequence[Any], rows: Sequence[Mapping[str, Any]], column: str) -> list[Any]:
    """Give each record's cell of a column; its row's, where it has none; else MISSING."""
    if set(map(type, records)) == {dict}:
        cells = [record.get(column, MISSING) for record in records]
    else:
        cells = [cell_of(record, column) for record in records]
    if rows and MISSING in cells:
        pairs = zip(cells, rows, strict=True)
        return [row.get(column, MISSING) if cell is MISSING else cell for cell, row in pairs]
    return cells


def cell_of(record: Any, column: str) -> Any:
    """Give the cell of a record or row of any kind; MISSING where it has no such column."""
    if type(record) is dict:
        return record.get(column, MISSING)
    return next((cell for name, cell in named(record) or () if name == column), MISSING)


def _no_column(column: str, option: str, records: Sequence[Any]) -> ConfigError:
    names = ", ".join(str(name) for name, _ in named(records[0]) or ())
    there_are = names or f"only a {type(records[0]).__name__}"
    return ConfigError(
        f"{option} has {{{column}}}, but the records have no column {column!r}; there are: "
        f"{there_are} (with per_row the columns of the row count as well; braces that stand "
        "for themselves are written {{ and }})"
    )


# cells to texts


def _texts(cells: list[Any], column: str, option: str, errors: Errors) -> list[str]:
    """Give the text of each cell; an empty one, and an error, where it has none."""
    kinds = set(map(type, cells))
    if kinds == {str}:
        return cells
    if kinds == {int} and max(map(abs, cells)) < _LARGE:
        return list(map(str, cells))
    texts = []
    for index, cell in enumerate(cells):
        try:
            texts.append(_text(cell, column, option))
        except UnencodableError as error:
            errors.setdefault(index, error)
            texts.append("")
    return texts


_LARGE = 10**4000
"""Python makes no text of integers past 4,300 digits."""


def _text(cell: Any, column: str, option: str) -> str:
    if cell is MISSING:
        raise UnencodableError(f"column {column!r}: is missing, and {option} needs it")
    if cell is None:
        raise UnencodableError(f"column {column!r}: is NULL, and {option} needs it")
    return cell if type(cell) is str else text_of(cell, column)


def _quoted(texts: list[str], column: str, errors: Errors) -> list[str]:
    """Percent-encode all but letters, digits and `-._~`; a slash, too."""
    if _UNRESERVED.fullmatch("".join(texts)):
        return texts
    quoted = []
    for index, text in enumerate(texts):
        try:
            quoted.append(quote(text, safe=""))
        except UnicodeEncodeError as error:
            problem = f"column {column!r}: the text is no valid Unicode (position {error.start})"
            errors.setdefault(index, UnencodableError(problem))
            quoted.append("")
    return quoted


def _printable(texts: list[str], column: str, errors: Errors) -> list[str]:
    """Let no text into a header that could end it."""
    if _PRINTABLE.fullmatch("".join(texts)):
        return texts
    problem = (
        f"column {column!r}: holds a line break or another character that no header may have; "
        "replace it or percent-encode it in a transform"
    )
    bad = [index for index, text in enumerate(texts) if not _PRINTABLE.fullmatch(text)]
    for index in bad:
        errors.setdefault(index, UnencodableError(problem))
    return ["" if index in errors else text for index, text in enumerate(texts)]


def _check_segment(segment: Template, texts: list[str], errors: Errors) -> None:
    """
    Let no part of a path be such that a server takes the request for another place.

    Many decode a path before they resolve its dots, so those between encoded slashes count.
    """
    together = "".join(texts)
    if not _NOWHERE & set(texts) and "/" not in together and "\\" not in together:
        return
    columns = ", ".join(dict.fromkeys(segment.columns))
    for index, text in enumerate(texts):
        if not text or not _DOTS.isdisjoint(text.replace("\\", "/").split("/")):
            what = "its dots would lead elsewhere" if text else "it is empty"
            problem = f"column {columns!r}: stands in the path of the url, and {what}"
            errors.setdefault(index, UnencodableError(problem))


def _encoded(texts: list[str]) -> list[bytes]:
    """Encode texts without NUL: all together, which takes half of the time."""
    return "\0".join(texts).encode("latin-1").split(b"\0") if texts else []

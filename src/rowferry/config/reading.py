"""Values of a job file, checked against what they may be; every mistake is noted, none raised."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib
import re
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rowferry.config.environment import Environment, MissingError
from rowferry.config.kinds import Kind, hints, tagged
from rowferry.config.mistakes import Mistake, nearest
from rowferry.config.options import Option, options_of
from rowferry.exceptions import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

WRONG: Any = object()
"""Stands for a value that is a mistake; where it stands, a mistake is noted."""

_STAND_IN = "http://localhost/"
"""Where a text is missing or wrong: with it in its place, the other values can be checked."""

_CODE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_TIME = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {
    "s": dt.timedelta(seconds=1),
    "m": dt.timedelta(minutes=1),
    "h": dt.timedelta(hours=1),
    "d": dt.timedelta(days=1),
}
_SHOWN = 60


class Reading:
    """
    Reads values, and gathers the mistakes in them.

    Args:
        environment: fills in the texts.
        base: the folder in which the modules of `module:function` are looked for first.
        textual: whether numbers and the like may come as text, as they do on a command line.
        stand_ins: what to go on with where a table is wrong that has to be there, by its type.

    Attributes:
        mistakes: all that were found so far.
    """

    def __init__(
        self,
        environment: Environment,
        base: Path,
        *,
        textual: bool = False,
        stand_ins: Mapping[type, Any] | None = None,
    ) -> None:
        self.mistakes: list[Mistake] = []
        self._environment = environment
        self._base = base
        self._textual = textual
        self._stand_ins = stand_ins or {}

    def wrong(self, path: str, message: str) -> Any:
        """Note a mistake; give what stands for the value."""
        self.mistakes.append(Mistake(path, self._environment.masked(message)))
        return WRONG

    def table(self, path: str, table: type, given: Any) -> Any:
        """
        Make a dataclass of a table of the file.

        Where something in it is wrong, it is left out, so that the tables around can be checked;
        `WRONG` where nothing can be made.
        """
        if not isinstance(given, Mapping):
            return self.wrong(path, f"expected a table of options, not {_shown(given)}")
        options = options_of(table)
        found: dict[str, Any] = {}
        wrong: set[str] = set()
        for name, value in given.items():
            if name not in options:
                wrong.add(name)
                self.wrong(f"{path}.{name}", unknown(name, options))
                continue
            found[name] = self.value(f"{path}.{name}", options[name].kind, value)
            if found[name] is WRONG:
                wrong.add(name)
                del found[name]
        for name in _required(options.values()) - set(given):
            wrong.add(name)
            self.wrong(path, f"{name} is missing: {options[name].doc}")
        return self._made(path, table, found, wrong)

    def value(self, path: str, kind: Kind, given: Any) -> Any:
        """Give what a value of the file is to the library; `WRONG` where it is a mistake."""
        if isinstance(given, str):
            return self._of_text(path, kind, given)
        if kind.anything:
            return self._filled(path, given)
        if isinstance(given, Mapping):
            return self._of_table(path, kind, given)
        if isinstance(given, list) and kind.items:
            read = [
                self.value(f"{path}[{number}]", kind.items, item)
                for number, item in enumerate(given)
            ]
            return WRONG if any(item is WRONG for item in read) else tuple(read)
        return self._of_scalar(path, kind, given)

    def _of_scalar(self, path: str, kind: Kind, given: Any) -> Any:
        if type(given) in kind.scalars:
            return given
        if given is False and kind.nothing:
            return None
        if type(given) is int and float in kind.scalars:
            return float(given)
        return self.wrong(path, f"expected {kind}, not {_shown(given)}")

    def _of_table(self, path: str, kind: Kind, given: Mapping[str, Any]) -> Any:
        if len(kind.tables) > 1:
            return self._of_type(path, tagged(kind.tables), given)
        if kind.tables:
            return self.table(path, kind.tables[0], given)
        if not kind.values:
            return self.wrong(path, f"expected {kind}, not a table")
        read = {
            name: self.value(f"{path}.{name}", kind.values, value) for name, value in given.items()
        }
        return WRONG if any(value is WRONG for value in read.values()) else read

    def _of_type(self, path: str, tables: Mapping[str, type], given: Mapping[str, Any]) -> Any:
        """Give what a table is whose `type` tells it."""
        told = given.get("type")
        words = Kind(words=tuple(tables))
        if told is None:
            return self.wrong(path, f"type is missing: {words}")
        word = self.value(f"{path}.type", words, told)
        if word is WRONG:
            return WRONG
        rest = {name: value for name, value in given.items() if name != "type"}
        return self.table(path, tables[word], rest)

    def _filled(self, path: str, given: Any) -> Any:
        """Fill in the texts of a value that may be anything."""
        if isinstance(given, str):
            return self._of_text(path, Kind(frozenset({str})), given)
        if isinstance(given, list):
            return [self._filled(f"{path}[{number}]", item) for number, item in enumerate(given)]
        if isinstance(given, Mapping):
            return {name: self._filled(f"{path}.{name}", item) for name, item in given.items()}
        return given

    def _of_text(self, path: str, kind: Kind, given: str) -> Any:
        try:
            text = self._environment.fill(given)
        except MissingError as error:
            return self.wrong(path, str(error))
        if text in kind.words or str in kind.scalars:
            return text
        if kind.code:
            return self._function(path, text)
        if kind.anything:
            return text
        loose = self._textual or text != given or dt.timedelta in kind.scalars
        read = _parsed(kind, text) if loose else None
        if read is not None:
            return read
        hint = nearest(text, kind.words) if kind.words else ""
        return self.wrong(path, f"expected {kind}, not {_shown(given)}{hint}")

    def _function(self, path: str, text: str) -> Any:
        """Import what `module:function` names."""
        if not _CODE.fullmatch(text):
            return self.wrong(path, f"expected a function as 'module:function', not {_shown(text)}")
        module_name, _, name = text.partition(":")
        if str(self._base) not in sys.path:
            sys.path.insert(0, str(self._base))
        try:
            found: Any = importlib.import_module(module_name)
        except Exception as error:  # noqa: BLE001 (a module of the user's raises what it likes)
            what = f"{type(error).__name__}: {error}"
            return self.wrong(path, f"cannot import the module {module_name}: {what}")
        for part in name.split("."):
            if not hasattr(found, part):
                hint = nearest(part, [known for known in dir(found) if known[0] != "_"])
                return self.wrong(path, f"the module {module_name} has no {part}{hint}")
            found = getattr(found, part)
        if not callable(found):
            return self.wrong(path, f"{text} is no function")
        return found

    def _made(self, path: str, table: type, found: dict[str, Any], wrong: set[str]) -> Any:
        """
        Make the dataclass of its options; note every bound that one of them is out of.

        The library tells of one at a time. So the option that it tells of is left out, and it is
        asked again. What it says of options that are wrong anyhow is passed over.
        """
        while True:
            try:
                return table(**self._required(table, found), **found)
            except ConfigError as error:
                culprit = _named_in(str(error), found)
                if not any(word in wrong for word in re.findall(r"\w+", str(error))):
                    message = str(error).removeprefix(f"{culprit}: ").removeprefix(f"{culprit} ")
                    if culprit or not wrong:
                        self.wrong(f"{path}.{culprit}" if culprit else path, message)
                if culprit is None:
                    return WRONG
                wrong.add(culprit)
                del found[culprit]

    def _required(self, table: type, found: Mapping[str, Any]) -> dict[str, Any]:
        """Give something for options that have to be there and are not."""
        options = options_of(table)
        return {
            name: self._stand_ins.get(hints(table)[name], _STAND_IN)
            for name in _required(options.values()) - set(found)
        }


def unknown(name: str, options: Mapping[str, Option]) -> str:
    """Say that there is no such option, and which one was probably meant, or where it belongs."""
    for option in options.values():
        for table in option.kind.tables:
            if name in options_of(table) and len(option.kind.tables) == 1:
                return f"there is no such option here; {name} belongs into the table {option.name}"
    there_are = "" if nearest(name, options) else f"; there are: {', '.join(options)}"
    return f"there is no such option{nearest(name, options)}{there_are}"


def _required(options: Iterable[Option]) -> set[str]:
    return {option.name for option in options if option.required}


def _named_in(message: str, names: Mapping[str, Any]) -> str | None:
    """Give the first of *names* in a message of the library, which begins with the option's."""
    return next((word for word in re.findall(r"\w+", message) if word in names), None)


def _parsed(kind: Kind, text: str) -> Any:
    """Give the number or truth that a text says; None where it says none of that kind."""
    if bool in kind.scalars and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if dt.timedelta in kind.scalars and (found := _TIME.fullmatch(text)):
        return float(found[1]) * _UNITS[found[2]]
    for scalar in (int, float):
        if scalar in kind.scalars:
            with contextlib.suppress(ValueError):
                return scalar(text)
    return None


def _shown(value: Any) -> str:
    """Give a value for people, cut where it is long."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str | int | float) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"

"""A COPY that stays open from call to call."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


class Held:
    """A context that is entered in one call and left in another."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._value: Any = None

    @contextmanager
    def unless_broken(self, enter: Callable[[], AbstractContextManager[Any]]) -> Iterator[Any]:
        """Give the value of the context, entered if need be; an error in the block leaves it."""
        try:
            if self._value is None:
                self._value = self._stack.enter_context(enter())
            yield self._value
        except BaseException:
            self.give_up()
            raise

    def leave(self) -> None:
        """Leave it well, and raise what that raises; nothing where it is not entered."""
        self._value = None
        self._stack.close()

    def give_up(self) -> None:
        """Leave it as by an error."""
        self._value = None
        error = _GivenUpError()
        with suppress(Exception):
            self._stack.__exit__(_GivenUpError, error, None)


class _GivenUpError(Exception):
    """What a COPY is left by that is not to be finished."""

"""Answers as tokens, in the order that MS-TDS asks for (2.2.4)."""

from . import tokens
from .script import Affected, Cut, Pause, Result, SQLError
from .tokens import DONEINPROC, INSERT, SELECT, Status

_COMPILES_NOT = {102, 156, 207, 208, 2812}
_TERMINATED = {515, 2601, 2627, 2628, 8152}


def as_list(answer):
    """Give the results of a statement, one after the other."""
    return answer if isinstance(answer, list) else [answer]


def batch(answers):
    """Yield the tokens of an SQL batch; a Cut or a Pause stands for itself."""
    for number, answer in enumerate(answers, 1):
        more = Status.MORE if number < len(answers) else Status.FINAL
        yield from _result(answer, tokens.DONE, more)


def call(answers, more=Status.FINAL, handle=None):
    """Yield the tokens of one RPC. *more* says that another one follows in the message."""
    failed = next((one for one in answers if isinstance(one, SQLError)), None)
    for answer in answers:
        yield from _result(answer, DONEINPROC, Status.MORE)
    yield tokens.return_status(failed.number if failed else 0)
    if handle is not None:
        yield tokens.return_handle(handle)
    status = more | (Status.ERROR if failed else Status.FINAL)
    yield tokens.done(status, token=tokens.DONEPROC)


def prepared_in_vain(answers):
    """Give the answers of a prepared statement: one that does not compile has a second error."""
    if any(isinstance(one, SQLError) and one.number in _COMPILES_NOT for one in answers):
        return [*answers, SQLError(8180, "Statement(s) could not be prepared.")]
    return answers


def _result(answer, token, more):
    match answer:
        case Result():
            yield from _rows(answer, token, more)
        case SQLError():
            yield from _error(answer, token, more)
        case Affected(count=None):
            yield tokens.done(more, token=token)
        case Affected(count=count):
            yield tokens.done(more | Status.COUNT, count, token, INSERT)
        case bytes():  # a token that the session puts in front
            yield answer
        case Cut() | Pause():
            yield answer
            yield tokens.done(more, token=token)
        case _:
            raise TypeError(f"no answer: {answer!r}")


def _rows(result, token, more):
    yield result.metadata
    total = 0
    for count, block in result.blocks():
        yield block
        total += count
    if isinstance(result.then, SQLError):
        yield from _error(result.then, token, more)
        return
    if result.then is not None:
        yield result.then
    yield tokens.done(more | Status.COUNT, total, token, SELECT)


def _error(problem, token, more):
    yield tokens.error(problem)
    if problem.number in _TERMINATED:
        yield tokens.info(3621, "The statement has been terminated.")
    yield tokens.done(more | Status.ERROR, token=token)

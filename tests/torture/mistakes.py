"""The mistakes that are planted: text of a file, and what takes its place."""

from typing import NamedTuple


class Change(NamedTuple):
    """A text that stands in a file exactly once, and what takes its place."""

    file: str
    old: str
    new: str


class Mistake(NamedTuple):
    """
    A mistake.

    Attributes:
        tier: of `mutants.py`, the smallest that must find it.
    """

    name: str
    tier: str
    changes: tuple[Change, ...]


MISTAKES = (
    Mistake(
        "a status below 400 counts as success",
        "noisy",
        (Change("verdict.py", "if status in self.success_status:", "if status < 400:"),),
    ),
    Mistake(
        "redirects are followed",
        "noisy",
        (
            Change(
                "outcomes.py",
                """
            case Fate.STOP:
""",
                """
            case Fate.STOP if response.header(b"location"):
                import urllib.parse, urllib.request
                where = urllib.parse.urljoin(self._api.url, response.header(b"location").decode())
                try:
                    urllib.request.urlopen(where, batch.body, timeout=1)
                except OSError:
                    pass
                self._try_again(lane, batch, verdict, response)
            case Fate.STOP:
""",
            ),
        ),
    ),
    Mistake(
        "out of attempts counts as delivered",
        "noisy",
        (
            Change(
                "outcomes.py",
                """
            self._reject(batch, ExhaustedError, reason, response)
        else:
""",
                """
            self._settling.deliver(batch)
            self._on_settled(batch)
        else:
""",
            ),
        ),
    ),
    Mistake(
        "a fresh idempotency key for each attempt",
        "noisy",
        (
            Change(
                "batches.py",
                """
            self.header,
            self.turn,
            self.sizes,
""",
                """
            b"\\r\\nIdempotency-Key: " + __import__("os").urandom(16).hex().encode(),
            self.turn,
            self.sizes,
""",
            ),
        ),
    ),
    Mistake(
        "a 1xx is taken as final",
        "noisy",
        (
            Change(
                "http/connection.py",
                "if self._status in {100, 102, 103} and",
                "if self._status in {999} and",
            ),
        ),
    ),
    Mistake(
        "the exception of a task is swallowed",
        "noisy",
        (
            Change(
                "delivery.py",
                """
        except BaseException:
            self._over = True
            raise
""",
                """
        except Exception:
            return
""",
            ),
            Change(
                "delivery.py",
                """
        if lane.batch:
            now = monotonic()
""",
                """
        if lane.batch:
            import random
            if random.random() < 0.3:
                raise RuntimeError("planted")
            now = monotonic()
""",
            ),
        ),
    ),
    Mistake(
        "a negative Retry-After is read as a positive one",
        "noisy",
        (
            Change(
                "verdict.py",
                """
    if text.isdecimal():
""",
                """
    text = text.removeprefix("-")
    if text.isdecimal():
""",
            ),
        ),
    ),
    Mistake(
        "the answers of a batch are zipped to the shorter",
        "batches",
        (
            Change(
                "verdict.py",
                """
    if len(given) != count:
""",
                """
    given += [200] * (count - len(given))
    if len(given) != count:
""",
            ),
        ),
    ),
)

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
        "redirected",
        (Change("verdict.py", "if status in self.success_status:", "if status < 400:"),),
    ),
    Mistake(
        "redirects are followed",
        "redirected",
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
                self._retrying.try_again(lane, batch, verdict, response)
            case Fate.STOP:
""",
            ),
        ),
    ),
    Mistake(
        "out of attempts counts as delivered",
        "poisoned",
        (
            Change(
                "retrying.py",
                """
        self._settling.reject(failure.again, ExhaustedError, verdict, failure.response)
""",
                """
        self._settling.deliver(failure.again)
        self._settling._on_rejected(failure.again)
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
                """
            self._pass_interim()
""",
                """
            self._status = 201
            self._response = self._answer()
""",
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
            self._dispatching.over = True
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
    Mistake(
        "the watermark is the largest delivered",
        "killed",
        (
            Change(
                "watermark.py",
                """
        found = self._flags.find(0, start)
        self.low =""",
                """
        found = self._flags.rfind(1) + 1
        self.low =""",
            ),
        ),
    ),
    Mistake(
        "what is dispatched counts as settled",
        "killed",
        (
            Change(
                "pass_book.py",
                "delivered = [origin.number for origins in entry.delivered for origin in origins]",
                "delivered = list(range(self._covered, covered))",
            ),
        ),
    ),
    Mistake(
        "a record is sent before its position is durable",
        "slow_disk",
        (
            Change(
                "committing.py",
                """
        self._commit = Commit(batches, self._waiting)
""",
                """
        self._on_covered(batches)
        self._commit = Commit([], self._waiting)
""",
            ),
        ),
    ),
    Mistake(
        "the same, in a trace",
        "order",
        (
            Change(
                "committing.py",
                """
        self._commit = Commit(batches, self._waiting)
""",
                """
        self._on_covered(batches)
        self._commit = Commit([], self._waiting)
""",
            ),
        ),
    ),
    Mistake(
        "a commit does not wait for the disk",
        "order",
        (Change("journal_file.py", "PRAGMA synchronous = FULL", "PRAGMA synchronous = OFF"),),
    ),
    Mistake(
        "what was dispatched is skipped on going on",
        "killed",
        (
            Change(
                "spans.py",
                """
        spans.append(Span(reached, sent, replayed=True))
""",
                """
        pass
""",
            ),
        ),
    ),
    Mistake(
        "maybe_duplicated is counted after the send",
        "slow_disk",
        (
            Change(
                "pass_book.py",
                """
        doubted = self._doubted(entry)
""",
                """
        now, doubted = self._doubted(entry), getattr(self, "_later", [])
        self._later = now
""",
            ),
        ),
    ),
    Mistake(
        "maybe_duplicated of a second try is counted after the send",
        "noisy",
        (
            Change(
                "committing.py",
                """
        self._doubted += batch.origins
""",
                """
        self._loop.call_later(0.1, self._doubted.extend, batch.origins)
        return
""",
            ),
        ),
    ),
    Mistake(
        "a dead letter is committed after the watermark",
        "buried",
        (
            Change(
                "pass_book.py",
                """
                self._bury(conn, entry.dead)
                self._file.write_progress(pass_, kept, dropped)
""",
                """
                self._file.write_progress(pass_, kept, dropped)
            with self._file.transaction() as conn:
                self._bury(conn, entry.dead)
""",
            ),
        ),
    ),
    Mistake(
        "the checkpoint of a copy is committed after its rows",
        "copies",
        (
            Change(
                "writing.py",
                """
            if self.seal is not None:
""",
                """
            if self.seal is not None:
                self._commit()
                __import__("time").sleep(0.02)
""",
            ),
        ),
    ),
    Mistake(
        "the checkpoint of a copy is committed before its rows",
        "copies",
        (
            Change(
                "writing.py",
                """
            self._write_chunk(chunk, guard=guard)
            if self.seal is not None:
""",
                """
            if self.seal is not None:
                self.database.begin(self.conn)
                self.seal(self.processed + len(chunk), self.failed)
                self._commit()
                __import__("time").sleep(0.02)
            self._write_chunk(chunk, guard=guard)
            if self.seal is not None:
""",
            ),
        ),
    ),
)

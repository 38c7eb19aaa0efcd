"""
Names into addresses, off the event loop, and an address into a socket.

Sources: RFC 8305 (happy eyeballs); uvloop's `create_connection` has no `happy_eyeballs_delay`, and
both loops would ask for names on threads that a resolver without an answer would use up.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections import deque
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Address: TypeAlias = tuple[Any, ...]
"""What `socket.getaddrinfo` gives for one: family, type, protocol, name, address."""

HEAD_START = 0.25
"""Seconds that an address is given before the next is tried as well. Source: RFC 8305, 5."""


class Resolver:
    """
    Asks for the addresses of names: each name once at a time, whoever wants to know meanwhile.

    It belongs to one event loop. Nothing is remembered: each connection asks anew, so that an API
    that has moved is found. A question is asked on a thread of its own, which ends with the answer;
    nobody waits for it at the end of a run.
    """

    def __init__(self) -> None:
        self._asked: dict[tuple[str, int], asyncio.Future[list[Address] | OSError]] = {}

    async def addresses(self, host: str, port: int) -> list[Address]:
        """
        Give the addresses of *host*, at least one; wait for as long as the system takes.

        Raises:
            OSError: there are none; mostly `socket.gaierror`.
        """
        with contextlib.suppress(OSError):  # an address needs no asking
            return _look_up(host, port, socket.AI_NUMERICHOST)
        asked = self._asked.get((host, port))
        if asked is None:
            asked = self._asked[host, port] = self._ask(host, port)
        answer = await asyncio.shield(asked)
        if isinstance(answer, OSError):
            raise type(answer)(*answer.args)
        return answer

    def _ask(self, host: str, port: int) -> asyncio.Future[list[Address] | OSError]:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[list[Address] | OSError] = loop.create_future()

        def take(answer: list[Address] | OSError) -> None:
            del self._asked[host, port]
            answered.set_result(answer)

        def ask() -> None:
            try:
                answer: list[Address] | OSError = _look_up(host, port)
            except OSError as error:
                answer = error
            except Exception as error:  # noqa: BLE001 (a name too long for IDNA, a NUL)
                answer = socket.gaierror(socket.EAI_NONAME, str(error))
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
                loop.call_soon_threadsafe(take, answer)

        threading.Thread(target=ask, name="rowferry-resolver", daemon=True).start()
        return answered


def _look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    kind = socket.SOCK_STREAM
    return list(socket.getaddrinfo(host, port, type=kind, proto=socket.IPPROTO_TCP, flags=flags))


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """Order addresses so that the families take turns, that of the first one beginning."""
    families: dict[Any, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    turns = chain.from_iterable(zip_longest(*families.values()))
    return [address for address in turns if address is not None]


async def first_reached(
    addresses: Sequence[Address], head_start: float = HEAD_START
) -> socket.socket:
    """
    Give a socket that is connected to the first of *addresses* that answers.

    They are tried in order, the next one when the one before has failed or had its head start of
    so many seconds. What else is reached is closed again.

    Raises:
        OSError: none can be reached; what each said.
    """
    reached: list[socket.socket] = []
    left, trying, errors = deque(addresses), set[asyncio.Task[None]](), list[OSError]()
    try:
        while (left or trying) and not reached:
            if left:
                trying.add(asyncio.create_task(_reach(left.popleft(), reached, errors)))
            _, trying = await asyncio.wait(
                trying,
                timeout=head_start if left else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
        if not reached:
            raise _all_of(errors)
        return reached.pop(0)
    finally:  # without an await, for who is cancelled once more in one would leave sockets open
        for task in trying:
            task.cancel()
        for late in reached:
            late.close()


async def _reach(address: Address, reached: list[socket.socket], errors: list[OSError]) -> None:
    """Connect to one address, and note what came of it."""
    try:
        reached.append(await _connected(address))
    except OSError as error:
        said = f"{error.strerror or error} ({address[4][0]})"
        errors.append(type(error)(error.errno, said))


async def _connected(address: Address) -> socket.socket:
    family, kind, protocol, _, name = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, name)
    except BaseException:
        sock.close()
        raise
    if sock.getsockname() == sock.getpeername():  # TCP allows it, where nobody listens
        sock.close()
        raise ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself")
    return sock


def _all_of(errors: Sequence[OSError]) -> OSError:
    """Give one error for those of all addresses."""
    if len(errors) == 1:
        return errors[0]
    said = "; ".join(dict.fromkeys(error.strerror or str(error) for error in errors))
    return OSError(errors[-1].errno, said)

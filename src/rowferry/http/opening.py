"""A connection to an API: its name, its addresses, a tunnel where there is a proxy, TLS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rowferry.batches import MAX_BODY
from rowferry.http.connection import Connection
from rowferry.http.names import Resolver, first_reached, interleaved
from rowferry.http.proxy import AbsoluteForm, tunnel_request, tunnel_status

if TYPE_CHECKING:
    import socket
    import ssl

    from rowferry.http.endpoint import Endpoint
    from rowferry.http.proxy import Proxy

_MAX_HEAD = 64 * 1024
_PROXY_AUTH = 407


class TunnelError(OSError):
    """
    A proxy did not give a tunnel.

    Attributes:
        for_good: whether it wants credentials that it did not get, so that it will not later.
    """

    def __init__(self, reason: str, *, for_good: bool = False) -> None:
        super().__init__(reason)
        self.for_good = for_good


async def connect(
    endpoint: Endpoint,
    tls: ssl.SSLContext | None,
    seconds: float,
    *,
    max_body: int = MAX_BODY,
    proxy: Proxy | None = None,
    resolver: Resolver | None = None,
) -> Connection:
    """
    Open a connection to *endpoint* within *seconds*, name and TLS handshake included.

    The certificate is compared with the host of *endpoint*, whatever address its name led to.

    Raises:
        OSError: it cannot be had; `ssl.SSLCertVerificationError`, `socket.gaierror` and TunnelError
            among them.
        TimeoutError: it took too long.
    """
    loop = asyncio.get_running_loop()
    connection = Connection(loop, max_body)
    place = proxy or endpoint
    async with asyncio.timeout(seconds):
        addresses = await (resolver or Resolver()).addresses(place.host, place.port)
        sock = await first_reached(interleaved(addresses))
        try:
            if proxy and tls:
                await _tunnel(sock, proxy, endpoint)
            if tls:
                from rowferry.http.secure import secured  # noqa: PLC0415 (ssl, for https only)

                await secured(connection, tls, endpoint.host, sock=sock)
            else:
                transport, _ = await loop.create_connection(lambda: connection, sock=sock)
                if proxy:
                    in_full: Any = AbsoluteForm(transport, proxy, endpoint)
                    connection.connection_made(in_full)
        except BaseException:
            sock.close()
            raise
    return connection


async def _tunnel(sock: socket.socket, proxy: Proxy, endpoint: Endpoint) -> None:
    """
    Ask *proxy* for a tunnel on *sock*, which leads to *endpoint* from then on.

    Raises:
        OSError: it gives none.
    """
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, tunnel_request(proxy, endpoint))
    head = b""
    while b"\r\n\r\n" not in head:
        part = await loop.sock_recv(sock, _MAX_HEAD)
        head += part
        if not part or len(head) > _MAX_HEAD:
            raise TunnelError(f"{proxy} closed the connection instead of opening a tunnel")
    status = tunnel_status(head)
    if status is None:
        raise TunnelError(f"{proxy} does not speak HTTP/1.1")
    if status == _PROXY_AUTH:
        raise TunnelError(f"{proxy} answered 407: it wants credentials", for_good=True)
    if status // 100 != 2:  # noqa: PLR2004 (2xx)
        raise TunnelError(f"{proxy} answered {status} when asked for a tunnel")
    if not head.endswith(b"\r\n\r\n"):  # a server of TLS does not speak first
        raise TunnelError(f"{proxy} sent more than the end of its answer")

"""
A proxy between this client and the API.

https goes through a tunnel (CONNECT), in which the proxy sees nothing but the name of the host;
http is asked of the proxy, which sees everything. The proxy itself is spoken to in plain HTTP.

Source: RFC 9110, sections 7.6 and 9.3.6; RFC 9112, section 3.2.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from rowferry.exceptions import ConfigError
from rowferry.http.endpoint import host_of
from rowferry.version import __version__

if TYPE_CHECKING:
    import asyncio

    from rowferry.http.endpoint import Endpoint

ENVIRONMENT = "environment"
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r\n")
_PORT = 80
_LIKE = "such as http://user:password@proxy.example:3128"


@dataclass(frozen=True, slots=True)
class Proxy:
    """
    Where a proxy is, and what it wants to know.

    Attributes:
        host: name or address.
        port: 1 to 65535.
        credentials: as they stand in Proxy-Authorization; None for none. Never shown.
        secrets: what no message may hold.
    """

    host: str
    port: int
    credentials: str | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        """Name it in messages, without its credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"the proxy {host}:{self.port}"

    @property
    def header(self) -> str:
        """The line that a request to it has besides, with its line break; or none."""
        return f"Proxy-Authorization: {self.credentials}\r\n" if self.credentials else ""


def proxy_for(option: Any, endpoint: Endpoint) -> Proxy | None:
    """
    Give the proxy through which *endpoint* is reached; None where it is reached directly.

    Args:
        option: None, the URL of a proxy, or "environment" for what the variables HTTP_PROXY,
            HTTPS_PROXY, ALL_PROXY and NO_PROXY say now, read as `urllib.request` reads them.

    Raises:
        ConfigError: it cannot work; the message never holds credentials.
    """
    if option is None:
        return None
    if not isinstance(option, str):
        raise ConfigError(
            f"proxy must be a URL or {ENVIRONMENT!r}, not {type(option).__name__}; {_LIKE}"
        )
    return _of_environment(endpoint) if option == ENVIRONMENT else _parse(option, "proxy")


def _of_environment(endpoint: Endpoint) -> Proxy | None:
    from urllib import request  # noqa: PLC0415 (20 ms, where it is asked for only)

    proxies = request.getproxies_environment()
    if request.proxy_bypass_environment(endpoint.authority, proxies):  # type: ignore[attr-defined]
        return None
    for scheme in ("https" if endpoint.tls else "http", "all"):
        if url := proxies.get(scheme):
            return _parse(url if "://" in url else f"http://{url}", f"{scheme.upper()}_PROXY")
    return None


def _parse(url: str, where: str) -> Proxy:
    """Read the URL of a proxy, which *where* has."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:  # its words may hold a part of the password
        raise ConfigError(f"{where} cannot be read; it must be a URL {_LIKE}") from None
    if parts.scheme != "http":
        raise ConfigError(
            f"{where} must begin with http://: a proxy is spoken to in plain HTTP, and what is "
            "https goes through it encrypted; there is no TLS to the proxy itself, and no SOCKS"
        )
    if not parts.hostname or port == 0 or parts.path not in {"", "/"} or parts.query:
        raise ConfigError(f"{where} must be a URL with a host and nothing after its port, {_LIKE}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if ":" in user:
        raise ConfigError(f"{where} has a user with a colon, which Basic authentication cannot say")
    host = host_of(where, parts.hostname)
    if not user and not password:
        return Proxy(host, port or _PORT)
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    secrets = (basic, password, quote(password, safe=""))
    return Proxy(host, port or _PORT, f"Basic {basic}", secrets)


def tunnel_request(proxy: Proxy, endpoint: Endpoint) -> bytes:
    """Make what asks *proxy* for a tunnel to *endpoint*; it has nothing of the API's headers."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    place = f"{host}:{endpoint.port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", f"User-Agent: rowferry/{__version__}"]
    return "\r\n".join([*lines, f"{proxy.header}\r\n"]).encode("latin-1")


def tunnel_status(head: bytes) -> int | None:
    """Read the status of the answer whose head is *head*; None where it is no HTTP/1.1."""
    line = _STATUS_LINE.match(head)
    return int(line[1]) if line else None


class AbsoluteForm:
    """
    The transport of a connection to a proxy that is asked for http, each request by its whole URL.

    Args:
        transport: leads to the proxy.
        endpoint: whose scheme, host and port go before the target of each request.
    """

    def __init__(self, transport: asyncio.Transport, proxy: Proxy, endpoint: Endpoint) -> None:
        self._transport = transport
        self._origin = endpoint.origin.encode("latin-1")
        self._header = proxy.header.encode("latin-1")

    def write(self, request: bytes) -> None:
        """Send a request, which is whole, and whose first header is Host."""
        line, host, rest = request.split(b"\r\n", 2)
        method, _, target = line.partition(b" ")
        self._transport.write(
            b"%b %b%b\r\n%b\r\n%b%b" % (method, self._origin, target, host, self._header, rest)
        )

    def __getattr__(self, name: str) -> Any:
        """Be the transport in all else."""
        return getattr(self._transport, name)

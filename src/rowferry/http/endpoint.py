"""Where requests go and what stands at their head."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from rowferry.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A method or the name of a header. Source: RFC 9110, section 5.6.2."""

_UNPRINTABLE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_HOST = re.compile(r"[-.0-9A-Z_a-z]+|[0-9A-Fa-f:.]+(%[-.0-9A-Z_a-z]+)?")
"""A name, or an address of IPv6 with or without a zone."""

_BRACE = re.compile(r"[{}]")
_KEPT_AS_IT_IS = "/%:@!$&'()*+,;=~-._?"
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "host", "expect"})
_ONCE = frozenset({"POST", "PATCH"})  # what aiohttp does not send again by itself
_METHODS_WITHOUT_A_BODY = frozenset({"CONNECT", "HEAD", "TRACE"})


class Endpoint(NamedTuple):
    """
    Where requests go.

    Attributes:
        host: name or address, to connect to and to compare the certificate with.
        port: 1 to 65535.
        tls: whether the URL says https.
        authority: host and port as the Host header has them.
        target: path and query, percent-encoded.
    """

    host: str
    port: int
    tls: bool
    authority: str
    target: str

    @property
    def loopback(self) -> bool:
        """Whether what is sent there never leaves this machine."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback
        except ValueError:
            return False

    @property
    def origin(self) -> str:
        """Scheme, host and port, as they stand in a URL."""
        return f"{'https' if self.tls else 'http'}://{self.authority}"

    def __str__(self) -> str:
        """Give the URL for messages: without its query, where some APIs want their key."""
        path, mark, _ = self.target.partition("?")
        return f"{self.origin}{path}{mark and '?…'}"


def parse_url(url: Any) -> Endpoint:
    """
    Read the URL of an API.

    Raises:
        ConfigError: it is no http or https URL with a host; the message never holds its query
            or a password.
    """
    if not isinstance(url, str):
        raise ConfigError(f"url must be text, not {type(url).__name__}")
    try:
        parts = urlsplit(url.strip())
        port = None if _BRACE.search(parts.netloc) else parts.port
    except ValueError as error:
        if "@" in url:  # the words of the error may hold a part of the password
            raise ConfigError("url cannot be read; is a password in it?") from None
        raise ConfigError(f"url cannot be read: {error}") from error
    shown = url.partition("?")[0] if "@" not in url else "the one given"
    if _BRACE.search(parts.netloc):
        raise ConfigError("url has a brace before its path: the host never comes from a record")
    if parts.scheme not in {"http", "https"}:
        raise ConfigError(f"url must begin with http:// or https://, not be {shown!r}")
    if not parts.hostname:
        raise ConfigError(f"url has no host: {shown!r}")
    if parts.username is not None or parts.password is not None:
        raise ConfigError("url holds a user or password; give them in auth=auth.Basic(…)")
    tls = parts.scheme == "https"
    host = host_of("url", parts.hostname)
    target = quoted(f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
    return Endpoint(host, _port(port, tls=tls), tls, _authority(host, port), target)


def without_userinfo(url: Any) -> tuple[Any, tuple[str, str] | None]:
    """Give a URL without the user and password in it, and these; None where it has none."""
    try:
        parts = urlsplit(url.strip() if isinstance(url, str) else "")
    except ValueError:  # `parse_url` says what is wrong
        return url, None
    userinfo, mark, host = parts.netloc.rpartition("@")
    if not mark or _BRACE.search(userinfo):
        return url, None
    user, _, password = userinfo.partition(":")
    return parts._replace(netloc=host).geturl(), (unquote(user), unquote(password))


def _port(port: int | None, *, tls: bool) -> int:
    if port == 0:
        raise ConfigError("url has the port 0; ports are 1 to 65535")
    return port or (443 if tls else 80)


def _authority(host: str, port: int | None) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return f"{bracketed}:{port}" if port else bracketed


def host_of(what: str, host: str) -> str:
    """
    Give a host as it is asked for: a name in ASCII, or an address.

    Args:
        what: names where it stands, for the error.

    Raises:
        ConfigError: it is no name.
    """
    try:
        name = host if ":" in host else host.encode("idna").decode()
    except UnicodeError as error:
        raise ConfigError(f"{what} has a host that is no name: {host!r}") from error
    if not _HOST.fullmatch(name):
        raise ConfigError(f"{what} has a host that is no name: {host!r}")
    return name


def quoted(text: str) -> str:
    """Percent-encode what users wrote, but for what has a meaning in a path or query."""
    return quote(text, safe=_KEPT_AS_IT_IS)


def check_method(method: Any) -> None:
    """
    Check an HTTP method.

    Raises:
        ConfigError: it is none, or one whose requests or answers have no body.
    """
    if not isinstance(method, str) or not _TOKEN.fullmatch(method):
        raise ConfigError(f"method must be an HTTP method such as POST or PUT, not {method!r}")
    if method.upper() in _METHODS_WITHOUT_A_BODY:
        raise ConfigError(f"method {method} carries no records; use POST, PUT, PATCH or DELETE")


def check_headers(headers: Mapping[str, str]) -> None:
    """
    Check the names and values of constant headers.

    Raises:
        ConfigError: naming the header, never its value.
    """
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ConfigError(f"headers: {name!r} is no name of a header")
        if name.lower() in _OURS:
            raise ConfigError(f"headers: {name} is set by rowferry itself")
        if name.lower() == "proxy-authorization":  # in a tunnel the API would get it
            raise ConfigError(f"headers: {name} is for a proxy: give it the user in proxy=")
        if not isinstance(value, str):
            raise ConfigError(f"headers: {name} must be text, not {type(value).__name__}")
        if _UNPRINTABLE.search(value):
            raise ConfigError(
                f"headers: {name} holds a line break or another character that no header may have"
            )


def check_client(client: Any, method: str) -> None:
    """
    Check what is to give a session.

    Raises:
        ConfigError: it cannot be called, or aiohttp is not there, or would repeat *method*.
    """
    if not callable(client):
        raise ConfigError(
            "client must be a function that gives an aiohttp.ClientSession, such as "
            f"client=aiohttp.ClientSession, not {type(client).__name__}: it is called on the "
            "event loop of the run"
        )
    if method.upper() not in _ONCE:
        raise ConfigError(
            f"method must be POST or PATCH with client=, not {method}: aiohttp sends others again "
            "by itself, and nobody could count how often"
        )
    try:
        import aiohttp  # noqa: F401, PLC0415 (no dependency: only who asks for it has it)
    except ImportError as error:
        raise ConfigError("client= needs aiohttp: pip install aiohttp") from error


def request_head(method: str, endpoint: Endpoint, headers: Mapping[str, str]) -> bytes:
    """
    Make the head of a request up to and with the name Content-Length, its last header.

    Args:
        method: empty where the first line differs from request to request, and goes before this.
    """
    lines = [f"{method} {endpoint.target} HTTP/1.1" if method else ""]
    lines += [f"Host: {endpoint.authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "Content-Length: "]).encode("latin-1")

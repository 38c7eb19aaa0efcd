"""The heads of an API's requests: what is the same in all, and what comes from the records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from rowferry.exceptions import ConfigError
from rowferry.http.endpoint import (
    Endpoint,
    check_headers,
    check_method,
    parse_url,
    quoted,
    request_head,
)
from rowferry.templates import Templates, pieces_of
from rowferry.version import __version__

if TYPE_CHECKING:
    from rowferry.auth import Auth

REPLACEABLE = frozenset({"accept", "content-type", "user-agent"})
"""Headers that every request has, in lower case; users' own take their place."""

_SHOWN = frozenset({"filter_path", "pipeline", "require_alias", "routing"})
"""Parameters of Elasticsearch's `_bulk`, which are no secrets; messages have to name a pipeline."""

_HARMLESS = REPLACEABLE | {"accept-language"}


@dataclass(frozen=True, kw_only=True)
class Heads:
    """
    What stands at the head of requests.

    Attributes:
        url: without user and password.
        method: of all requests, or one `{column}`.
        headers: of users' own.
        scheme: has headers or parameters of its own, perhaps.
        content_type: of the bodies, unless a header says otherwise.
        compression: how bodies are encoded; None where they are not.

    Raises:
        ConfigError: a URL, method, header or template cannot work.
    """

    url: str
    method: str
    headers: Mapping[str, str]
    scheme: Auth | None
    content_type: str
    compression: str | None

    def __post_init__(self) -> None:
        """Check every value; raise ConfigError."""
        if not isinstance(self.method, str) or "{" not in self.method:
            check_method(self.method)
        elif pieces_of(self.method, "method")[::2] != ["", ""]:
            raise ConfigError(f"method must be a method or one {{column}}, not {self.method!r}")
        for member in ("headers", "parameters"):
            given_by_scheme = getattr(self.scheme, member, {})
            if not isinstance(given_by_scheme, Mapping):
                kind = type(given_by_scheme).__name__
                raise ConfigError(f"auth: its {member} must be a mapping, not {kind}")
            if not all(isinstance(value, str) for value in given_by_scheme.values()):
                raise ConfigError(f"auth: its {member} must be texts by their names")
        self.endpoint  # noqa: B018 (made now, so that its mistakes show now)
        check_headers(self.of_scheme)
        given = {name.lower() for name in self.headers}
        for name in self.of_scheme:
            if name.lower() in given:
                raise ConfigError(f"headers: {name} is what auth= or the user in url sets")
        if self.compression and "content-encoding" in given:
            raise ConfigError("headers: Content-Encoding is what compression= sets")

    @cached_property
    def endpoint(self) -> Endpoint:
        """Where requests go; columns of the records stand in its target as in the URL."""
        endpoint = parse_url(self.url)
        path, query = self._path_and_query
        pieces = pieces_of(f"{path or '/'}{'?' if query else ''}{query}", "url")
        shown = [f"{{{piece}}}" if n % 2 else quoted(piece) for n, piece in enumerate(pieces)]
        return endpoint._replace(target="".join(shown))

    @cached_property
    def _path_and_query(self) -> tuple[str, str]:
        """What stands in the URL, and the parameters of the scheme, in the form of templates."""
        parts = urlsplit(self.url.strip())
        if "{" in parts.fragment:
            raise ConfigError("url has a {column} behind a #, and what is there is never sent")
        given: Mapping[str, str] = getattr(self.scheme, "parameters", {})
        added = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in given.items()]
        return parts.path, "&".join([*([parts.query] if parts.query else []), *added])

    @cached_property
    def templates(self) -> Templates | None:
        """What of a request comes from its record; None where nothing does."""
        path, query = self._path_and_query
        in_url = len(pieces_of(path, "url")) > 1 or len(pieces_of(query, "url")) > 1
        headers = {name: text for name, text in self.headers.items() if _has_columns(text)}
        if not headers and not in_url and "{" not in self.method:
            return None
        return Templates(
            self.method,
            path,
            query,
            quoted,
            headers,
            content=[] if self._all_have_bodies else list(self._content.items()),
        )

    @cached_property
    def _all_have_bodies(self) -> bool:
        """Whether all requests have a body; a DELETE has none where its URL says what to delete."""
        if self.method == "DELETE":
            return not any(len(pieces_of(text, "url")) > 1 for text in self._path_and_query)
        return "{" not in self.method

    @cached_property
    def _content(self) -> dict[str, str]:
        """What says what the body is; a request without one must not have it."""
        own = next((name for name in self.headers if name.lower() == "content-type"), None)
        content = {own or "Content-Type": self.headers[own] if own else self.content_type}
        if own and _has_columns(self.headers[own]):
            content = {}
        return content | ({"Content-Encoding": self.compression} if self.compression else {})

    @cached_property
    def of_scheme(self) -> Mapping[str, str]:
        """The headers of the scheme that are the same in all requests."""
        headers: Mapping[str, str] = getattr(self.scheme, "headers", {})
        return headers

    @cached_property
    def head(self) -> bytes:
        """The head of every request, up to the value of Content-Length."""
        return self.with_credentials({})

    def with_credentials(self, credentials: Mapping[str, str]) -> bytes:
        """
        Make the head of requests with *credentials*, headers that they have besides.

        Where there are templates, what they make of a record goes before and behind it.
        """
        ours = {"User-Agent": f"rowferry/{__version__}", "Accept": "application/json, */*;q=0.5"}
        replaced = {name.lower() for name in self.headers}
        kept = {name: value for name, value in ours.items() if name.lower() not in replaced}
        if self._all_have_bodies:
            kept |= self._content
        own = {
            name: text
            for name, text in self.headers.items()
            if name.lower() != "content-type" and not _has_columns(text)
        }
        written = {name: pieces_of(text, "headers")[0] for name, text in (kept | own).items()}
        replaced = {name.lower() for name in credentials}
        written = {name: text for name, text in written.items() if name.lower() not in replaced}
        method = "" if self.templates else self.method
        return request_head(method, self.endpoint, written | {**self.of_scheme, **credentials})

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """Texts that are never shown: the headers of users' own and of the scheme, the query."""
        constant = [*self.headers.items(), *self.of_scheme.items()]
        values = [value for name, value in constant if name.lower() not in _HARMLESS]
        words = [word for value in values for word in (value, *value.split()[1:])]
        query = self.endpoint.target.partition("?")[2]
        parameters = [pair.partition("=") for pair in query.split("&")]
        pairs = [query, *(value for name, _, value in parameters if name not in _SHOWN)]
        return (*words, *pairs, *map(unquote, pairs))


def _has_columns(header: str) -> bool:
    return len(pieces_of(header, "headers")) > 1

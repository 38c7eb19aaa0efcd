"""
How an API is told who asks: Basic, Bearer, ApiKey, OAuth2ClientCredentials, or a scheme of yours.

A scheme does no I/O. It is any object with one or more of these members:

    headers         a mapping: headers of every request, always the same
    parameters      a mapping: parameters of every URL, always the same
    sign(request)   gives further headers of one `Request`; called each time one is sent
    flow()          a generator that gets a `Token`: it yields each `Request` that it wants made,
                    is sent the `Response`, and returns the token
    expired_status  statuses by which the API says that a token is over; without it (401,)
    secrets         texts to be blotted out of what is shown, besides the above

rowferry runs `flow` before the first request, shortly before the token ends, and once where the API
no longer accepts it, however many requests wait. Where the answer is to ask later (a 503, a 429,
none at all), it runs the flow again by itself, so that a flow sees final answers only. `sign` and
`flow` run on the event loop: they compute and return.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias
from urllib.parse import quote_plus, urlencode, urlsplit

from rowferry.exceptions import AuthError, ConfigError
from rowferry.http.endpoint import Endpoint, check_headers, parse_url

if TYPE_CHECKING:
    from rowferry.batches import Response

_OK = frozenset({200, 201})
_CONTROLS = frozenset(map(chr, (*range(32), 127)))
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_LONGEST = 200  # characters of an error's description


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """
    A request: one that a flow wants made, or one that is to be signed.

    Attributes:
        url: with scheme and host, percent-encoded as it is sent.
        headers: of one that is to be signed all that it has, Host among them.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def host(self) -> str:
        """Host and port, as the Host header has them."""
        return urlsplit(self.url).netloc

    @property
    def path(self) -> str:
        """The path, percent-encoded as it is sent."""
        return urlsplit(self.url).path

    @property
    def query(self) -> str:
        """What follows the question mark; empty where there is none."""
        return urlsplit(self.url).query

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.partition('?')[0]})"


@dataclass(frozen=True, slots=True)
class Token:
    """
    What a flow got.

    Attributes:
        headers: of every request from now on.
        expires_in: seconds until it ends; None where only the API knows.
    """

    headers: Mapping[str, str] = field(repr=False)
    expires_in: float | None = None

    def __post_init__(self) -> None:
        """Check the headers; raise ConfigError."""
        check_headers(self.headers)


Flow: TypeAlias = "Generator[Request, Response, Token]"


class Signing(Protocol):
    """A scheme that signs each request."""

    def sign(self, request: Request) -> Mapping[str, str]:
        """Give the headers that *request* gets besides those that it has."""
        ...


class Fetching(Protocol):
    """A scheme whose credentials have to be fetched, and end."""

    def flow(self) -> Flow:
        """Get a token. Raises AuthError where there is none to be had."""
        ...


class Constant(Protocol):
    """A scheme with the same headers for every request."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Of every request."""
        ...


class InQuery(Protocol):
    """A scheme with the same parameters for every URL."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """Of every URL, by name; not encoded."""
        ...


Auth: TypeAlias = Signing | Fetching | Constant | InQuery
MEMBERS = ("headers", "parameters", "sign", "flow")


@dataclass(frozen=True, slots=True, repr=False)
class Basic:
    """
    User and password in each request; a user alone where the API takes its key so.

    Source: RFC 7617.
    """

    user: str
    password: str = ""

    def __post_init__(self) -> None:
        """Check both; raise ConfigError."""
        _check_secret("Basic: user", self.user)
        if not isinstance(self.password, str):
            raise ConfigError(f"Basic: password must be text, not {_kind(self.password)}")
        if not _can_be_sent(self.password):
            raise ConfigError("Basic: password holds a line break or control character")
        if ":" in self.user:
            raise ConfigError("Basic: user holds a colon, which is what ends it")

    @property
    def headers(self) -> Mapping[str, str]:
        """Of every request."""
        return {"Authorization": f"Basic {_base64(f'{self.user}:{self.password}')}"}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is never shown; a user without a password is a key."""
        return (self.password or self.user,)

    def __repr__(self) -> str:
        return "Basic(…)"


@dataclass(frozen=True, slots=True, repr=False)
class Bearer:
    """
    A token in each request.

    Source: RFC 6750, section 2.1.
    """

    token: str

    def __post_init__(self) -> None:
        """Check it; raise ConfigError."""
        _check_secret("Bearer: token", self.token)

    @property
    def headers(self) -> Mapping[str, str]:
        """Of every request."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is never shown."""
        return (self.token,)

    def __repr__(self) -> str:
        return "Bearer(…)"


@dataclass(frozen=True, slots=True, repr=False)
class ApiKey:
    """
    A key in a header of each request, or in a parameter of its URL.

    Attributes:
        header: the name of the header; not used where there is a *query*.
        query: the name of the parameter. It can be read in the logs of servers and proxies.
    """

    value: str
    header: str = "X-API-Key"
    query: str | None = None

    def __post_init__(self) -> None:
        """Check all; raise ConfigError."""
        _check_secret("ApiKey: value", self.value)
        if self.query is None:
            check_headers(self.headers)
        elif not isinstance(self.query, str) or not self.query:
            raise ConfigError(f"ApiKey: query must be the name of a parameter, not {self.query!r}")

    @property
    def headers(self) -> Mapping[str, str]:
        """Of every request."""
        return {self.header: self.value} if self.query is None else {}

    @property
    def parameters(self) -> Mapping[str, str]:
        """Of every URL."""
        return {} if self.query is None else {self.query: self.value}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is never shown."""
        return (self.value,)

    def __repr__(self) -> str:
        place = f"header={self.header!r}" if self.query is None else f"query={self.query!r}"
        return f"ApiKey(…, {place})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OAuth2ClientCredentials:
    """
    Tokens for a program of its own: OAuth 2.0, grant type client_credentials.

    Attributes:
        token_url: where tokens are had.
        scope: names with a space between them; None asks for what the server gives by itself.
        client_auth: "basic" sends id and secret in a header, as every server has to take them;
            "body" in the body, as some want them.
        further: parameters of the token request besides these, such as {"audience": …}.
        expired_status: statuses by which the API says that a token is over; some say 403.

    Source: RFC 6749, sections 2.3.1, 4.4 and 5.
    """

    token_url: str = field(kw_only=False)
    client_id: str = field(kw_only=False)
    client_secret: str = field(kw_only=False)
    scope: str | None = field(default=None, kw_only=False)
    client_auth: Literal["basic", "body"] = "basic"
    further: Mapping[str, str] = field(default_factory=dict)
    expired_status: Collection[int] = (401,)

    def __post_init__(self) -> None:
        """Check every value; raise ConfigError."""
        parse_token_url(self.token_url)
        _check_secret("OAuth2ClientCredentials: client_id", self.client_id)
        _check_secret("OAuth2ClientCredentials: client_secret", self.client_secret)
        if self.scope is not None and not isinstance(self.scope, str):
            raise ConfigError(f"scope must be text, not {_kind(self.scope)}")
        if self.client_auth not in ("basic", "body"):
            raise ConfigError(f"client_auth must be 'basic' or 'body', not {self.client_auth!r}")
        if not isinstance(self.further, Mapping):
            raise ConfigError(f"further must be a mapping, not {_kind(self.further)}")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is never shown."""
        return (self.client_secret, *(str(value) for value in self.further.values()))

    def flow(self) -> Flow:
        """Ask for a token once."""
        answer = yield self._request()
        return self._token(answer)

    def _request(self) -> Request:
        fields = {"grant_type": "client_credentials"}
        fields |= {} if self.scope is None else {"scope": self.scope}
        headers = dict(_FORM)
        if self.client_auth == "basic":
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
            headers["Authorization"] = f"Basic {_base64(pair)}"
        else:
            fields |= {"client_id": self.client_id, "client_secret": self.client_secret}
        body = urlencode(fields | dict(self.further)).encode()
        return Request("POST", self.token_url, headers, body)

    def _token(self, answer: Response) -> Token:
        """Read the answer to a token request; what a server gives is not to be trusted."""
        try:
            given = answer.json()
        except ValueError:
            given = None
        told: Mapping[str, Any] = given if isinstance(given, dict) else {}
        token, kind = told.get("access_token"), told.get("token_type", "bearer")
        if answer.status not in _OK:
            raise self._error(f"the answer is {answer.status}{_described(told)}{self._hint(told)}")
        if not isinstance(token, str) or not token or not _is_printable(token):
            raise self._error(f"the answer {answer.status} has no access_token{_described(told)}")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise self._error(f"it is of the type {kind!r:.40}, and only bearer is known")
        return Token({"Authorization": f"Bearer {token}"}, _seconds(told.get("expires_in")))

    def _error(self, problem: str) -> AuthError:
        return AuthError(f"no token from {parse_token_url(self.token_url)}: {problem}")

    def _hint(self, told: Mapping[str, Any]) -> str:
        if told.get("error") != "invalid_client" or self.client_auth == "body":
            return ""
        return " (are client_id and client_secret right? some servers want client_auth='body')"

    def __repr__(self) -> str:
        return f"OAuth2ClientCredentials({parse_token_url(self.token_url)}, …)"


def parse_token_url(url: Any) -> Endpoint:
    """
    Read the URL of a server that gives tokens.

    Raises:
        ConfigError: it is none; the message never holds its query or a password.
    """
    try:
        return parse_url(url)
    except ConfigError as error:
        raise ConfigError(f"token_url: {str(error).removeprefix('url ')}") from None


def _described(told: Mapping[str, Any]) -> str:
    """Give a server's words for an error, as far as they are words."""
    words = [told.get("error"), told.get("error_description")]
    shown = [word[:_LONGEST] for word in words if isinstance(word, str) and word.isprintable()]
    return f": {': '.join(shown)}" if shown else ""


def _seconds(given: Any) -> float | None:
    """Read expires_in, which some servers give as text; None where it makes no sense."""
    try:
        seconds = float(given)
    except (TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 and given is not True else None


def _is_printable(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token


def _check_secret(name: str, value: Any) -> None:
    """Check that a secret is text that can be sent; the message never holds it."""
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be text, not {_kind(value)}")
    if not value:
        raise ConfigError(f"{name} is empty; is the variable set that it comes from?")
    if value != value.strip() or not _can_be_sent(value):
        raise ConfigError(f"{name} has a line break or blanks around it, which no key has")


def _can_be_sent(text: str) -> bool:
    broken = any("\ud800" <= character <= "\udfff" for character in text)
    return not broken and _CONTROLS.isdisjoint(text)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _kind(value: Any) -> str:
    return type(value).__name__

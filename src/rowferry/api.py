"""An API: where it is, what it takes, and how it may be asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rowferry import auth as schemes
from rowferry.api_checks import (
    check_batches,
    check_expired_status,
    check_format,
    check_idempotency_header,
    check_retry_on_status,
    check_scheme,
    check_success_status,
    check_templates,
)
from rowferry.batches import MAX_BODY, Fate
from rowferry.checks import above_zero
from rowferry.exceptions import ConfigError
from rowferry.formats import elasticsearch, elasticsearch_url, format_named
from rowferry.formats.gzip import Gzipped
from rowferry.heads import Heads
from rowferry.http.endpoint import (
    Endpoint,
    check_client,
    check_headers,
    parse_url,
    without_userinfo,
)
from rowferry.http.proxy import Proxy, proxy_for
from rowferry.http.tls import tls_context
from rowferry.limits import Limits
from rowferry.redaction import Redaction
from rowferry.retry import Retry
from rowferry.verdict import Rules

if TYPE_CHECKING:
    import ssl

    from rowferry.auth import Auth
    from rowferry.formats.contract import Format
    from rowferry.splitting import ItemResults
    from rowferry.templates import Templates

_MIB = 1024 * 1024
_MULTI_STATUS = 207
_UNAUTHORIZED = 401
_BATCH_BYTES = 5 * _MIB
_LARGEST_ANSWER = 16 * _MIB
_CREDENTIALS = frozenset({"authorization", "proxy-authorization"})

Tls: TypeAlias = "bool | ssl.SSLContext | Mapping[str, str]"


@dataclass(frozen=True, kw_only=True)
class Api:
    """
    An HTTP API that takes records.

    Attributes:
        url: http or https, with a host. Path and query may hold a `{column}` of the records; `{{`
            and `}}` are braces. A `user:password@` in it is sent as Basic auth.
        method: of every request, or a `{column}` that names POST, PUT, PATCH or DELETE.
        headers: sent with every request; they replace rowferry's own `User-Agent`, `Accept` and
            `Content-Type`. Their values may hold a `{column}`. Never shown.
        body_format: how records become a body: "json" (one record a request), another name that
            docs/apis.md lists, or an object with the five members of
            `rowferry.formats.contract.Format`.
        batch_size: records of a request, at most; None means the format's: 1 or 500. At most
            100,000.
        batch_bytes: of a request's body, at most, unless a single record is larger; no more than
            `max_buffer_bytes`, to which the default gives way.
        batch_linger: seconds that a record waits at most for others to fill its batch.
        auth: a scheme of `rowferry.auth`, or one of your own; see there.
        retry: how often and when a record is sent again.
        limits: how much at once and how fast.
        request_timeout: seconds from when the connection is had to the end of the answer.
        connect_timeout: seconds for a connection, its TLS handshake included.
        success_status: the statuses that acknowledge a request.
        retry_on_status: the statuses after which records are sent again, 400 to 599; None means
            those of the table in docs/retries-and-limits.md.
        item_results: takes an answer in `success_status`, or a 207, and gives a status for each
            record of its request, in their order; or a pair of it and of what the answer says of
            the record, as text. The answer has `status`, `body`, `header(name)` and `json()`. It
            runs on the event loop. None: the answer stands for all records.
        idempotency_header: carries a key by which the API can tell a record that is sent again;
            sent where the transfer has a `key` and a request one record. None: never.
        on_ambiguous: "retry" sends a record again that the API may have; "dead_letter" gives it
            up, so that `retry_on_status` cannot name what leaves that open.
        compression: "gzip" compresses each body; `batch_bytes` counts what it was before.
        allow_plain_http: whether credentials may go unencrypted to another machine.
        tls: True, an `ssl.SSLContext`, or file names `{"ca": …, "cert": …, "key": …}`.
        proxy: the URL of an HTTP proxy, `http://user:password@host:port`, or "environment" for what
            HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say. Never shown. None: none is asked.
        client: gives an `aiohttp.ClientSession`, which sends the requests instead of rowferry's own
            connections; called on the run's event loop, closed at its end. For POST and PATCH; TLS
            and proxies are the session's.

    Raises:
        ConfigError: a value cannot work; the message names it and what is allowed.
    """

    url: str = field(kw_only=False, repr=False)
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body_format: str | Format = "json"
    batch_size: int | None = None
    batch_bytes: int = _BATCH_BYTES
    batch_linger: float = 0.05
    auth: Auth | None = field(default=None, repr=False)
    retry: Retry = field(default_factory=Retry)
    limits: Limits = field(default_factory=Limits)
    request_timeout: float = 30.0
    connect_timeout: float = 10.0
    success_status: Collection[int] = (200, 201, 202, 204)
    retry_on_status: Collection[int] | None = None
    item_results: ItemResults | None = field(default=None, repr=False)
    idempotency_header: str | None = "Idempotency-Key"
    on_ambiguous: Literal["retry", "dead_letter"] = "retry"
    compression: Literal["gzip"] | None = None
    allow_plain_http: bool = False
    tls: Tls = field(default=True, repr=False)
    proxy: str | None = field(default=None, repr=False)
    client: Callable[[], Any] | None = field(default=None, repr=False)

    @classmethod
    def elasticsearch(
        cls,
        url: str | None = None,
        *,
        index: str,
        op: str = "index",
        id: str | bool | None = True,  # noqa: A002 (Elasticsearch's word)
        routing: str | None = None,
        pipeline: str | None = None,
        version: str | None = None,
        require_alias: bool = False,
        cloud_id: str | None = None,
        api_key: str | tuple[str, str] | None = None,
        auth: Auth | None = None,
        **options: Any,
    ) -> Api:
        """
        Give the `_bulk` of Elasticsearch 7 to 9, or of OpenSearch 1 to 3.

        Args:
            url: of the cluster, such as http://localhost:9200.
            index: or data stream, or alias; it may hold `{column}`, as may the next five, which are
                those of `rowferry.formats.elasticsearch.Elasticsearch`.
            op: "index", "create", "update", "upsert", "delete", or `{column}`.
            id: of the document: True is the transfer's key; None lets the node make one.
            routing: to a shard.
            pipeline: that documents go through.
            version: `{column}` with a whole number; the document with the higher one stays.
            require_alias: whether *index* has to be an alias.
            cloud_id: in place of *url*, for Elastic Cloud.
            api_key: as Elasticsearch gives it (its "encoded"), or its id and secret.
            auth: in place of *api_key*, such as `auth.Basic(user, password)`.
            options: any others of `Api`.

        Raises:
            ConfigError: a value cannot work; the message names it and what is allowed.
        """
        body_format, in_url = elasticsearch.constants_apart(
            index=index, op=op, id=id, routing=routing, pipeline=pipeline, version=version
        )
        if url is not None:
            parse_url(without_userinfo(url)[0])
        if api_key is not None:
            if auth is not None:
                raise ConfigError("give api_key or auth, not both")
            word = f"ApiKey {elasticsearch_url.encoded(api_key)}"
            auth = schemes.ApiKey(word, header="Authorization")
        where = elasticsearch_url.root(url, cloud_id)
        return cls(
            elasticsearch_url.bulk_url(where, require_alias=require_alias, **in_url),
            body_format=body_format,
            auth=auth,
            **options,
        )

    def __post_init__(self) -> None:
        """Check every value; raise ConfigError."""
        if not isinstance(self.headers, Mapping):
            raise ConfigError(f"headers must be a mapping, not {type(self.headers).__name__}")
        check_headers(self.headers)
        for name, kind in (("retry", Retry), ("limits", Limits)):
            if not isinstance(getattr(self, name), kind):
                raise ConfigError(f"{name} must be a {kind.__name__}(…)")
        if self.compression not in (None, "gzip"):
            raise ConfigError(f"compression must be 'gzip' or None, not {self.compression!r}")
        room = self.limits.max_buffer_bytes
        check_batches(
            self.format, self.batch_size, self.batch_bytes, self.batch_linger, room, _BATCH_BYTES
        )
        self._check_auth()
        if self.templates:
            columns, in_target = self.templates.columns, self.templates.in_target
            check_templates(self.method, columns, self.records_per_request, in_target=in_target)
        above_zero("request_timeout", self.request_timeout)
        above_zero("connect_timeout", self.connect_timeout)
        check_success_status(self.success_status)
        self._check_answers()
        check_idempotency_header(self.idempotency_header, self.headers)
        self._check_client()
        self.tls_context, self.through  # noqa: B018 (made now, so that their mistakes show now)

    def _check_client(self) -> None:
        if self.client is None:
            return
        check_client(self.client, self.method)
        for name, unset in (("tls", True), ("proxy", None)):
            if getattr(self, name) is not unset:
                raise ConfigError(f"{name} cannot be set with client=: it is the session's matter")

    def _check_answers(self) -> None:
        if self.retry_on_status is not None:
            check_retry_on_status(self.retry_on_status, self.success_status)
        if self.item_results is not None and not callable(self.item_results):
            raise ConfigError(f"item_results must be callable, not {self.item_results!r}")
        if self.on_ambiguous not in ("retry", "dead_letter"):  # it may be a list
            raise ConfigError(
                f"on_ambiguous must be 'retry' or 'dead_letter', not {self.on_ambiguous!r}"
            )
        if self.on_ambiguous == "dead_letter":
            self._check_nothing_ambiguous_is_retried()

    def _check_nothing_ambiguous_is_retried(self) -> None:
        for status in self.retry_on_status or ():
            if self.rules.fate(status, when=True) is not Fate.REFUSED:
                raise ConfigError(
                    f"{status} is in retry_on_status, but it leaves open whether the API has the "
                    "records, and on_ambiguous='dead_letter' sends none of these again; it may "
                    "hold 408, 421, 425, 429 and 503"
                )

    def _check_auth(self) -> None:
        """Check that credentials have one place, and that they are not sent in the open."""
        if not isinstance(self.allow_plain_http, bool):
            raise ConfigError(f"allow_plain_http must be a bool, not {self.allow_plain_http!r}")
        check_scheme(self.auth)
        if self.auth is not None and self.scheme is not self.auth:
            raise ConfigError("url holds a user or password, and auth= is given: one is enough")
        open_ones = {name.lower() for name in self.headers} & _CREDENTIALS
        if self.scheme is not None or open_ones:
            self.check_secrecy(self.endpoint, "url")
        check_expired_status(getattr(self.scheme, "expired_status", (_UNAUTHORIZED,)))
        if isinstance(self.auth, schemes.OAuth2ClientCredentials):
            if open_ones:
                raise ConfigError("headers: Authorization is what auth= sets, with its tokens")
            self.check_secrecy(schemes.parse_token_url(self.auth.token_url), "token_url")

    def check_secrecy(self, endpoint: Endpoint, option: str) -> None:
        """
        Check that credentials may be sent to *endpoint*.

        Raises:
            ConfigError: they would go unencrypted to another machine.
        """
        if not endpoint.tls and not endpoint.loopback and not self.allow_plain_http:
            raise ConfigError(
                f"{option}: credentials would go unencrypted to {endpoint.host}: use https://, "
                "or allow_plain_http=True where the network is to be trusted"
            )

    @cached_property
    def scheme(self) -> Auth | None:
        """How requests say who asks: `auth`, or the user in the URL."""
        _, userinfo = without_userinfo(self.url)
        return schemes.Basic(*userinfo) if userinfo else self.auth

    @cached_property
    def heads(self) -> Heads:
        """What stands at the head of its requests."""
        return Heads(
            url=without_userinfo(self.url)[0],
            method=self.method,
            headers=self.headers,
            scheme=self.scheme,
            content_type=self.format.content_type,
            compression=self.compression,
        )

    @property
    def endpoint(self) -> Endpoint:
        """Where requests go; columns of the records stand in its target as in the URL."""
        return self.heads.endpoint

    @property
    def templates(self) -> Templates | None:
        """What of a request comes from its record; None where nothing does."""
        return self.heads.templates

    @cached_property
    def format(self) -> Format:
        """How records become bodies."""
        if isinstance(self.body_format, str):
            return self._compressed(format_named(self.body_format))
        check_format(self.body_format)
        return self._compressed(self.body_format)

    def _compressed(self, body_format: Format) -> Format:
        return Gzipped(body_format) if self.compression else body_format

    @property
    def records_per_request(self) -> int:
        """Records of a request, at most."""
        return self.batch_size or self.format.batch_size

    @cached_property
    def rules(self) -> Rules:
        """What its answers mean."""
        success = frozenset(self.success_status)
        if self.item_results:
            success |= {_MULTI_STATUS}
        retried = self.retry_on_status
        return Rules(
            success,
            None if retried is None else frozenset(retried),
            self.method.upper(),
            self.endpoint.origin,
            frozenset(getattr(self.scheme, "expired_status", (_UNAUTHORIZED,))),
            str(self.through or "a proxy"),
        )

    @property
    def max_answer(self) -> int:
        """Bytes of an answer's body that are read."""
        return _LARGEST_ANSWER if self.reads_items else MAX_BODY

    @property
    def reads_items(self) -> bool:
        """Whether answers say more than their status does: what became of each record."""
        return self.item_results is not None or hasattr(self.format, "reader")

    @property
    def answer_share(self) -> int:
        """Bytes of an answer's body that each connection may keep; one at a time keeps more."""
        return max(MAX_BODY, self.limits.max_buffer_bytes // self.limits.workers)

    @property
    def head(self) -> bytes:
        """The head of every request, up to the value of Content-Length."""
        return self.heads.head

    @cached_property
    def tls_context(self) -> ssl.SSLContext | None:
        """What verifies the API's certificate; None for plain http."""
        if self.tls is True and not self.endpoint.tls:
            return None
        context = tls_context(self.tls)
        return context if self.endpoint.tls else None

    @cached_property
    def through(self) -> Proxy | None:
        """The proxy through which it is reached; None where it is reached directly."""
        return proxy_for(self.proxy, self.endpoint)

    def __str__(self) -> str:
        """Give method and URL for messages, without the query."""
        return f"{self.method} {self.endpoint}"

    def redact(self, text: str) -> str:
        """Blot out what may be secret (headers, the query), should an answer repeat it."""
        return self._redaction(text)

    @cached_property
    def _redaction(self) -> Redaction:
        return Redaction(self.secrets)

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """Texts that are never shown."""
        of_proxy = self.through.secrets if self.through else ()
        return (*self.heads.secrets, *getattr(self.scheme, "secrets", ()), *of_proxy)


def as_api(api: Any) -> Api:
    """
    Give an `Api` for what users may write: a URL or an `Api`.

    Raises:
        ConfigError: it is neither, or the URL cannot work.
    """
    if isinstance(api, Api):
        return api
    if isinstance(api, str):
        return Api(api)
    raise ConfigError(f"api must be a URL or an Api(…), not {type(api).__name__}")

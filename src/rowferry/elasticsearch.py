"""
Indexes of Elasticsearch and OpenSearch: made from a query's columns, reloaded behind an alias.

    from rowferry import elasticsearch as es

    mapping = es.mapping_of("SELECT * FROM airport", conn)    # look at it, correct it, keep it
    api = etl.Api.elasticsearch("http://localhost:9200", index="airports")
    report = es.reload(api, lambda new: etl.copy_to_api(query, conn, new, key="icao"), mapping)
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import http.client
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

import msgspec

from rowferry import auth
from rowferry.column_types import ColumnType, of_values
from rowferry.exceptions import ConfigError, TransferError
from rowferry.extract import iter_chunks
from rowferry.formats.elasticsearch_answers import error_of
from rowferry.transforms import shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rowferry.api import Api
    from rowferry.http.proxy import Proxy
    from rowferry.records import Report
    from rowferry.transforms import Transform

_FIRST_ROWS = 1000
_LAST_SEARCHES = 1.0
"""Seconds that searches which began at an index before it was replaced have to end."""
_ERRORS = 400
_MISSING = 404

_TEXT = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
_FIELDS: dict[str, dict[str, Any]] = {
    "boolean": {"type": "boolean"},
    "smallint": {"type": "short"},
    "integer": {"type": "integer"},
    "bigint": {"type": "long"},
    "decimal": {"type": "double"},
    "real": {"type": "float"},
    "double": {"type": "double"},
    "text": _TEXT,
    "date": {"type": "date", "format": "strict_date"},
    "time": {"type": "keyword"},
    "timestamp": {"type": "date"},
    "timestamptz": {"type": "date"},
    "interval": {"type": "keyword"},
    "json": {"type": "object", "dynamic": True},
    "uuid": {"type": "keyword"},
}
"""For what a column holds the field that finds it again; the document keeps it digit by digit."""


# what a mapping may be


def mapping_of(
    select_query: str,
    conn: Any,
    *,
    parameters: Sequence[Any] | Mapping[str, Any] = (),
    transform: Transform | None = None,
    fields: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """
    Suggest the mapping of an index for the rows of *select_query*, to be looked at.

    The first 1,000 rows say what each column holds. A column without a field is refused by the
    index ("strict"), so that a new one is noticed.

    Args:
        conn: a connection, a `DbParams` or a URL.
        parameters: fill the placeholders of the query.
        transform: of the rows, as `copy_to_api` takes it.
        fields: of columns for which another one is wanted: `{"code": {"type": "keyword"}}`.

    Raises:
        ConfigError: the query has no rows, or a column nothing but NULL, and *fields* does not say
            what is to hold it.
        QueryError: the query cannot be run.
    """
    chunks = iter_chunks(select_query, conn, parameters=parameters, chunk_size=_FIRST_ROWS)
    records = shape(next(iter(chunks), []), transform, None).records
    return mapping_of_rows(records, fields=fields)


def mapping_of_rows(
    rows: Sequence[Mapping[str, Any]], *, fields: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """
    Suggest the mapping of an index for records like these, such as what a transform gives.

    Raises:
        ConfigError: as `mapping_of`.
    """
    if not rows:
        raise ConfigError("a mapping cannot be made of no rows: their values say what columns hold")
    given = dict(fields or {})
    names = dict.fromkeys(name for row in rows for name in row)
    properties = {name: given.get(name) or _field(name, rows) for name in names}
    return {"dynamic": "strict", "properties": properties}


def _field(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values = [row[name] for row in rows if row.get(name) is not None]
    remedy = f"say what is to hold it, such as fields={{{name!r}: {{'type': 'keyword'}}}}"
    if not values:
        raise ConfigError(
            f"column {name!r} is NULL in all of the first {len(rows):,} rows; {remedy}"
        )
    found: ColumnType = of_values(values)
    if found.kind not in _FIELDS:
        raise ConfigError(
            f"column {name!r} holds {found.kind} values, which no field does; {remedy}"
        )
    return _FIELDS[found.kind]


# what is done with an index


class _Place(NamedTuple):
    """
    Where an `Api` sends documents.

    Attributes:
        root: path of the cluster, mostly empty.
        alias: or index.
    """

    root: str
    alias: str


def create_index(
    api: Api, mapping: Mapping[str, Any], *, settings: Mapping[str, Any] | None = None
) -> None:
    """
    Make the index to which *api* sends documents.

    Args:
        settings: of the index, such as `{"number_of_shards": 3}`.

    Raises:
        ConfigError: *api* is not made by `Api.elasticsearch` with one index for all.
        TransferError: it cannot be made (it is there already, for one), or the cluster not reached.
    """
    place = _place_of(api)
    _create(api, place, place.alias, mapping, settings or {})


def refresh(api: Api) -> None:
    """
    Let searches find what was delivered until now.

    Raises:
        ConfigError, TransferError: as `create_index`.
    """
    place = _place_of(api)
    _ask(api, "POST", f"{place.root}/{quote(place.alias, safe='')}/_refresh")


def reload(
    api: Api,
    load: Callable[[Api], Report],
    mapping: Mapping[str, Any],
    *,
    settings: Mapping[str, Any] | None = None,
    keep_old: bool = False,
) -> Report:
    """
    Fill a new index and let the alias lead to it once everything is there: no reader sees a gap.

    Args:
        api: its index is the alias; it may not be there yet.
        load: takes an `Api` for the new index and gives the report of the transfer into it.
        mapping: of the new index; see `mapping_of`.
        settings: of the new index. Until it is full it is not refreshed.
        keep_old: whether the index to which the alias led stays there.

    Returns:
        What *load* gave.

    Raises:
        ConfigError: as `create_index`; or what is to be the alias is an index.
        TransferError: not everything was delivered (the alias is as it was, and the new index stays
            there to be looked at), or the cluster cannot do it.
        BaseException: what *load* raised; the alias is as it was, and the new index is deleted.
    """
    place, settings = _place_of(api), dict(settings or {})
    old = _behind(api, place)
    new = f"{place.alias}-{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S-%f}"
    _create(api, place, new, mapping, settings | {"refresh_interval": "-1"})
    try:
        report = load(_sending_to(api, place, new))
    except BaseException:
        _ask(api, "DELETE", f"{place.root}/{new}")
        raise
    if report.dead or report.pending:
        left = f"the alias {place.alias} is as it was; what was delivered is in {new}"
        raise _with_report(
            TransferError(f"not everything was delivered ({report}): {left}"), report
        )
    interval = {"index": {"refresh_interval": settings.get("refresh_interval")}}
    _ask(api, "PUT", f"{place.root}/{new}/_settings", interval)
    _ask(api, "POST", f"{place.root}/{new}/_refresh")
    _swap(api, place, old, new, keep_old=keep_old)
    return report


def _with_report(error: TransferError, report: Report) -> TransferError:
    error.report = report
    return error


def _swap(api: Api, place: _Place, old: list[str], new: str, *, keep_old: bool) -> None:
    """
    Let the alias lead to another index, in one step.

    The old one is deleted after it and not in it: a search that has just begun there may end.
    """
    actions = [{"add": {"index": new, "alias": place.alias}}]
    actions += [{"remove": {"index": name, "alias": place.alias}} for name in old]
    _ask(api, "POST", f"{place.root}/_aliases", {"actions": actions})
    if old and not keep_old:
        time.sleep(_LAST_SEARCHES)
        for name in old:
            _ask(api, "DELETE", f"{place.root}/{name}")


def _behind(api: Api, place: _Place) -> list[str]:
    """Give the indexes to which the alias leads; none where there is no such alias."""
    alias = quote(place.alias, safe="")
    found = _ask(api, "GET", f"{place.root}/_alias/{alias}", may_miss=True)
    if found is None and _ask(api, "GET", f"{place.root}/{alias}", may_miss=True) is not None:
        raise ConfigError(
            f"{place.alias} is an index, and an alias cannot have its name: reindex it under "
            "another, delete it, and begin again"
        )
    return list(found or ())


def _create(
    api: Api, place: _Place, name: str, mapping: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    body = {"mappings": mapping, "settings": settings}
    _ask(api, "PUT", f"{place.root}/{quote(name, safe='')}", body)


def _place_of(api: Api) -> _Place:
    path = urlsplit(api.url).path
    root, _, index = path.removesuffix("/_bulk").rpartition("/")
    if not hasattr(api.format, "reader") or not path.endswith("/_bulk") or not index:
        raise ConfigError("api must be an Api.elasticsearch(…) with one index for all documents")
    return _Place(root, unquote(index))


def _sending_to(api: Api, place: _Place, index: str) -> Api:
    path = f"{place.root}/{index}/_bulk"
    return dataclasses.replace(api, url=urlunsplit(urlsplit(api.url)._replace(path=path)))


def _ask(
    api: Api, method: str, target: str, body: object = None, *, may_miss: bool = False
) -> dict[str, Any] | None:
    """
    Ask the cluster; give its answer, or None where it is a 404 and *may_miss*.

    Raises:
        TransferError: it cannot be reached, or says no.
    """
    data = b"" if body is None else msgspec.json.encode(body)
    parameters = getattr(api.scheme, "parameters", {})
    asked = f"{target}?{urlencode(parameters)}" if parameters else target
    try:
        with closing(_connection(api)) as connection:
            headers = _headers(api, method, asked, data)
            if api.through and not api.endpoint.tls:
                asked, headers = f"{api.endpoint.origin}{asked}", headers | _of_proxy(api.through)
            connection.request(method, asked, data, headers)
            answer = connection.getresponse()
            status, text = answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise TransferError(f"{method} {api.endpoint.origin}{target}: {error}") from error
    if status == _MISSING and may_miss:
        return None
    if status >= _ERRORS:
        said = api.redact(str(error_of(text)))
        raise TransferError(f"{method} {api.endpoint.origin}{target} answered {status}: {said}")
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        what = f"{method} {api.endpoint.origin}{target} answered {status} without any JSON"
        raise TransferError(f"{what}: is this Elasticsearch?") from error


def _headers(api: Api, method: str, target: str, body: bytes) -> dict[str, str]:
    """
    Give the headers of a request to the cluster.

    Raises:
        ConfigError: the credentials would have to be fetched first.
    """
    if hasattr(api.scheme, "flow"):
        raise ConfigError(
            "indexes cannot be looked after with an auth= whose tokens are fetched: make the index "
            "by other means"
        )
    headers = {
        "Host": api.endpoint.authority,
        "Accept": "application/json",
        **{name: text for name, text in api.headers.items() if name.lower() != "content-type"},
        **getattr(api.scheme, "headers", {}),
        "Content-Type": "application/json",
    }
    sign = getattr(api.scheme, "sign", None)
    if sign is None:
        return headers
    request = auth.Request(method, f"{api.endpoint.origin}{target}", headers, body)
    return {**headers, **sign(request)}


def _connection(api: Api) -> http.client.HTTPConnection:
    where, proxy = api.endpoint, api.through
    host, port = (proxy.host, proxy.port) if proxy else (where.host, where.port)
    if api.tls_context is None:
        return http.client.HTTPConnection(host, port, timeout=api.request_timeout)
    connection = http.client.HTTPSConnection(
        host, port, timeout=api.request_timeout, context=api.tls_context
    )
    if proxy:
        connection.set_tunnel(where.host, where.port, _of_proxy(proxy))
    return connection


def _of_proxy(proxy: Proxy) -> dict[str, str]:
    return {"Proxy-Authorization": proxy.credentials} if proxy.credentials else {}

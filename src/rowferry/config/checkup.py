"""What a job needs, looked at piece by piece: nothing is written, and nothing sent but a HEAD."""

from __future__ import annotations

import http.client
import importlib.metadata
import os
import shutil
import socket
import ssl
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rowferry import connections
from rowferry.auth import Request, parse_token_url
from rowferry.batches import MAX_BODY, Response
from rowferry.config.work import query_of, rows_of
from rowferry.databases import recognise
from rowferry.exceptions import AuthError, ConfigError, RowferryError
from rowferry.extract import iter_rows
from rowferry.keyset import as_table
from rowferry.mounts import UNSURE, file_system
from rowferry.row_factories import tuple_row_factory
from rowferry.sql import columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rowferry.api import Api
    from rowferry.config.job import Job, Source
    from rowferry.http.endpoint import Endpoint

_UNREACHABLE = 4
_CONFIGURATION = 2
_AUTHENTICATION = 5
_DISK = 7
_MIB = 1024 * 1024
_LEAST_FREE = 20 * _MIB
"""What a journal of many rows may take."""

_REFUSED = frozenset({401, 403, 407})


class Finding(NamedTuple):
    """
    What was found.

    Attributes:
        what: was looked at.
        says: what is there; or what is wrong, and what to do.
        exit_code: 0 where all is well.
    """

    what: str
    says: str
    exit_code: int = 0


class _Trouble(Exception):  # noqa: N818 (it is a finding, no error)
    """Ends a part of the check-up: what comes after it cannot be looked at."""

    def __init__(self, says: str, exit_code: int) -> None:
        super().__init__(says)
        self.exit_code = exit_code


def check_up(job: Job) -> Iterator[Finding]:
    """Look at what a job needs, one thing after another; what depends on a bad one is left out."""
    if job.source.url is not None:
        yield from _found(_of_source(job.source, job.source.url))
    else:
        yield from _found(_of_file(job))
    if job.destination is not None:
        yield from _found(_of_database("destination", job.destination.url))
    else:
        yield from _found(_of_api(job.to_api))
    if job.kept_in is not None:
        place = Path(job.kept_in.path)
        yield from _found(iter([("journal", lambda: _disk(place))]))


def _found(steps: Iterator[tuple[str, Callable[[], str]]]) -> Iterator[Finding]:
    for what, look in steps:
        try:
            yield Finding(what, look())
        except _Trouble as trouble:
            yield Finding(what, str(trouble), trouble.exit_code)
            return
        except ConfigError as error:
            yield Finding(what, str(error), _CONFIGURATION)
            return
        except RowferryError as error:
            yield Finding(what, str(error), _UNREACHABLE)
            return


# databases and files


def _of_database(which: str, url: str) -> Iterator[tuple[str, Callable[[], str]]]:
    yield f"{which}: driver", lambda: _driver(url)
    yield f"{which}: database", lambda: _connection(url)


def _of_source(source: Source, url: str) -> Iterator[tuple[str, Callable[[], str]]]:
    yield from _of_database("source", url)
    yield "source: query", lambda: _query(source, url)


def _of_file(job: Job) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "source: file", lambda: _file(job)


def _driver(url: str) -> str:
    module = connections.database_of(url).driver
    try:
        __import__(module)
    except ImportError as error:
        connections.database_of(url)  # its own words come with the connection
        raise _Trouble(f"{module} is not installed: {error}", _CONFIGURATION) from error
    packages = importlib.metadata.packages_distributions().get(module, [])
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages[:1]]
    return versions[0] if versions else module


def _connection(url: str) -> str:
    began = time.monotonic()
    with connections.opened(url) as conn:
        database, _ = recognise(conn)
        took = (time.monotonic() - began) * 1000
        return f"{database.dbtype}, connected in {took:,.0f} ms"


def _query(source: Source, url: str) -> str:
    query = query_of(source)
    try:
        without_rows = columns_of(as_table(query))
    except ConfigError:
        return "it is no plain SELECT, and may change data: it was not run"
    with connections.opened(url) as conn, closing(conn.cursor()) as cursor:
        del cursor
        names = _columns(without_rows, conn, source.parameters)
    return f"may be read, and has the columns {', '.join(names)}"


def _columns(query: str, conn: Any, parameters: Any) -> list[str]:
    found: list[str] = []

    def note(cursor: Any) -> Any:
        found.extend(column[0] for column in cursor.description)
        return tuple_row_factory(cursor)

    with closing(iter_rows(query, conn, parameters, note)) as rows:  # type: ignore[type-var]
        next(rows, None)
    return found


def _file(job: Job) -> str:
    with closing(rows_of(job)) as rows:
        first = next(rows, None)
    return "is empty" if first is None else f"may be read, and has the columns {', '.join(first)}"


# the journal


def _disk(journal: Path) -> str:
    folder = journal.resolve().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _Trouble(f"no file can be made in {folder}: name another with journal", _DISK)
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE:
        raise _Trouble(f"there are only {free / _MIB:,.0f} MiB free in {folder}", _DISK)
    kind = file_system(folder)
    if kind in UNSURE:
        raise _Trouble(
            f"{folder} is on {kind}, and a journal there {UNSURE[kind]}: name another with journal",
            _DISK,
        )
    return f"{journal}, on {kind or 'a disk'} with {free / _MIB:,.0f} MiB free"


# APIs


def _of_api(api: Api) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "api: name", lambda: _name(api)
    yield "api: connection", lambda: _reach(api)
    if api.endpoint.tls:
        yield "api: TLS", lambda: _certificate(api)
    yield "api: credentials", lambda: _credentials(api)


def _name(api: Api) -> str:
    host = api.endpoint.host
    try:
        found = socket.getaddrinfo(host, api.endpoint.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise _Trouble(f"{host} has no address: {error.strerror}", _UNREACHABLE) from error
    return f"{host} is {', '.join(dict.fromkeys(str(one[4][0]) for one in found))}"


def _reach(api: Api) -> str:
    address = (api.endpoint.host, api.endpoint.port)
    began = time.monotonic()
    try:
        socket.create_connection(address, timeout=api.connect_timeout).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise _Trouble(
            f"port {address[1]} of {address[0]} takes no connection: {why}; is it running, and is "
            "there a firewall between?",
            _UNREACHABLE,
        ) from error
    return f"port {address[1]} takes connections, in {(time.monotonic() - began) * 1000:,.1f} ms"


def _certificate(api: Api) -> str:
    host, context = api.endpoint.host, api.tls_context
    if context is None:
        return "none"
    try:
        with (
            socket.create_connection((host, api.endpoint.port), api.connect_timeout) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            certificate = secured.getpeercert() or {}
            return f"{secured.version()}, certificate valid until {certificate.get('notAfter')}"
    except ssl.SSLCertVerificationError as error:
        remedy = "; name its authority as ca in the table tls"
        raise _Trouble(f"{error.verify_message}{remedy}", _CONFIGURATION) from error
    except OSError as error:
        raise _Trouble(error.strerror or str(error), _UNREACHABLE) from error


def _credentials(api: Api) -> str:
    """Ask with a HEAD, which changes nothing; any answer but a refusal will do."""
    endpoint = api.endpoint
    target = endpoint.target.partition("{")[0]  # what records make of it is not known here
    credentials = _of_scheme(api, f"{endpoint.origin}{target}")
    plain = {name: value for name, value in api.headers.items() if "{" not in value}
    status = _asked("HEAD", endpoint, target, {**plain, **credentials}, api).status
    if status in _REFUSED:
        raise _Trouble(
            f"the API answered {status} to a HEAD: are the credentials right, and still valid?",
            _AUTHENTICATION,
        )
    return f"the API answered {status} to a HEAD, which refuses no credentials"


def _of_scheme(api: Api, url: str) -> dict[str, str]:
    """Give the headers of the API's auth; where it is a token, get one."""
    scheme: Any = api.scheme
    headers = dict(getattr(scheme, "headers", {}))
    if hasattr(scheme, "flow"):
        try:
            headers |= _token(scheme.flow(), api)
        except AuthError as error:
            raise _Trouble(str(error), _AUTHENTICATION) from error
    if hasattr(scheme, "sign"):
        headers |= scheme.sign(Request("HEAD", url, headers))
    return headers


def _token(flow: Any, api: Api) -> dict[str, str]:
    """Get a token as the library would: each request of *flow* is sent, and its answer told."""
    request = next(flow)
    while True:
        where = parse_token_url(request.url)
        answer = _asked(
            request.method, where, where.target, dict(request.headers), api, request.body
        )
        try:
            request = flow.send(answer)
        except StopIteration as ended:
            return dict(ended.value.headers)


def _asked(
    method: str,
    endpoint: Endpoint,
    target: str,
    headers: dict[str, str],
    api: Api,
    body: bytes | None = None,
) -> Response:
    """Send a request, and give its answer."""
    make: Any = http.client.HTTPSConnection if endpoint.tls else http.client.HTTPConnection
    more: dict[str, Any] = {"context": api.tls_context} if endpoint.tls else {}
    connection = make(endpoint.host, endpoint.port, timeout=api.request_timeout, **more)
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        return Response(answer.status, (), answer.read(MAX_BODY))
    except (OSError, http.client.HTTPException) as error:
        why = str(error) or type(error).__name__
        where = f"{endpoint.host} port {endpoint.port}"
        raise _Trouble(f"no answer of {where} to a {method}: {why}", _UNREACHABLE) from error
    finally:
        connection.close()

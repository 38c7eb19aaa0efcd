"""What a job needs of its API: nothing is sent but a HEAD, and what gets a token."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

from rowferry.auth import Request, parse_token_url
from rowferry.batches import MAX_BODY, Response
from rowferry.config.finding import AUTHENTICATION, CONFIGURATION, UNREACHABLE, Trouble
from rowferry.exceptions import AuthError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rowferry.api import Api
    from rowferry.http.endpoint import Endpoint

_REFUSED = frozenset({401, 403, 407})


def steps_of_api(api: Api) -> Iterator[tuple[str, Callable[[], str]]]:
    """Give what is to be looked at, and what looks at it."""
    if api.proxy is not None or api.client is not None:
        yield "api", lambda: f"{api} is not reached directly, and was not looked at"
        return
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
        raise Trouble(f"{host} has no address: {error.strerror}", UNREACHABLE) from error
    return f"{host} is {', '.join(dict.fromkeys(str(one[4][0]) for one in found))}"


def _reach(api: Api) -> str:
    address = (api.endpoint.host, api.endpoint.port)
    began = time.monotonic()
    try:
        socket.create_connection(address, timeout=api.connect_timeout).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise Trouble(
            f"port {address[1]} of {address[0]} takes no connection: {why}; is it running, and is "
            "there a firewall between?",
            UNREACHABLE,
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
        raise Trouble(f"{error.verify_message}{remedy}", CONFIGURATION) from error
    except OSError as error:
        raise Trouble(error.strerror or str(error), UNREACHABLE) from error


def _credentials(api: Api) -> str:
    """Ask with a HEAD, which changes nothing; any answer but a refusal will do."""
    endpoint = api.endpoint
    target = endpoint.target.partition("{")[0]  # what records make of it is not known here
    credentials = _of_scheme(api, f"{endpoint.origin}{target}")
    plain = {name: value for name, value in api.headers.items() if "{" not in value}
    status = _asked("HEAD", endpoint, target, {**plain, **credentials}, api).status
    if status in _REFUSED:
        raise Trouble(
            f"the API answered {status} to a HEAD: are the credentials right, and still valid?",
            AUTHENTICATION,
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
            raise Trouble(str(error), AUTHENTICATION) from error
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
        raise Trouble(f"no answer of {where} to a {method}: {why}", UNREACHABLE) from error
    finally:
        connection.close()

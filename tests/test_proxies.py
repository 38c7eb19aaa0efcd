"""Proxies: asked only where they are named, told no more than they need, and never shown."""

import base64
import logging
import ssl

import pytest
import trustme

from forwarding import ForwardProxy
from rowferry import Api, Limits, Retry, auth, post_rows
from rowferry.exceptions import ConfigError, TransferError
from rowferry.http.endpoint import parse_url
from rowferry.http.proxy import proxy_for, tunnel_request, tunnel_status
from rowferry.testing import Answer, FakeApi

QUICK = Retry(initial_backoff=0.001, max_backoff=0.01)
TOKEN = "Bearer t0ken"
USER = "me:s3cret"
BASIC = base64.b64encode(USER.encode()).decode()
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch, caplog, capsys):
    """No variable of the machine's own has a say; and nothing of a test is said that is secret."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    caplog.set_level(logging.DEBUG)
    yield
    said = "".join([caplog.text, *capsys.readouterr()])
    assert not any(secret in said for secret in ("s3cret", "s3%2Fcret", BASIC, "t0ken"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """What makes a server of TLS, and what verifies it."""
    authority = trustme.CA()
    file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "api.example").configure_cert(context)
    return context, {"ca": file}


def rows_of(count):
    return [{"id": number} for number in range(count)]


def sent(api, rows=20):
    return post_rows(rows_of(rows), api)


def stopped(api):
    with pytest.raises(TransferError) as caught:
        sent(api)
    for secret in ("s3cret", BASIC, "t0ken"):
        assert secret not in str(caught.value)
    return caught.value


# what goes where


def test_http_is_asked_of_the_proxy_in_absolute_form_and_its_user_stays_with_it():
    with FakeApi() as api, ForwardProxy(USER) as proxy:
        target = Api(api.url + "?a=b", proxy=proxy.url, headers={"Authorization": TOKEN})
        assert sent(target).delivered == 20
    assert len(proxy.heads) == len(api.received) == 20
    assert proxy.heads[0].startswith(f"POST {api.url}?a=b HTTP/1.1\r\nHost: 127.0.0.1:{api.port}")
    assert all(request.path == "/records?a=b" for request in api.received)
    assert all(request.headers["authorization"] == TOKEN for request in api.received)
    assert not any("proxy-authorization" in request.headers for request in api.received)


def test_https_goes_through_a_tunnel_in_which_the_proxy_sees_nothing(secure):
    context, tls = secure
    with FakeApi(tls=context) as api, ForwardProxy(USER) as proxy:
        target = Api(api.url, proxy=proxy.url, tls=tls, headers={"Authorization": TOKEN})
        assert sent(target).delivered == 20
    place = f"127.0.0.1:{api.port}"
    for head in proxy.heads:
        lines = head.split("\r\n")
        assert lines[:2] == [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
        assert lines[2].startswith("User-Agent: rowferry/")
        assert lines[3:] == [f"Proxy-Authorization: Basic {BASIC}", "", ""]
    assert proxy.seen
    assert b"t0ken" not in proxy.seen
    assert all(request.headers["authorization"] == TOKEN for request in api.received)
    assert not any("proxy-authorization" in request.headers for request in api.received)


def test_the_certificate_is_the_apis_and_not_that_of_where_the_tunnel_leads(secure):
    context, tls = secure
    with FakeApi(tls=context) as api:
        with ForwardProxy(route=("127.0.0.1", api.port)) as proxy:
            assert sent(Api("https://api.example/", proxy=proxy.url, tls=tls)).delivered == 20
            error = stopped(Api("https://other.example/", proxy=proxy.url, tls=tls))
        assert len(api.received) == 20
    assert error.exit_code == 2
    assert "certificate" in str(error)
    assert f"through the proxy 127.0.0.1:{proxy.port}" in str(error)


@pytest.mark.parametrize("through", [True, False])
def test_tokens_and_requests_from_rows_are_the_same_through_a_proxy(secure, through):
    context, tls = secure
    token = Answer(status=200, body=b'{"access_token": "t0ken", "token_type": "bearer"}')
    with (
        FakeApi(token, tls=context) as tokens,
        FakeApi() as api,
        ForwardProxy(USER) as proxy,
    ):
        target = Api(
            api.url + "/{id}?x={id}",
            auth=auth.OAuth2ClientCredentials(tokens.url, "me", "s3cret2"),
            tls=tls,
            proxy=proxy.url if through else None,
        )
        assert sent(target).delivered == 20
    assert {request.path for request in api.received} == {f"/records/{n}?x={n}" for n in range(20)}
    assert {request.headers["authorization"] for request in api.received} == {"Bearer t0ken"}
    asked = [head.partition("\r\n")[0] for head in proxy.heads]
    assert len(tokens.received) == 1
    if through:
        assert asked[0] == f"CONNECT 127.0.0.1:{tokens.port} HTTP/1.1"
        assert {line.split("?")[0] for line in asked[1:]} == {
            f"POST {api.url}/{n}" for n in range(20)
        }
    else:
        assert asked == []


def test_what_is_signed_is_what_the_api_gets_and_not_what_the_proxy_is_asked():
    signed = []

    class Signs:
        def sign(self, request):
            signed.append(request.url)
            return {"X-Signature": "s"}

    with FakeApi() as api, ForwardProxy(USER) as proxy:
        assert sent(Api(api.url, auth=Signs(), proxy=proxy.url), 3).delivered == 3
    assert signed == [api.url] * 3
    assert all(request.headers["x-signature"] == "s" for request in api.received)


def test_connections_through_a_proxy_are_kept():
    with FakeApi() as api, ForwardProxy() as proxy:
        target = Api(api.url, proxy=proxy.url, limits=Limits(max_in_flight=1, concurrency=1))
        sent(target)
        assert len(proxy._tasks) == 1


def test_a_header_that_is_for_the_proxy_is_not_sent_to_the_api():
    with pytest.raises(ConfigError, match="give it the user in proxy="):
        Api("https://h/", headers={"proxy-Authorization": "Basic x"})


# refusals


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_credentials_stops_the_run(secure, scheme):
    context, tls = secure
    with FakeApi(tls=context if scheme == "https" else None) as api, ForwardProxy(USER) as proxy:
        error = stopped(Api(api.url, proxy=f"http://me:s3cret2@127.0.0.1:{proxy.port}", tls=tls))
        assert api.received == []
    assert (error.exit_code, error.report.pending) == (2, error.report.records)
    assert "407" in str(error)
    assert f"the proxy 127.0.0.1:{proxy.port}" in str(error)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "answered 502 when asked for a tunnel"),
        (b"HTTP/1.1 301 There\r\nLocation: http://elsewhere/\r\n\r\n", "answered 301"),
        (b"", "closed the connection instead"),
        (b"HTTP/1.1 200 OK\r\nHalf: ", "closed the connection instead"),
        (b"X: " + b"x" * 100_000, "closed the connection instead"),
        (b"SSH-2.0-x\r\n\r\n", "does not speak HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "more than the end of its answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "answered 100"),
    ],
)
def test_a_tunnel_that_is_not_given_leaves_nothing_sent(answer, words):
    retry = Retry(max_retries=2, initial_backoff=0.001)
    with ForwardProxy(answer=answer) as proxy:
        error = stopped(Api("https://api.example/", proxy=proxy.url, retry=retry))
        assert len(proxy.heads) == 3
    assert (error.exit_code, error.report.requests) == (4, 0)
    assert words in str(error)
    assert str(error).endswith("(tried 3 times); nothing was sent")


def test_a_tunnel_that_is_refused_later_is_asked_for_again(secure):
    context, tls = secure
    closing = Answer(headers={"Connection": "close"}, cut="close")

    def busy(number):
        return b"HTTP/1.1 503 Busy\r\n\r\n" if number % 3 == 1 else None

    with FakeApi(closing, tls=context) as api, ForwardProxy(answer=busy) as proxy:
        one = Limits(max_in_flight=1, concurrency=1)
        report = sent(Api(api.url, proxy=proxy.url, tls=tls, limits=one, retry=QUICK))
        assert len(proxy.heads) > len(api.received) == 20
    assert (report.delivered, report.retries > 0, report.maybe_duplicated) == (20, True, 0)


def test_a_proxy_that_is_not_there_is_named():
    with ForwardProxy() as proxy:
        pass
    retry = Retry(max_retries=0)
    error = stopped(
        Api("https://api.example/", proxy=f"http://{USER}@127.0.0.1:{proxy.port}", retry=retry)
    )
    assert str(error).startswith(
        f"cannot connect to api.example port 443 through the proxy 127.0.0.1:{proxy.port}: "
    )


# what is asked for


def test_the_environment_is_read_only_where_it_is_asked_for(monkeypatch, secure):
    context, tls = secure
    with ForwardProxy() as canary, FakeApi() as plain, FakeApi(tls=context) as api:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name.lower(), canary.url)
            monkeypatch.setenv(name, canary.url)
        sent(Api(plain.url))
        sent(Api(api.url, tls=tls))
        assert canary.heads == []
        sent(Api(plain.url, proxy="environment"), 1)
        sent(Api(api.url, tls=tls, proxy="environment"), 1)
        assert [head.split()[0] for head in canary.heads] == ["POST", "CONNECT"]


@pytest.mark.parametrize(
    ("url", "variables", "expected"),
    [
        ("http://h/", {"HTTP_PROXY": "http://a:1"}, ("a", 1)),
        ("https://h/", {"HTTP_PROXY": "http://a:1"}, None),
        ("https://h/", {"HTTPS_PROXY": "http://b:2/"}, ("b", 2)),
        ("https://h/", {"ALL_PROXY": "http://c:3"}, ("c", 3)),
        ("https://h/", {"ALL_PROXY": "http://c:3", "https_proxy": "b:2"}, ("b", 2)),
        ("http://h/", {"http_proxy": "http://a:1", "HTTP_PROXY": "http://b:2"}, ("a", 1)),
        ("http://h/", {"http_proxy": "", "HTTP_PROXY": "http://b:2"}, None),
        ("http://h/", {"HTTP_PROXY": "http://b:2", "REQUEST_METHOD": "GET"}, None),
        ("http://h/", {"http_proxy": "a:1", "no_proxy": "h"}, None),
        ("http://h:81/", {"http_proxy": "a:1", "no_proxy": "h:80"}, ("a", 1)),
        ("http://h:81/", {"http_proxy": "a:1", "no_proxy": "x, h:81"}, None),
        ("http://x.h.org/", {"http_proxy": "a:1", "no_proxy": ".h.org"}, None),
        ("http://xh.org/", {"http_proxy": "a:1", "no_proxy": "h.org"}, ("a", 1)),
        ("http://h/", {"http_proxy": "a:1", "NO_PROXY": "*"}, None),
        ("http://h/", {}, None),
    ],
)
def test_the_environment_is_read_as_urllib_reads_it(monkeypatch, url, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    proxy = proxy_for("environment", parse_url(url))
    assert (proxy and (proxy.host, proxy.port)) == expected


def test_an_environment_that_cannot_work_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://me:s3cret@h:1080")
    with pytest.raises(ConfigError, match=r"^ALL_PROXY must begin with http://") as caught:
        Api("http://h/", proxy="environment")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "must begin with http://"),
        ("proxy:3128", "must begin with http://"),
        ("https://me:s3cret@h:1/", "no TLS to the proxy itself"),
        ("socks5://me:s3cret@h:1/", "no SOCKS"),
        ("http://me:s3cret@", "with a host"),
        ("http://me:s3cret@h:0", "with a host"),
        ("http://me:s3cret@h:x", "cannot be read"),
        ("http://me:s3cret@h/path", "nothing after its port"),
        ("http://me:s3cret@h?s3cret", "nothing after its port"),
        ("http://m%3Ae:s3cret@h", "a user with a colon"),
        ("http://a b:1", "no name"),
        (False, "must be a URL or 'environment', not bool"),
        (b"http://h:1", "not bytes"),
    ],
)
def test_a_proxy_that_cannot_work_is_refused_and_its_password_not_shown(url, problem):
    with pytest.raises(ConfigError) as caught:
        Api("http://h/", proxy=url)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("proxy ")
    error = caught.value
    while error:
        assert "s3cret" not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


# what is never shown


def test_the_user_of_a_proxy_is_read_from_its_url_and_never_shown():
    api = Api("http://h/", proxy="http://m%20e:s3%2Fcret@p:3128")
    wanted = base64.b64encode(b"m e:s3/cret").decode()
    assert api.through.credentials == f"Basic {wanted}"
    for shown in (repr(api), str(api), repr(api.through), str(api.through)):
        assert not any(secret in shown for secret in ("s3/cret", "s3%2Fcret", wanted))
    said = api.redact(f"you are Basic {wanted}, s3/cret or s3%2Fcret?")
    assert said == "you are Basic ***, *** or ***?"


def test_what_asks_for_a_tunnel_names_the_port_and_brackets_addresses():
    proxy = proxy_for("http://p", parse_url("http://h/"))
    assert proxy.port == 80
    for url, place in (
        ("https://h/", b"h:443"),
        ("https://h:8443/x?y", b"h:8443"),
        ("https://[::1]/", b"[::1]:443"),
    ):
        request = tunnel_request(proxy, parse_url(url))
        assert request.startswith(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n" % (place, place))
        assert b"Authorization" not in request


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"HTTP/1.1 200 Connection established\r\n\r\n", 200),
        (b"HTTP/1.0 200\r\n\r\n", 200),
        (b"HTTP/1.1 407 \r\nX: y\r\n\r\n", 407),
        (b"HTTP/2 200 OK\r\n\r\n", None),
        (b"HTTP/1.1 2000 OK\r\n\r\n", None),
        (b"HTTP/1.1 000 OK\r\n\r\n", None),
        (b"\r\n\r\n", None),
    ],
)
def test_the_status_of_a_tunnel_is_read_from_its_line(head, status):
    assert tunnel_status(head) == status

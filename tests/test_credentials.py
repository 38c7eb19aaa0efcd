"""Credentials over real sockets: had, renewed once for all that wait, refused; nothing is lost."""

import base64
import hashlib
import hmac
import itertools
import json
import ssl
import threading
import time

import pytest
import trustme

from rowferry import Api, Budget, Limits, Retry, auth, per_row, post_rows
from rowferry.auth import Request, Token
from rowferry.exceptions import AuthError, ConfigError, RejectedError, TransferError
from rowferry.testing import Answer, FakeApi
from scripted import LONG, until

QUICK = Retry(max_retries=2, initial_backoff=0.001, max_backoff=0.01)


class Guarded:
    """
    An API and the server of its tokens in one: each token is good for a number of requests.

    Args:
        life: requests that a token is good for.
        token: what it does with the request for the token with that number, from 1; None issues it.
        then: what it does with a request that has a good token.
        status: of an answer to one that has none.
    """

    def __init__(self, life=10**9, *, token=None, then=201, status=401, expires_in=3600):
        self.life = life
        self.token = token
        self.then = then
        self.status = status
        self.expires_in = expires_in
        self.issued = []
        self.asked = 0
        self.left = 0

    def __call__(self, request):
        if request.path.startswith("/token"):
            return self._issue(request)
        good = f"Bearer token-{len(self.issued)}"
        if not self.issued or request.headers.get("authorization") != good or self.left <= 0:
            return self.status
        self.left -= 1
        return self.then(request) if callable(self.then) else self.then

    def _issue(self, request):
        self.asked += 1
        other = self.token(self.asked) if self.token else None
        if other is not None:
            return other
        self.issued.append(request)
        self.left = self.life
        body = {"access_token": f"token-{len(self.issued)}", "expires_in": self.expires_in}
        return Answer(status=200, body=json.dumps(body).encode(), delay=0.005)


def oauth(server, path="/token", **options):
    url = server.url.removesuffix("/records") + path
    return auth.OAuth2ClientCredentials(url, "me", "s3cret", **options)


def sent(server, count=100, *, scheme=None, retry=QUICK, **options):
    """Send rows; give the report and the error, once all is closed."""
    limits = options.pop("limits", Limits(concurrency=8))
    budget = options.pop("budget", Budget())
    failed = []
    api = Api(server.url, auth=scheme or oauth(server), retry=retry, limits=limits, **options)
    rows = [{"id": number} for number in range(count)]
    try:
        report, error = post_rows(rows, api, key="id", on_error=failed.extend, budget=budget), None
    except TransferError as raised:
        report, error = raised.report, raised
    until(lambda: not server.open_connections, "the end of all connections")
    assert report.records == report.delivered + report.dead + report.pending
    assert len(failed) == report.dead
    return report, error


def delivered_ids(server):
    return [request.json()["id"] for request in server.received if request.path == "/records"]


# a token's life


def test_a_token_is_had_before_the_first_request_and_once():
    guarded = Guarded()
    with FakeApi(guarded) as server:
        report, error = sent(server)
    assert (report.delivered, report.requests, report.retries, error) == (100, 100, 0, None)
    assert len(guarded.issued) == 1
    assert server.received[0].path == "/token"
    assert server.received[0].form() == {"grant_type": "client_credentials"}


def test_where_there_is_nothing_to_send_no_token_is_asked_for():
    with FakeApi(Guarded()) as server:
        report, _ = sent(server, 0)
    assert (report.requests, server.received) == (0, [])


@pytest.mark.parametrize("limits", [Limits(concurrency=64), Limits()])
def test_one_renewal_a_life_and_no_record_is_lost_or_rejected(limits):
    guarded = Guarded(life=200)
    with FakeApi(guarded) as server:
        report, error = sent(server, 5000, limits=limits)
    assert error is None
    assert (report.delivered, report.dead, report.pending) == (5000, 0, 0)
    assert report.maybe_duplicated == 0
    assert len(guarded.issued) == 5000 / 200
    assert report.requests == 5000 + report.retries
    assert set(delivered_ids(server)) == set(range(5000))


def test_a_life_of_one_request_is_enough():
    guarded = Guarded(life=1)
    with FakeApi(guarded) as server:
        report, error = sent(server, 20, limits=Limits(concurrency=1))
    assert (report.delivered, error) == (20, None)
    assert len(guarded.issued) == 20


def test_a_token_is_renewed_before_it_ends():
    guarded = Guarded(expires_in=1.0, then=Answer(status=201, delay=0.05))
    with FakeApi(guarded) as server:
        report, error = sent(server, 60, limits=Limits(concurrency=2))
    assert (report.delivered, error) == (60, None)
    assert len(guarded.issued) >= 2


def test_a_token_of_unknown_life_is_kept_until_it_is_refused():
    guarded = Guarded(life=50, expires_in="soon")
    with FakeApi(guarded) as server:
        report, _ = sent(server, 100)
    assert (report.delivered, len(guarded.issued)) == (100, 2)


def test_a_token_that_has_ended_is_not_sent_while_there_is_no_other():
    down = threading.Event()

    def token(number):
        return 503 if number > 1 and down.is_set() else None

    def then(request):
        if request.json()["id"] == 5:
            down.set()
        return Answer(status=201, delay=0.02)

    guarded = Guarded(expires_in=0.3, token=token, then=then)
    with FakeApi(guarded) as server:
        timer = threading.Timer(1.0, down.clear)
        timer.start()
        retry = Retry(initial_backoff=0.02, max_backoff=0.05)
        report, error = sent(server, 60, limits=Limits(concurrency=1), retry=retry)
        timer.join()
    assert (report.delivered, error) == (60, None)
    assert guarded.asked > len(guarded.issued) >= 2


def test_an_answer_to_an_old_token_that_comes_late_asks_for_no_other():
    late = threading.Event()

    def answer(request):
        if request.path == "/token":
            number = next(numbers)
            body = json.dumps({"access_token": f"token-{number}"}).encode()
            return Answer(status=200, body=body)
        if request.headers["authorization"] == "Bearer token-1":
            if request.json()["id"] % 2:  # comes when the others are done with the second token
                return Answer(status=401, delay=0.3)
            return 401 if late.is_set() else late.set() or 201
        return 201

    numbers = itertools.count(1)
    with FakeApi(answer) as server:
        report, error = sent(server, 8, limits=Limits(concurrency=8))
    assert (report.delivered, error) == (8, None)
    assert next(numbers) == 3


def test_some_say_403_where_a_token_is_over():
    guarded = Guarded(life=50, status=403)
    with FakeApi(guarded) as server:
        report, error = sent(server, scheme=oauth(server, expired_status=(401, 403)))
    assert (report.delivered, error, len(guarded.issued)) == (100, None, 2)


def test_a_403_is_the_records_unless_the_scheme_says_otherwise():
    guarded = Guarded(then=lambda request: 403 if request.json()["id"] == 5 else 201)
    with FakeApi(guarded) as server:
        report, error = sent(server)
    assert (report.delivered, report.dead, error, len(guarded.issued)) == (99, 1, None, 1)


def test_tokens_are_for_batches_too_with_a_status_an_item():
    guarded = Guarded(life=5, then=Answer(status=207, body=b"x"))
    with FakeApi(guarded) as server:
        report, error = sent(
            server,
            100,
            body_format="json_array",
            batch_size=5,
            item_results=lambda answer: [201] * 5,
            limits=Limits(concurrency=2),
        )
    assert (report.delivered, error, len(guarded.issued)) == (100, None, 4)


def test_what_is_refused_for_its_token_keeps_its_place_in_the_order():
    guarded = Guarded(life=7)
    rows = [{"id": number, "who": number % 3} for number in range(60)]
    with FakeApi(guarded) as server:
        api = Api(server.url, auth=oauth(server), limits=Limits(concurrency=8))
        report = post_rows(rows, api, ordering_key="who")
        taken = [request.json() for request in server.received if request.path == "/records"]
    assert report.delivered == 60
    for who in range(3):
        ids = [row["id"] for row in taken if row["who"] == who]
        assert ids == sorted(ids)


# a token that does not help


@pytest.mark.parametrize("count", [1, 500])
def test_c19_a_new_token_that_is_refused_stops_the_run_and_nothing_is_dead(count):
    with FakeApi(Guarded(life=0)) as server:
        report, error = sent(server, count)
        asked = [request.path for request in server.received].count("/token")
    assert isinstance(error, AuthError)
    assert error.exit_code == 5
    assert "the API answered 401: it does not accept a new token" in str(error)
    assert (report.delivered, report.dead, report.pending) == (0, 0, report.records)
    assert asked == 1
    assert report.requests <= 8


def test_c19_so_does_one_in_the_middle_of_a_run():
    guarded = Guarded(life=50)

    def answer(request):
        if len(guarded.issued) == 2 and request.path == "/records":
            return 401
        return guarded(request)

    with FakeApi(answer) as server:
        report, error = sent(server)
    assert isinstance(error, AuthError)
    assert (report.delivered, report.dead, report.pending) == (50, 0, report.records - 50)
    assert len(guarded.issued) == 2


@pytest.mark.parametrize("scheme", [auth.Bearer("s3cret"), auth.Basic("me", "s3cret"), None])
def test_c19_constant_credentials_that_are_refused_stop_the_run(scheme):
    with FakeApi(401) as server:
        headers = {} if scheme else {"Authorization": "s3cret"}
        api = Api(server.url, auth=scheme, headers=headers)
        with pytest.raises(AuthError, match="does not accept the credentials of auth=") as caught:
            post_rows([{"id": 1}], api)
    assert (caught.value.exit_code, caught.value.report.pending) == (5, 1)
    assert "s3cret" not in str(caught.value)


def test_one_record_that_no_token_helps_ends_the_run_and_not_its_rest():
    def then(request):
        return 401 if request.json()["id"] == 5 else 201

    guarded = Guarded(then=then)
    with FakeApi(guarded) as server:
        report, error = sent(server, 2000)
    assert isinstance(error, AuthError)
    assert "for one request so 6 times" in str(error) or "with the one before" in str(error)
    assert (report.dead, report.delivered + report.pending) == (0, report.records)
    assert len(guarded.issued) <= 6


# the server of tokens


def body(status, value, **options):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Answer(status=status, body=text, **options)


NO_TOKEN = {
    "invalid_client": (body(401, {"error": "invalid_client"}), "401: invalid_client"),
    "invalid_scope": (body(400, {"error": "invalid_scope"}), "400: invalid_scope"),
    "403": (403, "the answer is 403"),
    "404": (404, "the answer is 404"),
    "a page": (body(200, b"<html>log in</html>"), "has no access_token"),
    "no token": (body(200, {"expires_in": 5}), "has no access_token"),
    "huge": (body(200, b'{"access_token": "' + b"x" * 10**6 + b'"}'), "has no access_token"),
    "endless": (
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", endless=b"x" * 9999),
        "has no access_token",
    ),
    "a redirect": (Answer(status=302, headers={"Location": "/other"}), "redirect to /other"),
    "a proxy": (407, "a proxy wants credentials"),
}


@pytest.mark.parametrize("case", NO_TOKEN)
def test_an_answer_that_is_no_token_stops_the_run_at_once(case):
    answer, words = NO_TOKEN[case]
    with FakeApi(Guarded(token=lambda number: answer)) as server:
        report, error = sent(server)
        assert [request.path for request in server.received] == ["/token"]
        assert str(error).startswith(f"no token from {server.url.removesuffix('/records')}/token: ")
    assert isinstance(error, AuthError)
    assert words in str(error)
    assert (error.exit_code, report.requests, report.pending) == (5, 0, report.records)


LATER = {
    "500": 500,
    "503": 503,
    "429": Answer(status=429, headers={"Retry-After": "0"}),
    "a reset": Answer(cut="reset"),
    "a close": Answer(raw=b"", cut="close"),
    "garbage": Answer(raw=b"what?\r\n\r\n", cut="close"),
    "a cut answer": Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1", cut="close"),
    "a hang": None,
}


@pytest.mark.parametrize("case", LATER)
def test_a_server_of_tokens_in_trouble_is_asked_again(case):
    def answer(request):
        if request.path == "/token" and not asked:
            asked.append(request)
            return LATER[case]
        return guarded(request)

    asked, guarded = [], Guarded()
    with FakeApi(answer) as server:
        timeout = 0.5 if case == "a hang" else LONG
        report, error = sent(server, request_timeout=timeout)
    assert (report.delivered, error, guarded.asked) == (100, None, 1)


@pytest.mark.parametrize("case", ["500", "a reset", "a hang"])
def test_one_that_stays_in_trouble_stops_the_run_after_a_few_tries(case):
    with FakeApi(lambda request: LATER[case]) as server:
        timeout = 0.1 if case == "a hang" else LONG
        report, error = sent(server, request_timeout=timeout)
        assert len(server.received) == 3
    assert type(error) is TransferError
    assert (error.exit_code, report.requests) == (4, 0)
    assert "/token" in str(error)
    assert "(tried 3 times)" in str(error)


def test_one_that_is_not_there_says_so():
    with FakeApi() as gone:
        pass
    scheme = auth.OAuth2ClientCredentials(gone.url, "me", "s3cret")
    with FakeApi() as server:
        _report, error = sent(server, scheme=scheme)
    assert f"cannot connect to 127.0.0.1 port {gone.port}" in str(error)
    assert (error.exit_code, server.received) == (4, [])


def test_a_long_retry_after_of_it_stops_the_run():
    later = Answer(status=429, headers={"Retry-After": "5000"})
    with FakeApi(lambda request: later) as server:
        _, error = sent(server)
        assert len(server.received) == 1
    assert "answered 429" in str(error)


def test_trouble_in_the_middle_of_a_run_is_waited_out():
    guarded = Guarded(life=30, token=lambda number: 503 if 1 < number < 20 else None)
    with FakeApi(guarded) as server:
        report, error = sent(server)
    assert (report.delivered, error) == (100, None)
    assert guarded.asked == 18 + len(guarded.issued)


def test_a_redirect_of_it_is_not_followed_and_the_secret_stays():
    with FakeApi() as elsewhere:
        away = Answer(status=307, headers={"Location": elsewhere.url})
        with FakeApi(Guarded(token=lambda number: away)) as server:
            _, error = sent(server)
        assert elsewhere.received == []
    assert isinstance(error, AuthError)


@pytest.fixture
def authority(tmp_path):
    """A private authority: what a server on loopback shows, and the file that trusts it."""
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    return context, {"ca": str(tmp_path / "ca.pem")}


def test_the_certificate_of_a_server_of_tokens_is_checked_as_the_apis_is(authority):
    context, tls = authority
    with FakeApi() as server, FakeApi(Guarded(), tls=context) as tokens:
        report, error = sent(server, 5, scheme=oauth(tokens), tls=tls)
        assert (report.delivered, error) == (5, None)
        report, error = sent(server, 5, scheme=oauth(tokens))
        assert (error.exit_code, report.delivered, len(tokens.received)) == (2, 0, 1)
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    assert f"port {tokens.port}" in str(error)


def test_each_server_gets_its_own_credentials_only():
    guarded = Guarded()
    with FakeApi() as server, FakeApi(guarded) as tokens:
        sent(server, 5, scheme=oauth(tokens))
        for request in server.received:
            assert request.headers["authorization"] == "Bearer token-1"
        (request,) = tokens.received
        pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic "))
    assert pair == b"me:s3cret"


# the end of a run that waits for a token


def test_a_deadline_ends_the_wait_for_a_token():
    with FakeApi(lambda request: None) as server:
        report, error = sent(server, budget=Budget(deadline=0.2), request_timeout=LONG)
    assert "deadline=0.2 s is over" in str(error)
    assert report.requests == 0


def test_an_interrupt_ends_it_too():
    def rows():
        yield {"id": 1}
        until(lambda: server.received)
        raise KeyboardInterrupt

    with FakeApi(lambda request: None) as server:
        began = time.monotonic()
        api = Api(server.url, auth=oauth(server), request_timeout=LONG)
        with pytest.raises(KeyboardInterrupt):
            post_rows(rows(), api, chunk_size=1)
        assert time.monotonic() - began < LONG
        until(lambda: not server.open_connections)


# schemes of users' own


class Hmac:
    """Signs method, path, moment and body."""

    def __init__(self, secret):
        self.secret = secret
        self.seen = []

    def sign(self, request):
        self.seen.append(request)
        moment = str(len(self.seen))
        return {"X-Moment": moment, "X-Signature": self.of(request, moment)}

    def of(self, request, moment):
        text = f"{request.method} {request.path}?{request.query} {moment} ".encode() + request.body
        return hmac.new(self.secret, text, hashlib.sha256).hexdigest()


def test_a_scheme_of_ones_own_signs_each_request_each_time():
    signer = Hmac(b"s3cret")

    def answer(request):
        url = f"http://h{request.path}"
        mine = Request(request.method, url, request.headers, request.body)
        good = signer.of(mine, request.headers["x-moment"]) == request.headers["x-signature"]
        if not good:
            return 403
        return 500 if request.attempt == 1 else 201

    with FakeApi(answer) as server:
        api = Api(f"{server.url}/{{id}}?a=b", auth=signer, method="{op}", retry=QUICK)
        rows = [{"id": f"ä/{n}", "op": "DELETE" if n % 2 else "PUT"} for n in range(20)]
        report = post_rows(rows, api, key="id")
        moments = {request.headers["x-moment"] for request in server.received}
    assert (report.delivered, report.retries) == (20, 20)
    assert len(moments) == 40
    seen = signer.seen[0]
    assert seen.url.startswith(f"{server.url}/%C3%A4%2F")
    assert seen.headers["Host"] == f"127.0.0.1:{server.port}"
    assert seen.headers["Content-Length"] == str(len(seen.body))
    assert len(seen.headers["Idempotency-Key"]) == 32


@pytest.mark.parametrize(
    ("added", "words"),
    [
        ({"X-A": "b\r\nX-C: d"}, "X-A holds a line break"),
        ({"X\r\nY": "b"}, "is no name of a header"),
        ({"Content-Length": "5"}, "Content-Length is set by rowferry itself"),
        ({"X-A": 5}, "X-A must be text"),
        ({"content-TYPE": "x"}, "content-TYPE is there already"),
    ],
)
def test_a_signature_that_could_break_the_head_is_refused(added, words):
    scheme = type("Mine", (), {"sign": lambda self, request: added})()
    with FakeApi() as server, pytest.raises(ConfigError, match=words):
        post_rows([{"id": 1}], Api(server.url, auth=scheme))
    assert server.received == []


def test_what_a_scheme_raises_ends_the_run():
    def sign(self, request):
        raise ZeroDivisionError

    scheme = type("Mine", (), {"sign": sign})()
    with FakeApi() as server, pytest.raises(ZeroDivisionError):
        post_rows([{"id": number} for number in range(9)], Api(server.url, auth=scheme))
    assert server.received == []


class Handshake:
    """Gets a token in two steps, and signs with what it learnt."""

    def __init__(self, url):
        self.url = url
        self.secret = ""

    def flow(self):
        first = yield Request("GET", f"{self.url}/nonce")
        nonce = first.json()["nonce"]
        second = yield Request("POST", f"{self.url}/session", {"X-Nonce": nonce}, b"me")
        self.secret = second.json()["secret"]
        return Token({"X-Session": second.header(b"x-session").decode()})

    def sign(self, request):
        return {"X-Signed": f"{self.secret}-{len(request.body)}"}


def test_a_flow_of_ones_own_may_ask_several_times_and_sign_with_what_it_learnt():
    def answer(request):
        if request.path == "/nonce":
            return body(200, {"nonce": f"n{request.number}"})
        if request.path == "/session":
            headers = {"X-Session": f"session-{request.headers['x-nonce']}"}
            return Answer(status=200, headers=headers, body=b'{"secret": "abc"}')
        signed = request.headers["x-signed"] == f"abc-{len(request.body)}"
        return 201 if signed and request.headers["x-session"] == "session-n0" else 401

    with FakeApi(answer) as server:
        scheme = Handshake(server.url.removesuffix("/records"))
        report, error = sent(server, scheme=scheme)
    assert (report.delivered, error) == (100, None)
    assert [request.method for request in server.received[:2]] == ["GET", "POST"]
    assert server.received[1].body == b"me"


def returning(value):
    def flow(self):
        return value
        yield

    return type("Mine", (), {"flow": flow})()


def yielding(value):
    def flow(self):
        yield value

    return type("Mine", (), {"flow": flow})()


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        (type("Mine", (), {"flow": lambda self: 5})(), "its flow must be a generator, not int"),
        (returning(None), "auth: its flow must return a Token, not NoneType"),
        (returning("token"), "auth: its flow must return a Token, not str"),
        (yielding("http://h/"), "auth: its flow must yield Requests, not str"),
        (yielding(Request("POST", "http://h/")), "credentials would go unencrypted to h"),
        (yielding(Request("POST", "ftp://h/")), "must begin with http"),
        (yielding(Request("PO ST", "http://127.0.0.1:1/")), "method must be an HTTP method"),
        (
            yielding(Request("POST", "http://127.0.0.1:1/", {"a": "b\r\n"})),
            "a holds a line break",
        ),
    ],
)
def test_a_flow_that_is_none_is_said_to_be(scheme, words):
    with FakeApi() as server, pytest.raises(ConfigError, match=words):
        post_rows([{"id": 1}], Api(server.url, auth=scheme))
    assert server.received == []


def test_a_flow_is_closed_however_it_ends():
    closed = []

    def flow(self):
        try:
            yield Request("POST", f"{server.url}/token")
        finally:
            closed.append(True)

    scheme = type("Mine", (), {"flow": flow})()
    with FakeApi(lambda request: None) as server:
        _, error = sent(server, scheme=scheme, budget=Budget(deadline=0.1))
    assert "deadline" in str(error)
    assert closed == [True]


def test_secrets_that_an_answer_repeats_are_not_shown():
    token = "t0p-s3cret-t0ken"

    def answer(request):
        if request.path == "/token":
            return body(200, {"access_token": token})
        said = f"{request.headers['authorization']} {token}".encode()
        return Answer(status=400, body=said)

    with FakeApi(answer) as server, pytest.raises(RejectedError) as caught:
        post_rows([{"id": 1}], Api(server.url, auth=oauth(server)))
    assert token not in f"{caught.value} {caught.value.answer} {caught.value.args}"
    assert "***" in caught.value.answer


def test_a_token_of_before_that_a_late_answer_repeats_is_not_shown_either():
    def then(request):
        said = b" ".join(b"token-%d" % number for number in range(1, len(guarded.issued) + 1))
        return Answer(status=422, body=said) if request.json()["id"] % 2 else 201

    failed, guarded = [], Guarded(life=2, then=then)
    with FakeApi(guarded) as server:
        api = Api(server.url, auth=oauth(server), limits=Limits(concurrency=1))
        post_rows([{"id": n} for n in range(6)], api, on_error=failed.extend)
    assert len(failed) == 3
    assert not any("token-" in error.answer for _, error in failed)


def test_a_token_takes_the_place_of_a_header_of_its_name():
    scheme = type("Mine", (), {"flow": returning(Token({"X-Key": "new"})).flow.__func__})()
    with FakeApi() as server:
        post_rows([{"id": 1}], Api(server.url, auth=scheme, headers={"x-key": "old"}))
        (request,) = server.received
    assert request.headers["x-key"] == "new"


def test_a_column_and_a_token_go_together():
    guarded = Guarded(life=20)
    with FakeApi(guarded) as server:
        api = Api(f"{server.url}/{{id}}", auth=oauth(server), method="PUT")
        shape = per_row(lambda row: {"name": "x"})
        report = post_rows([{"id": n} for n in range(100)], api, transform=shape)
        paths = {request.path for request in server.received} - {"/token"}
    assert report.delivered == 100
    assert len(paths) == 100

"""
F9: a canary in every place that holds a secret, and every fault there is: none of them sings.

Each run has its credentials, a header, a query and rows with a word of their own. The API answers
with all that it knows of the request, as bad ones do. Whatever rowferry shows afterwards (output,
logs at DEBUG, exceptions with their notes and causes, reports, progress) has none of these words,
percent-encoded or in base64 neither. Rows are in `FailedRow.row`, and nowhere else.
"""

import base64
import binascii
import json
import logging
import re
import traceback
from urllib.parse import quote, quote_plus, unquote_plus

import pytest

import test_faults
from rowferry import Api, Limits, Retry, auth, log_to_console, post_rows
from rowferry.exceptions import RowferryError
from rowferry.testing import Answer, FakeApi
from scripted import LONG, until

QUERY, HEADER, USER, PASSWORD = "c4nary/query", "c4nary=header+", "c4nary-user", "c4nary:päss/"
TOKEN, KEY, CLIENT, ROW = "c4nary.token~", "c4nary&key%", "c4nary+client/", "c4nary row"
ISSUED, FURTHER = "c4nary-issued-", "c4nary further"
CANARY = "c4nary"
QUICK = Retry(max_retries=2, initial_backoff=0.001, max_backoff=0.01, max_retry_age=0.1)


def in_url(base):
    place = f"{quote(USER)}:{quote(PASSWORD, safe='')}@"
    return {"url": base.replace("://", f"://{place}")}


def oauth(base):
    client = ("me", CLIENT)
    url = base.removesuffix("/records") + "/token"
    scheme = auth.OAuth2ClientCredentials(url, *client, further={"audience": FURTHER})
    return {"url": base, "auth": scheme}


SCHEMES = {
    "user in url": in_url,
    "basic": lambda url: {"url": url, "auth": auth.Basic(USER, PASSWORD)},
    "user alone": lambda url: {"url": url, "auth": auth.Basic(USER)},
    "bearer": lambda url: {"url": url, "auth": auth.Bearer(TOKEN)},
    "key": lambda url: {"url": url, "auth": auth.ApiKey(KEY)},
    "key in query": lambda url: {"url": url, "auth": auth.ApiKey(KEY, query="key")},
    "oauth": oauth,
}


def said(request):
    """Give all that the API knows of a request but its rows, in every form."""
    words = [*request.headers.values(), request.path.partition("?")[2]]
    words += [unquote_plus(word.partition("=")[2]) for word in words[-1].split("&")]
    words += [word.partition(" ")[2] for word in words]
    raw = " ".join(words).encode("latin-1")
    written = [*words, *map(quote, words), *map(quote_plus, words)]
    based = [base64.b64encode(word.encode("utf-8")).decode() for word in words]
    return " ".join([*written, *based, json.dumps(written)]).encode() + raw


def telling(answer, request):
    """Let an answer tell what the API knows, in body and headers, where it has any of its own."""
    answer = Answer(status=answer) if isinstance(answer, int) else answer
    if answer is None or answer.raw is not None or answer.drip or answer.body:
        return answer
    secret = request.path.partition("?")[2].replace("/", "%2F")
    headers = {"X-Told": secret, **answer.headers}
    if "Location" in headers:
        headers["Location"] = f"/elsewhere?{secret}"
    return Answer(
        status=answer.status, headers=headers, body=said(request), cut=answer.cut, drip=answer.drip
    )


def token(request, number):
    text = json.dumps({"access_token": f"{ISSUED}{number}"}).encode()
    return Answer(status=200, body=text)


def run(answer, scheme, *, timeout=LONG, retry=QUICK):
    """Send rows past the canaries; give all that came of it."""

    def behave(request):
        if request.path == "/token":
            return token(request, request.number)
        reply = answer(request) if callable(answer) else answer
        return telling(reply, request)

    events, failed = [], []
    with FakeApi(behave) as server:
        options = SCHEMES[scheme](f"{server.url}/{{name}}?q={quote(QUERY, safe='')}")
        if scheme == "oauth":
            options["auth"] = oauth(server.url)["auth"]
        api = Api(
            **options,
            headers={"X-Mine": HEADER},
            retry=retry,
            limits=Limits(max_in_flight=4),
            request_timeout=timeout,
        )
        rows = [{"id": number, "name": f"{ROW} {number}"} for number in range(6)]
        try:
            shown = [post_rows(rows, api, key="id", on_error=failed.extend, progress=events.append)]
        except RowferryError as error:
            shown = [error, error.report]
        until(lambda: not server.open_connections)
        sent = b" ".join(
            f"{request.path} {request.headers}".encode() for request in server.received
        )
    assert b"c4nary" in sent
    for row, _ in failed:
        assert row["name"].startswith(ROW)
    return [api, *shown, *events, *(error for _, error in failed)]


def words_of(value, seen=None):
    """Give everything that people or programs can read of a value."""
    seen = set() if seen is None else seen
    if value is None or id(value) in seen:
        return
    seen.add(id(value))
    yield str(value)
    yield repr(value)
    if isinstance(value, BaseException):
        yield from traceback.format_exception(value)
        yield from map(repr, value.args)
        yield from getattr(value, "__notes__", ())
        yield repr({name: each for name, each in vars(value).items() if name != "report"})
        for other in (value.__cause__, value.__context__, getattr(value, "report", None)):
            yield from words_of(other, seen)


def sings(text):
    """Tell whether a canary is in a text, also percent-encoded or in base64."""
    if CANARY in text or CANARY in unquote_plus(text):
        return True
    for run in re.findall(r"[-\w+/]{8,}", text, re.ASCII):
        plain = run.replace("-", "+").replace("_", "/")
        for start in range(4):
            part = plain[start:]
            part = part[:-1] if len(part) % 4 == 1 else part
            try:
                decoded = base64.b64decode(part + "=" * (-len(part) % 4))
            except binascii.Error:
                continue
            if CANARY.encode() in decoded:
                return True
    return False


def test_the_test_hears_a_canary():
    for text in ("x c4nary", quote("ä c4nary"), base64.b64encode(b"abc4nary").decode()):
        assert sings(text)
        assert sings(f"{{'Authorization': 'Basic {text}'}}")
    assert not sings("the API answered 401")


@pytest.fixture
def nothing_sings(caplog, capfd, tmp_path, monkeypatch):
    """Listen to all output, to logs at DEBUG, and for files."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    log_to_console(logging.DEBUG)

    def listen(values):
        texts = [text for value in values for text in words_of(value)]
        out, err = capfd.readouterr()
        texts += [out, err, *(record.getMessage() for record in caplog.records)]
        texts += [repr(record.__dict__) for record in caplog.records]
        assert [text for text in texts if sings(text)] == []
        assert list(tmp_path.iterdir()) == []

    yield listen
    for handler in list(logging.getLogger("rowferry").handlers):
        if handler.__class__.__name__ == "_ConsoleHandler":
            logging.getLogger("rowferry").removeHandler(handler)


FAULTS = {
    **{case: test_faults.first_time(fault) for case, (fault, _) in test_faults.ONCE.items()},
    **{f"{case}, always": fault for case, (fault, _) in test_faults.ONCE.items()},
    **test_faults.TAKEN,
    **{case: answer for case, (answer, _, _) in test_faults.STOPS.items()},
    **{f"C21 {status}": status for status in (400, 403, 409, 413, 422)},
}
SLOW = ("C12", "C13")


@pytest.mark.parametrize(
    ("case", "scheme"),
    [(case, list(SCHEMES)[number % len(SCHEMES)]) for number, case in enumerate(FAULTS)],
)
def test_f9_no_fault_makes_a_secret_heard(case, scheme, nothing_sings):
    if case.startswith(SLOW):
        nothing_sings(
            run(FAULTS[case], scheme, timeout=0.1, retry=Retry(max_retries=0, max_retry_age=0))
        )
    else:
        nothing_sings(run(FAULTS[case], scheme))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("status", [401, 400, 302, 201, 500])
def test_f9_no_scheme_is_heard_whatever_is_answered(status, scheme, nothing_sings):
    answer = Answer(status=302, headers={"Location": "/x"}) if status == 302 else status
    nothing_sings(run(answer, scheme))


TOKEN_ANSWERS = {
    "invalid_client": lambda told: Answer(
        status=401,
        body=json.dumps({"error": "invalid_client", "error_description": told}).encode(),
    ),
    "garbage": lambda told: Answer(raw=told.encode() + b"\r\n\r\n", cut="close"),
    "a page": lambda told: Answer(status=200, body=told.encode()),
    "a type": lambda told: Answer(
        status=200, body=json.dumps({"access_token": ISSUED, "token_type": told}).encode()
    ),
    "a token that is none": lambda told: Answer(
        status=200, body=json.dumps({"access_token": f"{ISSUED}\r\n"}).encode()
    ),
    "a redirect": lambda told: Answer(status=302, headers={"Location": f"/x?{quote(told)}"}),
    "a header": lambda told: Answer(
        raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + quote(told).encode() + b"\r\n\r\n",
        cut="close",
    ),
    "500": lambda told: Answer(status=500, body=told.encode()),
    "nothing": lambda told: Answer(cut="reset"),
}


@pytest.mark.parametrize("case", TOKEN_ANSWERS)
def test_f9_nothing_that_a_server_of_tokens_repeats_is_heard(case, nothing_sings):
    with FakeApi(lambda request: TOKEN_ANSWERS[case](f"{CLIENT} {FURTHER}")) as server:
        api = Api(**oauth(server.url), retry=QUICK)
        with pytest.raises(RowferryError) as caught:
            post_rows([{"id": 1, "name": ROW}], api)
    nothing_sings([api, caught.value])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (float("nan"), {}),
        ([ROW], {}),
        (f"{ROW}/..", {}),
        (f"{ROW}\r\n", {"headers": {"X-Name": "{name}"}}),
        (f"{ROW}\ud800", {}),
        (b"c4nary", {}),
        (f"{ROW}", {"method": "{name}"}),
        ({"x": ROW}, {"body_format": "form"}),
    ],
)
def test_f9_a_record_that_cannot_be_sent_is_not_quoted(name, options, nothing_sings):
    failed = []
    with FakeApi() as server:
        api = Api(f"{server.url}/{{name}}", **options)
        post_rows([{"id": 1, "name": name}], api, key="id", on_error=failed.extend)
        assert server.received == []
    nothing_sings([api, failed[0].exception])


MISTAKES = [
    lambda: Api(f"http://{CANARY}:{CANARY}@h/"),
    lambda: Api(f"http://{CANARY}:{CANARY}@h:port/"),
    lambda: Api(f"https://{CANARY}:{CANARY}@h/", auth=auth.Bearer(CANARY)),
    lambda: Api("http://h/", headers={"X-Key": f"{CANARY}{{"}),
    lambda: Api("http://h/", headers={"X-Key": f"{CANARY}\r\n"}),
    lambda: Api("http://h/", headers={"Authorization": CANARY}),
    lambda: Api("http://h/", auth=CANARY),
    lambda: Api("http://h/", auth=(CANARY, CANARY)),
    lambda: Api(f"http://h/?key={CANARY}{{"),
    lambda: Api("http://h/", auth=auth.Bearer(CANARY)),
    lambda: auth.Bearer(f"{CANARY}\n"),
    lambda: auth.Basic(f"{CANARY}:x"),
    lambda: auth.OAuth2ClientCredentials(f"ftp://h/?{CANARY}", "me", CANARY),
    lambda: auth.OAuth2ClientCredentials(f"https://h/?{CANARY}", "me", f"{CANARY} "),
]


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_f9_no_mistake_in_the_options_quotes_a_secret(number, nothing_sings):
    with pytest.raises(RowferryError) as caught:
        MISTAKES[number]()
    # pytest's own frames hold the source of the test, which names the canary
    nothing_sings([caught.value.with_traceback(None)])

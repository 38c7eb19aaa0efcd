"""Schemes of authentication as values: what they send, and what is wrong with them. No I/O."""

import base64
import json

import pytest

from rowferry import Api, auth
from rowferry.auth import Request, Token
from rowferry.batches import Response
from rowferry.exceptions import AuthError, ConfigError
from rowferry.redaction import Redaction

HEADER = {
    "Basic": (auth.Basic("me", "pä:ss"), "Authorization", "Basic bWU6cMOkOnNz"),
    "Basic, a user alone": (auth.Basic("sk_1"), "Authorization", "Basic c2tfMTo="),
    "Bearer": (auth.Bearer("t0ken"), "Authorization", "Bearer t0ken"),
    "ApiKey": (auth.ApiKey("k3y"), "X-API-Key", "k3y"),
    "ApiKey of another name": (auth.ApiKey("k3y", header="X-Mine"), "X-Mine", "k3y"),
}


@pytest.mark.parametrize("case", HEADER)
def test_a_scheme_is_a_header_of_every_request(case):
    scheme, name, value = HEADER[case]
    api = Api("https://h/x", auth=scheme)
    assert f"\r\n{name}: {value}\r\n".encode() in api.head
    assert dict(scheme.headers) == {name: value}


def test_a_key_may_be_a_parameter_of_the_url():
    key = auth.ApiKey("k3y&/ä", query="api key")
    assert b"POST /x?api%20key=k3y%26%2F%C3%A4 HTTP" in Api("https://h/x", auth=key).head
    assert b"POST /x?a=b&api%20key=k3y%26%2F%C3%A4 H" in Api("https://h/x?a=b", auth=key).head
    assert b"X-API-Key" not in Api("https://h/x", auth=key).head


def test_a_key_in_the_url_goes_with_columns():
    key = auth.ApiKey("100%{k3y}", query="key")
    templates = Api("https://h/{id}", auth=key).templates
    assert templates.render([{"id": 1}]).lines == [b"POST /1?key=100%25%7Bk3y%7D HTTP/1.1"]


# what cannot work


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: auth.Bearer(None), "Bearer: token must be text, not NoneType"),
        (lambda: auth.Bearer(b"s3cret"), "Bearer: token must be text, not bytes"),
        (lambda: auth.Bearer(""), "Bearer: token is empty; is the variable set"),
        (lambda: auth.Bearer("s3cret\n"), "Bearer: token has a line break or blanks around it"),
        (lambda: auth.Bearer("s3cret\r\nX: y"), "Bearer: token has a line break"),
        (lambda: auth.Bearer("s3\ud800"), "Bearer: token has a line break"),
        (lambda: auth.ApiKey(" s3cret"), "ApiKey: value has a line break or blanks"),
        (lambda: auth.ApiKey("s3cret", header="a b"), "'a b' is no name of a header"),
        (lambda: auth.ApiKey("s3cret", header="Host"), "Host is set by rowferry itself"),
        (lambda: auth.ApiKey("s3cret", query=""), "ApiKey: query must be the name of a parameter"),
        (lambda: auth.ApiKey("s3€"), "X-API-Key holds"),
        (lambda: auth.Basic("", "s3cret"), "Basic: user is empty"),
        (lambda: auth.Basic("me:s3", "x"), "Basic: user holds a colon"),
        (lambda: auth.Basic("me", None), "Basic: password must be text"),
        (lambda: auth.Basic("me", "s3\ncret"), "Basic: password holds a line break"),
        (lambda: auth.Basic("me", "s3\ud800"), "Basic: password holds a line break"),
        (lambda: auth.OAuth2ClientCredentials("x", "i", "s3"), "token_url: must begin with http"),
        (
            lambda: auth.OAuth2ClientCredentials("https://a:s3@h/", "i", "s3"),
            "token_url: holds a user or password",
        ),
        (lambda: auth.OAuth2ClientCredentials("https://h/", "", "s3"), "client_id is empty"),
        (lambda: auth.OAuth2ClientCredentials("https://h/", "i", None), "client_secret must be"),
        (lambda: auth.OAuth2ClientCredentials("https://h/", "i", "s3", 5), "scope must be text"),
        (
            lambda: auth.OAuth2ClientCredentials("https://h/", "i", "s3", client_auth="x"),
            "client_auth must be 'basic' or 'body', not 'x'",
        ),
        (
            lambda: auth.OAuth2ClientCredentials("https://h/", "i", "s3", further=["s3"]),
            "further must be a mapping, not list",
        ),
        (lambda: Token({"Authorization": "s3\r\n"}), "headers: Authorization holds a line break"),
    ],
)
def test_a_scheme_that_cannot_work_is_refused_and_its_secret_not_shown(make, words):
    with pytest.raises(ConfigError) as caught:
        make()
    assert words in str(caught.value)
    assert "s3" not in str(caught.value)


def refusal(url="https://h/", **options):
    with pytest.raises(ConfigError) as caught:
        Api(url, **options)
    return str(caught.value)


@pytest.mark.parametrize("scheme", ["Bearer s3cret", 5, ("me", "s3cret"), object()])
def test_what_is_no_scheme_is_refused_and_not_shown(scheme):
    said = refusal(auth=scheme)
    assert said.startswith("auth must be a scheme of rowferry.auth, or an object that has one of ")
    assert said.endswith(f"not {type(scheme).__name__}")


def scheme_with(**members):
    return type("Mine", (), members)()


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        (auth.Bearer, "auth must be a scheme, such as auth.Bearer(…), not <class"),
        (scheme_with(headers=None), "auth: its headers must be a mapping, not NoneType"),
        (scheme_with(headers=dict), "auth: its headers must be a mapping, not type"),
        (scheme_with(headers={"X": 5}), "auth: its headers must be texts by their names"),
        (scheme_with(headers={"a b": "s3"}), "'a b' is no name of a header"),
        (scheme_with(headers={"X": "s3\n"}), "X holds a line break"),
        (scheme_with(parameters=["s3"]), "auth: its parameters must be a mapping, not list"),
        (scheme_with(parameters={"a": None}), "auth: its parameters must be texts by their names"),
    ],
)
def test_a_scheme_of_ones_own_that_cannot_work_is_refused(scheme, words):
    said = refusal(auth=scheme)
    assert words in said
    assert "s3" not in said


@pytest.mark.parametrize("statuses", [401, (200,), (), "401", None])
def test_expired_status_is_a_collection_of_statuses(statuses):
    words = "auth: its expired_status must be a collection of statuses, 400 to 599"
    oauth = auth.OAuth2ClientCredentials("https://h/", "i", "s3", expired_status=statuses)
    assert words in refusal(auth=oauth)
    assert words in refusal(auth=scheme_with(headers={}, expired_status=statuses))


def test_tokens_have_one_place():
    scheme = auth.OAuth2ClientCredentials("https://h/", "i", "s3cret")
    assert refusal(auth=scheme, headers={"authorization": "mine"}) == (
        "headers: Authorization is what auth= sets, with its tokens"
    )


def test_a_scheme_of_ones_own_may_have_constant_headers_and_parameters():
    api = Api("https://h/x", auth=scheme_with(headers={"X-A": "b"}, parameters={"c": "d e"}))
    assert api.head.startswith(b"POST /x?c=d%20e HTTP/1.1")
    assert b"\r\nX-A: b\r\n" in api.head
    assert api.redact("got d e, d%20e, b") == "got ***, ***, b"


def test_credentials_have_one_place():
    both = "Authorization is what auth= or the user in url sets"
    assert both in refusal(auth=auth.Bearer("a"), headers={"authorization": "b"})
    assert both in refusal("https://me:pw@h/", headers={"Authorization": "b"})
    assert "one is enough" in refusal("https://me:pw@h/", auth=auth.Bearer("a"))


# F4: a user in the URL


@pytest.mark.parametrize(
    ("url", "pair"),
    [
        ("https://me:pass@h:8080/x?a=b", "me:pass"),
        ("https://myself@h:8080/x?a=b", "myself:"),
        ("https://m%40e:p%3Aa%2Fs@h:8080/x?a=b", "m@e:p:a/s"),
        ("  https://me:p%7Bw%7D@h:8080/x?a=b\n", "me:p{w}"),
        ("https://me:p@ss@h:8080/x?a=b", "me:p@ss"),
    ],
)
def test_f4_a_user_in_the_url_is_sent_as_basic_and_never_shown(url, pair):
    api = Api(url)
    assert api.head.startswith(b"POST /x?a=b HTTP/1.1\r\nHost: h:8080\r\n")
    assert f"\r\nAuthorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n" in (
        api.head.decode()
    )
    user, _, password = pair.partition(":")
    for shown in (str(api), repr(api), str(api.endpoint)):
        assert not any(part and part in shown for part in ("me:", "m@e", password))
    assert (password or user) not in api.redact(f"got {pair} for it")
    assert str(api) == "POST https://h:8080/x?…"


def test_f4_it_goes_with_columns():
    api = Api("https://me:pass@h/{id}")
    assert str(api) == "POST https://h/{id}"
    assert b"\r\nAuthorization: Basic bWU6cGFzcw==\r\n" in api.head


def test_f4_a_brace_in_a_password_has_to_be_encoded():
    said = refusal("https://me:s3{cret}@h/")
    assert said == "url has a brace before its path: the host never comes from a record"


# F5: in the open

CREDENTIALS = {
    "auth": {"auth": auth.Bearer("s3cret")},
    "a key in the query": {"auth": auth.ApiKey("s3cret", query="key")},
    "a header": {"headers": {"authorization": "s3cret"}},
    "a header with a column": {"headers": {"Authorization": "Bearer {token}"}},
    "a signature": {"auth": type("Mine", (), {"sign": lambda self, request: {}})()},
}


@pytest.mark.parametrize("case", CREDENTIALS)
@pytest.mark.parametrize("host", ["h", "10.0.0.1", "[fe80::1]", "localhost.example", "127.0.0.1.x"])
def test_f5_credentials_do_not_go_unencrypted_to_another_machine(case, host):
    said = refusal(f"http://{host}/", **CREDENTIALS[case])
    assert "credentials would go unencrypted to " in said
    assert "use https://, or allow_plain_http=True" in said
    assert "s3cret" not in said
    assert Api(f"http://{host}/", allow_plain_http=True, **CREDENTIALS[case])
    assert Api(f"https://{host}/", **CREDENTIALS[case])


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_f5_they_may_within_this_machine(host):
    assert Api(f"http://{host}:1/", auth=auth.Bearer("x"))


def test_f5_a_user_in_the_url_is_one():
    assert "unencrypted to h" in refusal("http://me:s3cret@h/")
    assert Api("http://me:s3cret@h/", allow_plain_http=True)


def test_f5_the_secret_of_a_client_is_one():
    scheme = auth.OAuth2ClientCredentials("http://idp/token", "id", "s3cret")
    assert refusal(auth=scheme).startswith("token_url: credentials would go unencrypted to idp")
    assert Api("https://h/", auth=scheme, allow_plain_http=True)


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_f5_allow_plain_http_is_a_bool(value):
    assert "allow_plain_http must be a bool" in refusal(allow_plain_http=value)


# OAuth 2.0: a test is next() and send()


def token_request(**options):
    scheme = auth.OAuth2ClientCredentials("https://idp/token", "i d", "s3:cret/", **options)
    return next(scheme.flow())


def test_a_client_says_who_it_is_in_a_header():
    request = token_request(scope="read write")
    assert (request.method, request.url) == ("POST", "https://idp/token")
    assert request.body == b"grant_type=client_credentials&scope=read+write"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    pair = base64.b64decode(request.headers["Authorization"].removeprefix("Basic "))
    assert pair == b"i+d:s3%3Acret%2F"


def test_or_in_the_body_with_further_parameters():
    request = token_request(client_auth="body", further={"audience": "https://h/"})
    assert "Authorization" not in request.headers
    assert request.body == (
        b"grant_type=client_credentials&client_id=i+d&client_secret=s3%3Acret%2F"
        b"&audience=https%3A%2F%2Fh%2F"
    )


def answered(body, status=200, **options):
    """Let a token request be answered; give the token."""
    flow = auth.OAuth2ClientCredentials("https://idp/token", "id", "s3cret", **options).flow()
    next(flow)
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(StopIteration) as end:
        flow.send(Response(status, (), text))
    return end.value.value


@pytest.mark.parametrize("kind", [{}, {"token_type": "Bearer"}, {"token_type": "BEARER"}])
def test_a_token_is_a_header(kind):
    token = answered({"access_token": "t0ken", "expires_in": 3600, **kind})
    assert token == Token({"Authorization": "Bearer t0ken"}, 3600.0)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        *[(3600, 3600.0), ("3600", 3600.0), (0.5, 0.5), (10**30, 1e30)],
        *[(value, None) for value in (0, -5, "soon", "", True, [], {}, None, "nan", "inf")],
    ],
)
def test_a_life_that_makes_no_sense_is_not_known(given, seconds):
    assert answered({"access_token": "t", "expires_in": given}).expires_in == seconds


NO_TOKEN = [
    (b"", 200, "the answer 200 has no access_token"),
    (b"<html>log in</html>", 200, "the answer 200 has no access_token"),
    (b'{"access_token": "cut', 200, "has no access_token"),
    (b"\xff\xfe", 200, "has no access_token"),
    ([], 200, "has no access_token"),
    ({}, 200, "has no access_token"),
    ({"access_token": ""}, 200, "has no access_token"),
    ({"access_token": 5}, 200, "has no access_token"),
    ({"access_token": "t\r\nX: y"}, 200, "has no access_token"),
    ({"access_token": "t x"}, 200, "has no access_token"),
    ({"access_token": "tä"}, 200, "has no access_token"),
    ({"error": "slow_down"}, 200, "has no access_token: slow_down"),
    ({"access_token": "t", "token_type": "mac"}, 200, "it is of the type 'mac'"),
    ({"access_token": "t", "token_type": ["x"]}, 200, "it is of the type ['x']"),
    ({"access_token": "t"}, 204, "the answer is 204"),
    ({"error": "invalid_client"}, 401, "the answer is 401: invalid_client (are client_id and "),
    (
        {"error": "invalid_scope", "error_description": "no such scope"},
        400,
        "the answer is 400: invalid_scope: no such scope",
    ),
    ({"error": ["x"], "error_description": "a\nb"}, 400, "the answer is 400"),
    (b"not found", 404, "the answer is 404"),
]


@pytest.mark.parametrize(("body", "status", "words"), NO_TOKEN)
def test_an_answer_without_a_token_is_an_error_that_says_what_came(body, status, words):
    with pytest.raises(AuthError) as caught:
        answered(body, status)
    assert caught.value.exit_code == 5
    assert str(caught.value).startswith("no token from https://idp/token: ")
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_hint_at_the_body_is_given_once_it_may_help():
    with pytest.raises(AuthError) as caught:
        answered({"error": "invalid_client"}, 401, client_auth="body")
    assert "client_auth" not in str(caught.value)


# what is shown

SECRETS = [
    auth.Basic("s3user", "s3cret"),
    auth.Basic("s3cret"),
    auth.Bearer("s3cret"),
    auth.ApiKey("s3cret"),
    auth.ApiKey("s3cret", query="key"),
    auth.OAuth2ClientCredentials("https://idp/t?x=s3", "s3id", "s3cret", further={"a": "s3"}),
    Token({"Authorization": "s3cret"}),
    Request("POST", "https://h/x?key=s3cret", {"Authorization": "s3cret"}, b"s3cret"),
]


@pytest.mark.parametrize("value", SECRETS, ids=lambda value: type(value).__name__)
def test_no_secret_is_shown(value):
    for shown in (repr(value), str(value), f"{value}", f"{[value]}"):
        assert "s3" not in shown
        assert type(value).__name__ in shown


@pytest.mark.parametrize("scheme", SECRETS[:6], ids=lambda value: type(value).__name__)
def test_no_secret_of_a_scheme_is_shown_by_its_api(scheme):
    api = Api("https://h/", auth=scheme)
    assert "s3" not in f"{api} {api!r}"


def test_secrets_are_blotted_out_in_every_form_of_them():
    secret = 'a"b/c+d é'
    blot = Redaction([secret])
    raw = secret.encode()
    forms = [
        *(secret, json.dumps(secret)[1:-1], "a%22b%2Fc%2Bd%20%C3%A9", "a%22b%2Fc%2Bd+%C3%A9"),
        *("a%22b/c%2Bd%20%C3%A9", base64.b64encode(raw).decode()),
        *(base64.urlsafe_b64encode(raw).decode(), base64.b64encode(raw).decode().rstrip("=")),
    ]
    for form in forms:
        assert blot(f"<{form}>").rstrip("=>") == "<***"


def test_the_longest_secret_goes_first_and_short_ones_guard_nothing():
    assert Redaction(["abc", "abcdef"])("abcdef abc ab") == "*** *** ab"
    assert Redaction(["ab", "", "x"])("ab x") == "ab x"


def test_what_a_request_is_made_of():
    request = Request("POST", "https://h:81/a%2Fb?c=d&e")
    assert (request.host, request.path, request.query) == ("h:81", "/a%2Fb", "c=d&e")

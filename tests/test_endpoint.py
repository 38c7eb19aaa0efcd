"""Where requests go and what stands at their head; bad input, each."""

import ssl
import string

import httptools
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from rowferry import Api
from rowferry.exceptions import ConfigError
from rowferry.formats import FORMATS
from rowferry.http.endpoint import parse_url, request_head


def head_of(api):
    """Read the head of *api*'s requests as a server does: method, target, headers."""
    seen = []

    class Seen:
        def on_url(self, url):
            seen.append(url.decode())

        def on_header(self, name, value):
            seen.append((name.decode(), value.decode("latin-1")))

    parser = httptools.HttpRequestParser(Seen())
    parser.feed_data(api.head + b"0\r\n\r\n")
    return parser.get_method().decode(), seen[0], seen[1:]


def refusal(**options):
    with pytest.raises(ConfigError) as caught:
        Api(**{"url": "http://h/"} | options)
    return str(caught.value)


# URLs


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "target"),
    [
        ("http://h", "h", 80, "h", "/"),
        ("https://h", "h", 443, "h", "/"),
        ("HTTP://H:8080/a/b?c=d", "h", 8080, "h:8080", "/a/b?c=d"),
        ("http://h:/x", "h", 80, "h", "/x"),
        ("http://h?c", "h", 80, "h", "/?c"),
        ("http://h/x#fragment", "h", 80, "h", "/x"),
        ("http://[::1]:9200/x", "::1", 9200, "[::1]:9200", "/x"),
        ("http://[fe80::1%eth0]/x", "fe80::1%eth0", 80, "[fe80::1%eth0]", "/x"),
        ("http://127.0.0.1:1/x", "127.0.0.1", 1, "127.0.0.1:1", "/x"),
        ("http://my_host-1.example/x", "my_host-1.example", 80, "my_host-1.example", "/x"),
        ("http://bücher.example/ä b?ü", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", None),
        ("  http://h/x\n", "h", 80, "h", "/x"),
    ],
)
def test_a_url_says_where_to(url, host, port, authority, target):
    endpoint = parse_url(url)
    assert (endpoint.host, endpoint.port, endpoint.authority) == (host, port, authority)
    assert endpoint.target == (target or "/%C3%A4%20b?%C3%BC")
    assert endpoint.tls is url.startswith("https")


def test_what_is_encoded_already_stays_as_it_is():
    assert parse_url("http://h/a%2Fb%20c?d=%41&e=f+g").target == "/a%2Fb%20c?d=%41&e=f+g"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "must begin with http:// or https://"),
        ("h/records", "must begin with http:// or https://"),
        ("localhost:9200/x", "must begin with http:// or https://"),
        ("ftp://h/", "must begin with http:// or https://"),
        ("file:///etc/passwd", "must begin with http:// or https://"),
        ("postgresql://h/db", "must begin with http:// or https://"),
        ("http://", "no host"),
        ("http:///records", "no host"),
        ("http://:80/", "no host"),
        ("http://h:0/", "port 0"),
        ("http://h:65536/", "cannot be read"),
        ("http://h:http/", "cannot be read"),
        ("http://[::1/", "cannot be read"),
        ("http://a b/", "no name"),
        ("http://a\0b/", "no name"),
        ("http://a\x1fb/", "no name"),
        ("http://h%0d%0aX:y/", "cannot be read"),
        ("http://h%0d%0a/", "no name"),
        ("http://..ä/", "no name"),
        ("http://a..b/", "no name"),
        ("http://.a/", "no name"),
        ("http://" + "a" * 64 + "/", "no name"),
        ("http://h." + "a" * 64 + ".example/", "no name"),
        ("http://" + "ä" * 80 + "/", "no name"),
        (None, "must be text, not NoneType"),
        (b"http://h/", "must be text, not bytes"),
    ],
)
def test_a_url_that_cannot_work_is_refused(url, problem):
    assert problem in refusal(url=url)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:s3cret@h/",
        "http://s3cret@h/",
        "http://me:s3cret@h:port/",
        "http://me:s3/cret@h/",
        "http://me:s3#cret@h/",
        "http://me:s3?cret@h/",
        "http://me:s3cret@h\u2100st/",
        "ftp://me:s3cret@h/",
        "h/?token=s3cret",
        "ftp://h/?token=s3cret",
        "http://me:s3cret@/",
    ],
)
def test_a_password_in_a_url_that_cannot_be_used_is_never_shown(url):
    with pytest.raises(ConfigError) as caught:
        Api(url)
    error = caught.value
    while error:
        assert "s3" not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_the_query_is_sent_and_never_shown():
    api = Api("https://h/x?key=s3cret", headers={"Authorization": "s3cret"})
    assert head_of(api)[1] == "/x?key=s3cret"
    for shown in (str(api), repr(api), str(api.endpoint)):
        assert "s3cret" not in shown
    assert str(api) == "POST https://h/x?…"


# heads


def test_a_head_has_what_every_request_needs():
    method, target, headers = head_of(Api("http://h:8080/x"))
    assert (method, target) == ("POST", "/x")
    names = [name for name, _ in headers]
    assert names == ["Host", "User-Agent", "Accept", "Content-Type", "Content-Length"]
    assert dict(headers)["Host"] == "h:8080"
    assert dict(headers)["User-Agent"].startswith("rowferry/")
    assert dict(headers)["Content-Type"] == "application/json"


def test_headers_of_ours_can_be_replaced_in_any_case():
    api = Api("http://h/", headers={"user-AGENT": "mine", "content-type": "text/plain", "X": ""})
    headers = head_of(api)[2]
    assert ("user-AGENT", "mine") in headers
    assert ("content-type", "text/plain") in headers
    assert ("X", "") in headers
    names = [name.lower() for name, _ in headers]
    assert len(names) == len(set(names))


def test_the_format_says_what_the_content_is():
    assert dict(head_of(Api("http://h/", body_format="ndjson"))[2])["Content-Type"] == (
        "application/x-ndjson"
    )


def test_headers_hold_latin_1():
    assert ("X-Name", "Zoë") in head_of(Api("http://h/", headers={"X-Name": "Zoë"}))[2]


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "ä", "a\0", "(x)", 5, None, b"x"])
def test_a_name_of_a_header_that_is_none_is_refused(name):
    assert f"headers: {name!r} is no name of a header" in refusal(headers={name: "x"})


@pytest.mark.parametrize(
    "value", ["s3cret\r\nX: y", "s3cret\n", "s3cret\r", "s3cret\0", "s3€", "\x7f"]
)
def test_a_value_of_a_header_that_could_break_the_head_is_refused_and_not_shown(value):
    problem = refusal(headers={"X-Token": value})
    assert problem.startswith("headers: X-Token holds a line break or another character")
    assert "s3" not in problem


@pytest.mark.parametrize("value", [5, None, b"s3cret", ["s3cret"]])
def test_a_value_of_a_header_that_is_no_text_is_refused_and_not_shown(value):
    problem = refusal(headers={"X-Token": value})
    assert problem == f"headers: X-Token must be text, not {type(value).__name__}"


@pytest.mark.parametrize(
    "name", ["Content-Length", "transfer-encoding", "HOST", "Connection", "Expect"]
)
def test_headers_that_frame_the_request_are_ours(name):
    assert refusal(headers={name: "x"}) == f"headers: {name} is set by rowferry itself"


@pytest.mark.parametrize("headers", [None, [("a", "b")], "a: b"])
def test_headers_are_a_mapping(headers):
    assert "headers must be a mapping" in refusal(headers=headers)


@pytest.mark.parametrize("method", ["", "PO ST", "POST\r\n", "GÉT", None, 5, b"POST"])
def test_a_method_that_is_none_is_refused(method):
    assert refusal(method=method).startswith("method must be an HTTP method such as POST")


@pytest.mark.parametrize("method", ["HEAD", "CONNECT", "TRACE", "head"])
def test_a_method_that_carries_no_records_is_refused(method):
    assert f"method {method} carries no records" in refusal(method=method)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_method_is_sent_as_it_is(method):
    assert head_of(Api("http://h/", method=method))[0] == method


any_text = st.text(st.characters(codec="utf-8")) | st.text(string.printable + "\r\n\0 ")


@given(any_text, any_text, st.dictionaries(any_text, any_text, max_size=3), any_text)
def test_no_text_of_a_user_gets_a_line_break_into_the_head(path, query, headers, method):
    try:
        api = Api(f"http://h/{path}?{query}", headers=headers, method=method or "POST")
    except ConfigError:
        return
    if api.templates:  # what comes from records has tests of its own
        return
    lines = api.head.split(b"\r\n")
    ours = {"user-agent", "accept", "content-type"} - {name.lower() for name in headers}
    assert len(lines) == len(["request", "host", "content-length", *ours, *headers])
    assert not any(byte in line for byte in b"\r\n\0" for line in lines)
    assert lines[0].count(b" ") == 2


@given(any_text)
def test_no_text_of_a_url_gets_a_line_break_into_the_head(text):
    for url in (
        text,
        f"http://{text}",
        f"http://h{text}/",
        f"http://h/{text}",
        f"https://[{text}]",
    ):
        try:
            head = request_head("POST", parse_url(url), {})
        except ConfigError:
            continue
        lines = head.split(b"\r\n")
        assert len(lines) == 3
        assert not any(byte < 0x20 or byte == 0x7F for byte in b"".join(lines))
        assert lines[0].count(b" ") == 2
        assert b" " not in lines[1].removeprefix(b"Host: ")


@given(st.dictionaries(any_text, any_text, max_size=4))
def test_what_a_server_reads_are_the_headers_that_were_given(headers):
    try:
        api = Api("http://h/", headers=headers)
    except ConfigError:
        return
    if api.templates:  # the same
        return
    read = dict(head_of(api)[2])
    for name, value in headers.items():
        sent = value.replace("{{", "{").replace("}}", "}")
        assert read[name] == sent.strip(" \t") or read[name] == sent.lstrip(" \t")


# TLS


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of a private authority and of a client's certificate."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "text").write_text("no certificate")
    return folder


def test_certificates_are_verified_unless_a_context_of_the_users_own_says_otherwise(files):
    for tls in (True, {"ca": str(files / "ca.pem")}):
        context = Api("https://h/", tls=tls).tls_context
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    own = ssl.create_default_context()
    assert Api("https://h/", tls=own).tls_context is own


def test_a_clients_own_certificate_is_loaded(files):
    tls = {"cert": str(files / "cert.pem"), "key": str(files / "key.pem")}
    assert Api("https://h/", tls=tls).tls_context.verify_mode is ssl.CERT_REQUIRED
    assert Api("https://h/", tls=tls | {"ca": files / "ca.pem"}).tls_context


def test_plain_http_needs_no_context():
    assert Api("http://h/").tls_context is None


@pytest.mark.parametrize("tls", [False, None, 0, "ca.pem", {}, {"verify": False}, ["ca"], {1: "x"}])
def test_tls_cannot_be_switched_off_and_the_refusal_names_ca(tls):
    problem = refusal(url="https://h/", tls=tls)
    assert "tls must be True, an ssl.SSLContext or file names" in problem
    assert "'ca'" in problem
    assert refusal(url="http://h/", tls=tls) == problem


@pytest.mark.parametrize(
    ("names", "named"),
    [
        ({"ca": "missing"}, "missing"),
        ({"ca": "text"}, "text"),
        ({"cert": "text"}, "text"),
        ({"cert": "ca.pem"}, "ca.pem"),  # holds no key
        ({"cert": "cert.pem", "key": "missing"}, "missing"),
        ({"key": "key.pem"}, "'key' needs 'cert'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(files, names, named):
    tls = {name: str(files / file) for name, file in names.items()}
    problem = refusal(url="https://h/", tls=tls)
    assert problem.startswith("tls: ")
    assert named in problem


def test_a_file_name_that_is_none_is_refused():
    assert "tls: cannot use 5" in refusal(url="https://h/", tls={"ca": 5})


# the other options of an Api


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("batch_size", [0, -1, 1.5, "1", True, 100_001]),
        ("batch_bytes", [0, -1, 1.5, None]),
        ("batch_linger", [-1, "1", None, float("nan")]),
        ("request_timeout", [0, -1, None, "30", float("inf")]),
        ("connect_timeout", [0, -1, None, "30", float("inf")]),
        ("retry", [5, None]),
        ("limits", [5, None]),
        ("success_status", [(), 200, None, "200", (100,), (301,), (200, 600), ("200",), [None]]),
        ("retry_on_status", [500, "500", (200,), (302,), (600,), ("500",), [None], [True]]),
        ("item_results", [5, "items"]),
        ("on_ambiguous", ["never", None, True, ["retry"]]),
        ("idempotency_header", [5, b"X"]),
    ],
)
def test_an_option_that_cannot_work_is_refused_by_name(option, values):
    for value in values:
        assert refusal(body_format="ndjson", **{option: value}).startswith(f"{option} must be ")


def test_success_may_be_any_status_but_a_redirect():
    assert Api("http://h/", success_status={200, 404}).success_status == {200, 404}


def test_what_may_be_retried_may_be_nothing():
    assert Api("http://h/", retry_on_status=()).rules.retry_on_status == frozenset()


def test_a_status_cannot_be_both_a_success_and_sent_again():
    assert refusal(retry_on_status={404, 500}, success_status={200, 404}) == (
        "404 is both in success_status and in retry_on_status"
    )


@pytest.mark.parametrize("header", ["", "a b", "a\r\nb", "Content-Length", "Host"])
def test_an_idempotency_header_that_cannot_be_sent_is_refused(header):
    assert refusal(idempotency_header=header).startswith("idempotency_header: ")


def test_a_header_of_ones_own_cannot_be_that_of_the_idempotency_keys():
    assert "headers: Idempotency-Key is the idempotency_header" in refusal(
        headers={"idempotency-key": "mine"}
    )
    assert Api("http://h/", headers={"Idempotency-Key": "mine"}, idempotency_header=None)


@pytest.mark.parametrize("header", ["Content-Type", "accept", "User-Agent"])
def test_a_header_of_every_request_cannot_be_that_of_the_idempotency_keys(header):
    assert refusal(idempotency_header=header) == (
        f"idempotency_header: {header} is a header that every request has; "
        "name one of its own, such as Idempotency-Key"
    )


def test_items_may_be_told_by_a_207_and_long_answers():
    api = Api("http://h/", item_results=lambda answer: [])
    assert 207 in api.rules.success_status
    assert api.max_answer > Api("http://h/").max_answer


def test_an_unknown_body_format_names_those_there_are():
    there_are = ", ".join(FORMATS)
    assert refusal(body_format="xml") == f"no body_format called 'xml'; there are: {there_are}"


@pytest.mark.parametrize("body_format", [5, None, object()])
def test_a_body_format_that_is_none_names_what_it_lacks(body_format):
    assert "join" in refusal(body_format=body_format)


def test_json_holds_one_record_a_request():
    problem = refusal(batch_size=2)
    assert problem == (
        "batch_size must be 1 with body_format 'json', not 2; json_array and ndjson hold more"
    )


def test_options_are_given_by_name():
    with pytest.raises(TypeError):
        Api("http://h/", "POST")
    with pytest.raises(TypeError, match="unknown"):
        Api("http://h/", unknown=1)


def test_secrets_that_an_answer_repeats_are_blotted_out():
    headers = {"Authorization": "Bearer t0ken", "X-Api-Key": "k3y", "X-Client": "wh0"}
    said = Api("https://h/", headers=headers).redact("Bearer t0ken? t0ken? k3y? wh0? rest")
    assert not any(secret in said for secret in ("t0ken", "k3y", "wh0"))
    assert said.endswith("rest")


def test_a_secret_of_several_words_is_blotted_out_as_a_whole():
    words = [f"w{number}" for number in range(8)]
    api = Api("http://h/", headers={"Cookie": " ".join(words)})
    assert api.redact(f"got {' '.join(words)}") == "got ***"


@pytest.mark.parametrize("name", ["Accept", "CONTENT-TYPE", "user-agent"])
def test_what_is_no_secret_is_not_blotted_out(name):
    assert Api("http://h/", headers={name: "text/x"}).redact("no text/x") == "no text/x"

"""What of a request comes from its record: the line, the headers; bad input, each."""

import datetime as dt
import decimal
import enum
import re
import socket
import sqlite3
import threading
import uuid
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowferry import Api, RawJSON, copy_to_api, per_row, post_rows
from rowferry.exceptions import ConfigError, RejectedError
from rowferry.templates import MISSING, cell_of, pieces_of
from rowferry.testing import Answer, FakeApi
from scripted import until


def rendered(url="http://h/", records=({"id": 1},), *, rows=(), first=False, **options):
    """Give the lines, headers and errors that records make."""
    api = Api(url, **options)
    made = api.templates.render(list(records), rows, first=first)
    errors = {index: str(error) for index, error in made.errors.items()}
    return [line.decode("latin-1") for line in made.lines], made.headers, errors


def target(url, cell):
    """Give the target that the record {"id": cell} makes of *url*."""
    (line,), _, errors = rendered(url, [{"id": cell}])
    assert errors == {}
    return line.split(" ")[1]


def refusal(url="http://h/{id}", **options):
    with pytest.raises(ConfigError) as caught:
        Api(url, **options)
    return str(caught.value)


def problem(cell, url="http://h/{id}", **options):
    """Say what is wrong with the record {"id": cell}."""
    _, _, errors = rendered(url, [{"id": cell}], **options)
    return errors[0]


# the text between braces


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", [""]),
        ("a", ["a"]),
        ("{a}", ["", "a", ""]),
        ("x{a}y{b c}z", ["x", "a", "y", "b c", "z"]),
        ("{a}{a}", ["", "a", "", "a", ""]),
        ("{{a}}", ["{a}"]),
        ("{{{a}}}", ["{", "a", "}"]),
        ("}}{{", ["}{"]),
        ('{{"a": {{}}}}', ['{"a": {}}']),
    ],
)
def test_a_text_is_split_at_its_columns(text, pieces):
    assert pieces_of(text, "url") == pieces


@pytest.mark.parametrize(
    "text", ["{", "}", "a{b", "a}b", "{}", "{a", "a}", "{a}}", "{{a}", "{a{b}}"]
)
def test_a_brace_that_stands_alone_is_refused_and_the_text_not_shown(text):
    with pytest.raises(ConfigError) as caught:
        pieces_of(f"s3cret{text}", "headers")
    assert "headers has a brace that stands alone: write {column}" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@given(st.text())
def test_doubled_braces_are_the_text_itself(text):
    assert pieces_of(text.replace("{", "{{").replace("}", "}}"), "url") == [text]


# values as text


class Kind(enum.Enum):
    ONE = "one"


VALUES = [
    ("a", "a"),
    (5, "5"),
    (-5, "-5"),
    (True, "true"),
    (1.5, "1.5"),
    (decimal.Decimal("12345678901234567.890"), "12345678901234567.890"),
    (dt.date(2026, 1, 2), "2026-01-02"),
    (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (Kind.ONE, "one"),
    (RawJSON(" 5\n"), "5"),
    (RawJSON('"x"'), "x"),
    ("ä", "%C3%A4"),
    ("a b", "a%20b"),
    ("a/b", "a%2Fb"),
    ("a?b#c&d=e+f%20", "a%3Fb%23c%26d%3De%2Bf%2520"),
    ("a\r\nb\0", "a%0D%0Ab%00"),
    ("-._~", "-._~"),
    (dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC), "2026-01-02T03%3A04%3A00Z"),
]


@pytest.mark.parametrize(("cell", "text"), VALUES)
def test_a_value_has_the_text_that_it_has_in_json_percent_encoded(cell, text):
    assert target("http://h/x/{id}/y", cell) == f"/x/{text}/y"
    assert target("http://h/x?a={id}&b=c", cell) == f"/x?a={text}&b=c"


def test_what_users_wrote_is_encoded_as_ever():
    assert target("http://h/ä b%2F%41/{{x}}/100%/{id}?é=%20", 1) == (
        "/%C3%A4%20b%2F%41/%7Bx%7D/100%/1?%C3%A9=%20"
    )


def test_without_a_path_the_query_follows_a_slash():
    assert target("http://h?a={id}", 1) == "/?a=1"


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (None, "is NULL, and url needs it"),
        (float("nan"), "nan is no number"),
        (decimal.Decimal("Infinity"), "Infinity is no number"),
        (b"x", "bytes is binary"),
        ([1], "list holds values of its own"),
        ({"a": 1}, "dict holds values of its own"),
        (RawJSON("[1]"), "RawJSON holds values of its own"),
        (RawJSON('"x'), "RawJSON holds no JSON"),
        (RawJSON(""), "RawJSON holds no JSON"),
        ("\ud800", "no valid Unicode"),
        pytest.param(10**5000, "more than 4,300 digits", id="large"),
        (object(), "object is nothing that JSON can hold"),
    ],
)
@pytest.mark.parametrize("url", ["http://h/{id}", "http://h/?a={id}"])
def test_a_value_that_has_no_text_rejects_its_record_and_names_the_column(cell, words, url):
    said = problem(cell, url)
    assert said.startswith("column 'id': ")
    assert words in said


@pytest.mark.parametrize(
    "cell", ["", ".", "..", "../admin", "a/..", "a/../../b", "./a", "a\\..\\b"]
)
@pytest.mark.parametrize("url", ["http://h/x/{id}", "http://h/{id}/x", "http://h/{id}?a=b"])
def test_no_value_makes_a_path_lead_elsewhere(cell, url):
    said = problem(cell, url)
    assert said.startswith("column 'id': stands in the path of the url, and ")
    assert problem("", url).endswith("it is empty")


@pytest.mark.parametrize(
    ("url", "cell"),
    [("http://h/.{id}", "."), ("http://h/%2e{id}", "."), ("http://h/a-{id}", "b/../../c")],
)
def test_dots_beside_a_column_count(url, cell):
    assert problem(cell, url).endswith("its dots would lead elsewhere")


@pytest.mark.parametrize("cell", ["...", ".a", "a.", "a..b", "%2e%2e", "/a", "a//b", " "])
def test_other_dots_and_slashes_are_taken(cell):
    assert unquote(target("http://h/x/{id}", cell)) == f"/x/{cell}"


def test_an_empty_value_may_stand_in_a_query_and_beside_other_text():
    assert target("http://h/x?a={id}", "") == "/x?a="
    assert target("http://h/x-{id}", "") == "/x-"
    assert target("http://h/x?a={id}", "..") == "/x?a=.."


# whose column it is


def test_a_column_that_no_record_has_is_an_error_before_anything_is_sent():
    with pytest.raises(ConfigError) as caught:
        rendered("http://h/{code}", [{"id": 1, "name": "x"}, {"id": 2}], first=True)
    assert "url has {code}, but the records have no column 'code'; there are: id, name" in str(
        caught.value
    )
    assert "{{ and }}" in str(caught.value)


@pytest.mark.parametrize("record", [5, [1], "text", None, RawJSON("{}")])
def test_a_record_without_names_has_no_columns(record):
    with pytest.raises(ConfigError, match=f"there are: only a {type(record).__name__}"):
        rendered("http://h/{code}", [record], first=True)


def test_a_record_that_lacks_a_column_which_others_have_is_rejected():
    _, _, errors = rendered("http://h/{id}", [{"id": 1}, {"name": "x"}], first=True)
    assert errors == {1: "column 'id': is missing, and url needs it"}
    _, _, errors = rendered("http://h/{id}", [{"name": "x"}])
    assert errors == {0: "column 'id': is missing, and url needs it"}


def test_rows_of_every_kind_have_columns():
    conn = sqlite3.connect(":memory:")
    conn.row_factory = sqlite3.Row
    row = conn.execute("SELECT 7 AS id").fetchone()
    conn.close()
    for record in (row, {"id": 7}, type("Mine", (dict,), {})(id=7)):
        assert cell_of(record, "id") == 7
        assert cell_of(record, "name") is MISSING


def sent(rows, path, **options):
    """Send rows; give the requests that came."""
    transform = options.pop("transform", None)
    with FakeApi(200) as api:
        report = post_rows(
            rows, Api(api.url.removesuffix("/records") + path, **options), transform=transform
        )
        assert report.dead == 0
        return api.received


def test_with_per_row_a_column_may_be_the_rows_only():
    def shape(row):
        row.pop("id")  # the row is looked at before
        return {"name": row["name"]}

    (request,) = sent([{"id": 5, "name": "x"}], "/a/{id}", transform=per_row(shape))
    assert (request.path, request.json()) == ("/a/5", {"name": "x"})


def test_with_per_row_the_records_own_column_goes_before_the_rows():
    (request,) = sent([{"id": 5}], "/{id}", transform=per_row(lambda row: {"id": f"C{row['id']}"}))
    assert request.path == "/C5"


def test_several_records_of_one_row_have_its_columns_each():
    requests = sent([{"id": 5}], "/{id}/{n}", transform=per_row(lambda row: [{"n": 1}, {"n": 2}]))
    assert {request.path for request in requests} == {"/5/1", "/5/2"}


def test_behind_a_transform_of_chunks_a_column_is_the_records():
    (request,) = sent([{"id": 5}], "/{id}", transform=lambda chunk: [{"id": 6} for _ in chunk])
    assert request.path == "/6"
    with pytest.raises(ConfigError, match="with per_row the columns of the row count as well"):
        sent([{"id": 5}], "/{id}", transform=lambda chunk: [{"name": "x"} for _ in chunk])


def test_a_column_that_a_query_lacks_is_an_error_before_anything_is_sent(sqlite):
    with FakeApi() as api, pytest.raises(ConfigError, match="no column 'code'; there are: id"):
        copy_to_api("SELECT 5 AS id", sqlite, f"{api.url}/{{code}}")
    assert api.received == []


def test_a_record_that_cannot_be_sent_is_given_out_and_the_others_are_sent():
    rows = [{"id": 1}, {"id": None}, {"id": ".."}, {"id": 4}, {"id": float("nan")}]
    failed = []
    with FakeApi() as api:
        report = post_rows(rows, f"{api.url}/{{id}}", key="id", on_error=failed.extend)
    assert {request.path for request in api.received} == {"/records/1", "/records/4"}
    assert (report.delivered, report.dead) == (2, 3)
    assert [row for row, _ in failed][:2] == [{"id": None}, {"id": ".."}]
    for row, error in failed:
        assert isinstance(error, RejectedError)
        assert error.key == (row["id"],) or row["id"] != row["id"]
        assert "column 'id'" in str(error)


def test_without_on_error_such_a_record_stops_the_run():
    with FakeApi() as api, pytest.raises(RejectedError, match="column 'id': is NULL"):
        post_rows([{"id": None}], f"{api.url}/{{id}}")
    assert api.received == []


# headers


def test_headers_may_hold_columns_and_braces():
    (request,) = sent(
        [{"id": 5, "who": "Zoë"}],
        "/x",
        headers={"X-Who": "it is {who}, {id}", "X-Set": "{{1}}", "X-Plain": "p"},
    )
    assert request.headers["x-who"] == "it is Zoë, 5"
    assert (request.headers["x-set"], request.headers["x-plain"]) == ("{1}", "p")
    assert request.path == "/x"


def test_signs_of_percent_are_what_they_are():
    (request,) = sent([{"id": "5%s"}], "/100%25/{id}", headers={"X-%s": "100%% {id}"})
    assert request.path == "/100%25/5%25s"
    assert request.headers["x-%s"] == "100%% 5%s"


def test_a_header_of_ours_may_be_a_template_and_is_sent_once():
    (request,) = sent([{"kind": "text/plain"}], "/x", headers={"content-type": "{kind}"})
    assert request.headers["content-type"] == "text/plain"


@pytest.mark.parametrize("cell", ["a\r\nX: y", "a\rb", "a\nb", "a\0", "a\x7f", "€", "\ud800"])
def test_a_value_that_could_break_a_header_rejects_its_record_and_names_the_column(cell):
    said = problem(cell, "http://h/", headers={"X-Id": "{id}"})
    assert said.startswith("column 'id': holds a line break or another character that no header")
    assert cell not in said


def test_a_null_in_a_header_rejects_its_record():
    assert problem(None, "http://h/", headers={"X-Id": "{id}"}) == (
        "column 'id': is NULL, and headers needs it"
    )


def test_an_idempotency_key_goes_beside_them():
    with FakeApi() as api:
        url = f"{api.url}/{{id}}"
        post_rows([{"id": 1}, {"id": 2}], Api(url, headers={"X-Id": "{id}"}), key="id")
    keys = {request.headers["idempotency-key"] for request in api.received}
    assert len(keys) == 2
    assert {request.headers["x-id"] for request in api.received} == {"1", "2"}


# methods


def test_a_column_may_name_the_method_and_a_delete_has_no_body():
    rows = [{"id": n, "op": op} for n, op in enumerate(["PUT", "DELETE", "PATCH", "POST", "put"])]
    requests = sent(rows, "/{id}", method="{op}")
    by_path = {request.path: request for request in requests}
    for row in rows:
        request = by_path[f"/{row['id']}"]
        assert request.method == row["op"].upper()
        if request.method == "DELETE":
            assert (request.body, request.headers["content-length"]) == (b"", "0")
            assert "content-type" not in request.headers
        else:
            assert request.json() == row
            assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("cell", ["GET", "HEAD", "CONNECT", "", "PO ST", "POST\r\n", "upsert", 5])
def test_a_column_names_no_other_method(cell):
    said = (
        problem(cell, "http://h/{id}", method="{id}")
        if cell
        else problem(cell, "http://h/?a={id}", method="{id}")
    )
    assert said == "column 'id': names none of the methods POST, PUT, PATCH, DELETE"


def test_a_delete_has_no_body_where_its_url_says_what_to_delete():
    (request,) = sent([{"id": 5}], "/{id}", method="DELETE")
    assert (request.method, request.path, request.body) == ("DELETE", "/5", b"")
    assert "content-type" not in request.headers
    (request,) = sent([{"id": 5}], "/x", method="DELETE")
    assert request.json() == {"id": 5}
    (request,) = sent([{"id": 5}], "/x", method="DELETE", headers={"X-Id": "{id}"})
    assert (request.json(), request.headers["content-type"]) == ({"id": 5}, "application/json")


@pytest.mark.parametrize("body_format", ["form", "json_array", "ndjson"])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_delete_has_no_body_in_any_format(body_format, compression):
    options = {"body_format": body_format, "compression": compression, "batch_size": 1}
    rows = [{"id": 5, "op": "DELETE"}, {"id": 6, "op": "PUT"}]
    by_path = {request.path: request for request in sent(rows, "/{id}", method="{op}", **options)}
    assert by_path["/5"].body == b""
    assert not {"content-type", "content-encoding"} & by_path["/5"].headers.keys()
    assert len(by_path["/6"].records()) == 1


def test_a_404_to_a_delete_that_may_have_been_done_is_delivered_where_a_column_says_delete():
    def answer(request):
        return 500 if request.attempt == 1 else 404

    with FakeApi(answer) as api:
        failed = []
        report = post_rows(
            [{"id": 1, "op": "DELETE"}, {"id": 2, "op": "PUT"}],
            Api(f"{api.url}/{{id}}", method="{op}"),
            key="id",
            on_error=failed.extend,
        )
    assert (report.delivered, report.dead) == (1, 1)
    assert failed[0].row["op"] == "PUT"


# what cannot work


@pytest.mark.parametrize(
    "url",
    [
        "http://{host}/x",
        "http://h:{port}/x",
        "http://{user}@h/x",
        "http://u:{password}@h/x",
        "http://h{x}.example/",
        "http://{{h}}/",
    ],
)
def test_c29_the_host_never_comes_from_a_record(url):
    assert refusal(url) == "url has a brace before its path: the host never comes from a record"


@pytest.mark.parametrize("url", ["{url}", "{scheme}://h/", "//{host}/", "ht{x}p://h/"])
def test_c29_nor_does_the_scheme(url):
    said = refusal(url)
    assert "url must begin with http:// or https://" in said or "url has a brace" in said


def test_a_column_behind_a_hash_would_never_be_sent():
    assert "behind a #" in refusal("http://h/#{id}")


@pytest.mark.parametrize("method", ["{a}{b}", "P{op}", "{op} ", "{{op}}", "{", "{op"])
def test_a_method_is_a_method_or_one_column(method):
    assert refusal(method=method).startswith("method ")


def test_a_method_from_a_column_needs_a_url_from_one():
    assert "a DELETE has no body, and would not say what to delete" in refusal(
        "http://h/x", method="{op}"
    )


@pytest.mark.parametrize(
    "options", [{}, {"batch_size": 2}, {"url": "http://h/", "headers": {"X": "{id}"}}]
)
def test_records_of_one_request_cannot_have_urls_or_headers_of_their_own(options):
    said = refusal(**{"body_format": "json_array"} | options)
    assert "which differs from record to record, but batch_size is" in said
    assert "batch_size=1 sends each by itself" in said


def test_one_record_a_request_of_a_format_for_many_is_fine():
    (request,) = sent([{"id": 5}], "/{id}", body_format="json_array", batch_size=1)
    assert (request.path, request.json()) == ("/5", [{"id": 5}])


@pytest.mark.parametrize("url", ["http://h/{", "http://h/}", "http://h/{a/b}", "http://h/{a?b}"])
def test_a_brace_alone_in_a_url_is_refused(url):
    assert refusal(url).startswith("url has a brace that stands alone")


def test_messages_show_the_column_and_not_its_value():
    api = Api("http://h/x/{id}?key=s3cret")
    assert str(api) == "POST http://h/x/{id}?…"
    with FakeApi(404) as server, pytest.raises(RejectedError) as caught:
        post_rows([{"id": "pr1vate"}], f"{server.url}/{{id}}")
    assert "/records/{id}: the API answered 404" in str(caught.value)
    assert "pr1vate" not in str(caught.value)


# B14: whatever a record holds, a request is one request, to the same place


class Raw:
    """A server that keeps every byte it gets, and answers 200 to each request line."""

    def __init__(self):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.got = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                conn, _ = self._server.accept()
            except OSError:
                return
            with conn:
                while data := conn.recv(65536):
                    self.got += data
                    if self.got.endswith(b"END"):
                        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()


@pytest.fixture(scope="module")
def raw():
    server = Raw()
    yield server
    server.close()


NASTY = [
    *("\r\n", "\n", "\r", "\0", " ", "/", "..", "?", "#", "%0d%0a", "%2f", "@evil.example", ":80"),
    *("HTTP/1.1", "\x85", "\u2028", "{x}", "{{", "ä", "a"),
]

nasty = st.text(st.characters(codec="utf-8"), max_size=30) | st.lists(
    st.sampled_from([*NASTY, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"]), max_size=6
).map("".join)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nasty, nasty, nasty)
def test_b14_no_value_makes_of_one_request_two_or_sends_it_elsewhere(raw, path, query, header):
    raw.got = b""
    url = f"http://127.0.0.1:{raw.port}/a/{{path}}/b?q={{query}}&r=1"
    api = Api(url, headers={"X-It": "x{header}"}, body_format="form")
    row = {"path": path, "query": query, "header": header}
    failed = []
    shape = per_row(lambda row: {"body": "END"})
    report = post_rows([row], api, transform=shape, on_error=failed.extend)
    if failed:
        assert raw.got == b""
        return
    assert report.delivered == 1
    head, _, body = raw.got.partition(b"\r\n\r\n")
    assert body == b"body=END"
    line, *lines = head.split(b"\r\n")
    assert re.fullmatch(rb"POST /a/[-.%0-9A-Za-z_~]+/b\?q=[-.%0-9A-Za-z_~]*&r=1 HTTP/1.1", line)
    assert len(lines) == len(["host", "agent", "accept", "type", "length", "x-it"])
    assert lines[0] == b"Host: 127.0.0.1:%d" % raw.port
    assert not any(byte in each for byte in b"\r\n\0" for each in lines)
    parts = urlsplit(line.split(b" ")[1].decode())
    assert unquote(parts.path) == f"/a/{path}/b"
    assert parse_qsl(parts.query, keep_blank_values=True) == [("q", query), ("r", "1")]
    assert lines[-1] == b"X-It: x" + header.encode("latin-1")


def test_what_is_sent_again_goes_to_the_same_place():
    def answer(request):
        return Answer(cut="reset") if request.attempt == 1 else 201

    with FakeApi(answer) as api:
        rows = [{"id": number} for number in range(50)]
        report = post_rows(rows, Api(f"{api.url}/{{id}}", method="PUT"), key="id")
        until(lambda: not api.open_connections)
    assert report.delivered == 50
    assert len(api.received) == 100
    for request in api.received:
        assert request.path == f"/records/{request.json()['id']}"

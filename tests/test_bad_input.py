"""What cannot work is an error that names it and what is allowed, before anything is sent."""

import contextlib
import socket
import sqlite3
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme

from rowferry import Api, Limits, Retry, copy_to_api, execute, load, post_rows
from rowferry.exceptions import (
    ConfigError,
    DbParamsError,
    DriverError,
    RejectedError,
    SourceError,
    TransferError,
)
from rowferry.testing import FakeApi
from scripted import until

ONCE = Retry(max_retries=0)


@pytest.fixture
def api():
    with FakeApi() as api:
        yield api


@pytest.fixture
def table(sqlite):
    execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name)", sqlite)
    load("t", sqlite, [{"id": n, "name": f"row {n}"} for n in range(500)])
    return sqlite


@contextlib.contextmanager
def nothing_sent(api, conn, kind, *words):
    """Expect an error with *words*, an API that got nothing and a transaction that is closed."""
    with pytest.raises(kind) as caught:
        yield
    for word in words:
        assert word in str(caught.value)
    assert api.received == []
    assert not conn.in_transaction
    until(lambda: not api.open_connections)


# the source


def test_two_columns_of_one_name(api, table):
    with nothing_sent(api, table, SourceError, "id"):
        copy_to_api("SELECT id, name, id FROM t", table, api.url)


def test_a_table_that_is_not_there(api, table):
    sql = "SELECT * FROM missing"
    with nothing_sent(api, table, SourceError, "no such table: missing", sql):
        copy_to_api(sql, table, api.url)


def test_a_source_error_has_the_report(api, table):
    with pytest.raises(SourceError) as caught:
        copy_to_api("SELECT * FROM missing", table, api.url)
    assert (caught.value.report.read, caught.value.report.requests) == (0, 0)


def test_a_query_that_fails_in_the_middle_keeps_what_was_delivered(api, table):
    table.create_function("fails_at", 1, lambda n: 1 // (n - 300) and n)
    with pytest.raises(SourceError, match="SELECT fails_at") as caught:
        copy_to_api("SELECT fails_at(id) AS id FROM t ORDER BY t.id", table, api.url)
    report = caught.value.report
    assert report.delivered == len(api.received)
    assert (report.read, report.dead) == (report.delivered + report.pending, 0)
    assert not table.in_transaction


def test_a_closed_connection(api, tmp_path):
    conn = sqlite3.connect(tmp_path / "t.db")
    conn.close()
    with pytest.raises(SourceError, match="closed"):
        copy_to_api("SELECT 1 AS id", conn, api.url)
    assert api.received == []


@pytest.mark.parametrize("conn", [None, object(), 5])
def test_what_is_no_connection(api, conn):
    with pytest.raises(DriverError, match=type(conn).__name__):
        copy_to_api("SELECT 1 AS id", conn, api.url)
    assert api.received == []


def test_a_url_of_an_unknown_database(api):
    with pytest.raises((DbParamsError, DriverError), match="nosuchdb"):
        copy_to_api("SELECT 1 AS id", "nosuchdb://h/db", api.url)
    assert api.received == []


def test_parameters_that_do_not_fit(api, table):
    with nothing_sent(api, table, SourceError, "SELECT * FROM t WHERE id = ?"):
        copy_to_api("SELECT * FROM t WHERE id = ?", table, api.url, parameters=(1, 2))


# the options


@pytest.mark.parametrize("chunk_size", [0, -1, 1.5, "5000", None, True])
def test_a_chunk_size_that_is_none(api, table, chunk_size):
    with nothing_sent(api, table, ConfigError, "chunk_size must be "):
        copy_to_api("SELECT * FROM t", table, api.url, chunk_size=chunk_size)


@pytest.mark.parametrize("max_in_flight", [0, -1])
def test_a_max_in_flight_that_is_none(api, table, max_in_flight):
    with nothing_sent(
        api, table, ConfigError, f"max_in_flight must be at least 1, not {max_in_flight}"
    ):
        copy_to_api("SELECT 1", table, Api(api.url, limits=Limits(max_in_flight=max_in_flight)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"limit": -1}, "limit must be at least 0"),
        ({"limit": "5"}, "limit must be a whole number"),
        ({"budget": 5}, "budget must be a Budget"),
        ({"transform": 5}, "transform must be callable, not 5"),
        ({"on_error": 5}, "on_error must be callable, not 5"),
        ({"progress": 5}, "progress must be True, None or a callable, not 5"),
        ({"key": ""}, "key must be a column name"),
        ({"key": ()}, "key must be a column name"),
        ({"key": (1,)}, "key must be a column name"),
        ({"key": "nope"}, "no key column nope in a row; there are: id, name"),
        ({"transform": lambda rows: None}, "transform gave None"),
    ],
)
def test_an_option_that_cannot_work(api, table, options, words):
    with nothing_sent(api, table, ConfigError, words):
        copy_to_api("SELECT * FROM t", table, api.url, **options)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("127.0.0.1/records", "must begin with http:// or https://"),
        ("http:///records", "no host"),
        ("ftp://h/", "must begin with http:// or https://"),
        (None, "api must be a URL or an Api"),
        (b"http://h/", "api must be a URL or an Api"),
    ],
)
def test_a_url_without_scheme_or_host(api, table, url, words):
    with nothing_sent(api, table, ConfigError, words):
        copy_to_api("SELECT * FROM t", table, url)


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "a\rb"])
def test_a_header_with_a_line_break(api, table, value):
    with nothing_sent(api, table, ConfigError, "headers: X-Mine holds a line break"):
        copy_to_api("SELECT * FROM t", table, Api(api.url, headers={"X-Mine": value}))


def test_an_unknown_body_format(api, table):
    with nothing_sent(api, table, ConfigError, "'xml'", "json, json_array, ndjson"):
        copy_to_api("SELECT * FROM t", table, Api(api.url, body_format="xml"))


# the API


def test_a_port_where_nobody_listens(api, table):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]  # bound, and refusing
        words = (f"cannot connect to 127.0.0.1 port {port}", "tried 1 times", "nothing was sent")
        with nothing_sent(api, table, TransferError, *words):
            copy_to_api("SELECT * FROM t", table, Api(f"http://127.0.0.1:{port}/", retry=ONCE))


def test_a_port_that_opens_a_little_later_is_waited_for():
    retry = Retry(max_retries=10_000, initial_backoff=0.01, max_backoff=0.02)
    with socket.socket() as listener, ThreadPoolExecutor(1) as pool:
        listener.bind(("127.0.0.1", 0))
        target = Api(f"http://127.0.0.1:{listener.getsockname()[1]}/", retry=retry)
        running = pool.submit(post_rows, [{"id": 1}], target)
        time.sleep(0.05)  # it may as well be refused a few times
        listener.listen()
        with listener.accept()[0] as client:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
            assert running.result().delivered == 1


def test_a_host_that_does_not_exist(api, table):
    words = ("cannot connect to no-such-host.invalid port 80", "nothing was sent")
    with nothing_sent(api, table, TransferError, *words):
        copy_to_api("SELECT * FROM t", table, Api("http://no-such-host.invalid/", retry=ONCE))


class Authority:
    """A private authority, and servers with its certificates."""

    def __init__(self, folder):
        self._ca = trustme.CA()
        self.file = str(folder / "ca.pem")
        self._ca.cert_pem.write_to_path(self.file)

    def context(self, *names, **options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names, **options).configure_cert(context)
        return context


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def test_a_certificate_of_a_named_authority_is_taken(authority):
    with FakeApi(tls=authority.context("127.0.0.1")) as api:
        report = post_rows(
            [{"id": n} for n in range(100)], Api(api.url, tls={"ca": authority.file})
        )
        assert report.delivered == len(api.received) == 100


def test_a_certificate_that_does_not_match(authority, table):
    with FakeApi(tls=authority.context("other.example")) as api:
        words = ("cannot connect to 127.0.0.1", "certificate", "nothing was sent")
        with nothing_sent(api, table, TransferError, *words):
            copy_to_api("SELECT * FROM t", table, Api(api.url, tls={"ca": authority.file}))


def test_a_certificate_of_an_unknown_authority_names_the_remedy(authority, table):
    with FakeApi(tls=authority.context("127.0.0.1")) as api:
        words = ("certificate", "name its authority in tls={'ca': …}")
        with nothing_sent(api, table, TransferError, *words):
            copy_to_api("SELECT * FROM t", table, api.url)


def test_a_certificate_that_fails_is_not_tried_again(authority):
    with FakeApi(tls=authority.context("other.example")) as api:
        with pytest.raises(TransferError) as caught:
            post_rows([{"id": 1}], Api(api.url, tls={"ca": authority.file}))
        assert (caught.value.exit_code, api.connections) == (2, 0)


def test_plain_http_to_a_tls_port_is_no_success(authority):
    with FakeApi(tls=authority.context("127.0.0.1")) as api:
        target = Api(api.url.replace("https", "http"), retry=ONCE)
        with pytest.raises(TransferError):
            post_rows([{"id": 1}], target)
        assert api.received == []


def test_tls_to_a_plain_port_is_no_success(api):
    with pytest.raises(TransferError, match="cannot connect to"):
        post_rows([{"id": 1}], Api(api.url.replace("http", "https"), retry=ONCE))


# cells


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"id": 1, "blob": b"x"}, "column 'blob': bytes is binary"),
        ({"id": 1, "n": float("nan")}, "column 'n': nan is no number"),
        ({"id": 1, "x": object()}, "column 'x': object is nothing that JSON can hold"),
        ({"id": 1, "x": "\ud800"}, "column 'x': the text is no valid Unicode"),
        ({1: 2}, "has the key 1, which is not text"),
    ],
)
def test_a_value_that_json_cannot_hold(api, row, words):
    with pytest.raises(RejectedError) as caught:
        post_rows([row], api.url)
    assert words in str(caught.value)
    assert (caught.value.status, caught.value.report.dead) == (None, 1)
    assert api.received == []


def test_such_a_value_in_a_database(api, table):
    execute("CREATE TABLE blobs AS SELECT 1 AS id, x'ff' AS blob", table)
    with nothing_sent(api, table, RejectedError, "column 'blob'", "(key 1)"):
        copy_to_api("SELECT * FROM blobs", table, api.url, key="id")


def test_invalid_utf8_spoils_its_row_only(api, table):
    failed = []
    execute("UPDATE t SET name = CAST(x'ff' AS TEXT) WHERE id = 7", table)
    report = copy_to_api("SELECT * FROM t", table, api.url, on_error=failed.extend, key="id")
    assert (report.delivered, report.dead) == (499, 1)
    assert failed[0].exception.key == (7,)
    assert "column 'name'" in str(failed[0].exception)


def test_a_cell_larger_than_the_buffer_is_refused_naming_it(api):
    limits = Limits(max_buffer_bytes=1_000_000)
    rows = [{"id": 1, "text": "x" * 2_000_000}, {"id": 2, "text": "y"}]
    failed = []
    report = post_rows(rows, Api(api.url, limits=limits), on_error=failed.extend, key="id")
    assert (report.delivered, report.dead, api.records) == (1, 1, rows[1:])
    assert "column 'text' takes most of it" in str(failed[0].exception)
    assert "max_buffer_bytes=1,000,000" in str(failed[0].exception)
    with pytest.raises(RejectedError, match="max_buffer_bytes=1,000,000"):
        post_rows(rows[:1], Api(api.url, limits=limits))


def test_a_cell_of_10_mb_goes_through(api):
    text = "x" * 10_000_000
    report = post_rows([{"id": 1, "text": text}, {"id": 2, "text": text}], api.url)
    assert report.delivered == 2
    assert {len(request.body) for request in api.received} == {10_000_018}

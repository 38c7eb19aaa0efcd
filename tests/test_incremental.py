"""Only what is new: ties, rows that commit late, and nothing twice."""

import datetime as dt
import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest

from rowferry import Incremental, Journal, connect, copy_to_api, exceptions, per_row
from rowferry.incremental import lagging
from rowferry.testing import FakeApi

SELECT = "SELECT id, changed FROM t"


@pytest.fixture
def conn(tmp_path):
    with closing(sqlite3.connect(tmp_path / "source.db")) as conn:
        conn.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, changed INTEGER)")
        conn.execute("CREATE INDEX of_changes ON t (changed, id)")
        yield conn


@pytest.fixture
def api():
    with FakeApi() as api:
        yield api


@pytest.fixture
def run(conn, api, tmp_path):
    """Run the transfer once; give the ids that were sent, in order."""

    def run(lag=None, **options):
        before = len(api.received)
        run.report = copy_to_api(
            SELECT,
            conn,
            api.url,
            key="id",
            journal=Journal(tmp_path / "journal.db"),
            incremental=Incremental("changed", lag=lag),
            **options,
        )
        return sorted(record["id"] for record in api.records[before:])

    return run


def insert(conn, *rows):
    conn.executemany("INSERT OR REPLACE INTO t VALUES (?, ?)", rows)
    conn.commit()


def test_a_pass_reads_what_came_after_the_last_complete_one(conn, run):
    insert(conn, (1, 10), (2, 20))
    assert run() == [1, 2]
    insert(conn, (3, 30), (1, 31))
    assert run() == [1, 3]
    assert (run.report.read, run.report.delivered) == (2, 2)


def test_a_run_with_nothing_new_sends_nothing(conn, run, api):
    insert(conn, (1, 10))
    run()
    connections = api.connections
    assert run() == []
    assert (run.report.read, run.report.exit_code) == (0, 0)
    assert api.connections == connections


def test_rows_with_one_value_of_the_cursor_are_told_apart_by_the_key(conn, run):
    insert(conn, *((number, 10) for number in range(1, 11)))
    assert run(limit=3) == [1, 2, 3]
    assert run(limit=3) == [4, 5, 6]
    assert run() == [7, 8, 9, 10]
    insert(conn, (11, 10), (0, 10))
    assert run() == [11]  # 0 is below what was read: for that there is a lag


def test_with_a_lag_rows_that_come_late_are_sent_and_the_others_not_twice(conn, run):
    insert(conn, (1, 10), (2, 20), (5, 50))
    assert run(lag=25) == [1, 2, 5]
    insert(conn, (3, 30), (6, 60), (0, 20))
    assert run(lag=25) == [3, 6]  # 20 is 30 below the highest value: too late
    assert (run.report.read, run.report.delivered) == (2, 2)
    for _ in range(3):
        assert run(lag=25) == []
    insert(conn, (4, 40))
    assert run(lag=25) == [4]


def test_a_row_that_changes_within_the_lag_is_sent_again(conn, run):
    insert(conn, (1, 10), (2, 20))
    run(lag=100)
    insert(conn, (1, 15))
    assert run(lag=100) == [1]


def test_within_a_lag_a_limit_goes_on_and_does_not_count_what_was_sent(conn, run):
    insert(conn, *((number, number) for number in range(1, 101)))
    sent = []
    for _ in range(10):
        sent += run(lag=50, limit=10)
    assert sorted(sent) == list(range(1, 101))


def test_hashes_are_kept_as_long_as_their_rows_are_read_again_and_no_longer(conn, run, tmp_path):
    insert(conn, *((number, number) for number in range(1, 1_001)))
    run(lag=10)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as journal:
        ((kept,),) = journal.execute("SELECT coalesce(sum(length(hashes)), 0) FROM settled")
    assert 10 <= kept // 16 <= 1_000
    insert(conn, (2_000, 2_000))
    run(lag=10)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as journal:
        ((kept,),) = journal.execute("SELECT coalesce(sum(length(hashes)), 0) FROM settled")
    assert kept // 16 == 1


def test_skipped_rows_within_the_lag_are_not_counted_each_time(conn, run):
    insert(conn, (1, 10), (2, 20), (3, 30))
    odd = per_row(lambda row: row if row["id"] % 2 else None)
    assert run(lag=100, transform=odd) == [1, 3]
    assert run.report.skipped == 1
    assert run(lag=100, transform=odd) == []
    assert (run.report.read, run.report.skipped) == (0, 0)


def test_a_transform_of_a_chunk_may_leave_out_the_cursor(conn, run, api):
    insert(conn, (1, 10), (2, 20), (3, 30))
    shaped = lambda rows: [{"id": row["id"], "n": 1} for row in rows if row["id"] != 2]
    assert run(transform=shaped) == [1, 3]
    assert (run.report.read, run.report.skipped) == (3, 1)
    insert(conn, (4, 40))
    assert run(transform=shaped) == [4]


def test_a_cursor_of_null_is_refused_and_never_left_out(conn, run):
    insert(conn, (1, 10), (2, None))
    with pytest.raises(exceptions.SourceError, match="NULL in its key"):
        run()
    insert(conn, (2, 20))
    assert run() == [1, 2]
    insert(conn, (3, None), (4, 40))
    with pytest.raises(exceptions.SourceError, match="NULL in its key: changed = None, id = 3"):
        run()


def test_it_needs_a_journal_and_a_key(conn, api):
    with pytest.raises(exceptions.ConfigError, match="needs a journal"):
        copy_to_api(SELECT, conn, api.url, key="id", incremental=Incremental("changed"))


def test_the_cursor_may_be_the_key(conn, api, tmp_path):
    insert(conn, (1, 10), (2, 20))
    with_key = {"key": "id", "journal": Journal(tmp_path / "j"), "incremental": Incremental("id")}
    copy_to_api(SELECT, conn, api.url, **with_key)
    insert(conn, (3, 5))
    copy_to_api(SELECT, conn, api.url, **with_key)
    assert sorted(record["id"] for record in api.records) == [1, 2, 3]


@pytest.mark.parametrize("lag", [-1, float("nan"), "1 hour", True, dt.timedelta(-1)])
def test_a_lag_is_a_timedelta_or_a_number_of_at_least_0(lag):
    with pytest.raises(exceptions.ConfigError, match="lag must be"):
        Incremental("changed", lag=lag)


HOUR = dt.timedelta(hours=1)


@pytest.mark.parametrize(
    ("cursor", "lag", "below"),
    [
        (10, 3, 7),
        (10, 0.5, 9.5),
        (10.5, Decimal(1), 9.5),
        (Decimal("10.5"), 0.1, Decimal("10.4")),
        (
            dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            HOUR,
            dt.datetime(2025, 12, 31, 23, tzinfo=dt.UTC),
        ),
        (dt.date(2026, 1, 1), HOUR, dt.date(2025, 12, 31)),
        (dt.date(2026, 1, 1), 48 * HOUR, dt.date(2025, 12, 30)),
        (dt.datetime(1, 1, 1, tzinfo=dt.UTC), HOUR, dt.datetime(1, 1, 1, tzinfo=dt.UTC)),
        ("2026-01-01", HOUR, "2025-12-31"),
        ("2026-01-01 00:00:00", HOUR, "2025-12-31 23:00:00"),
        ("2026-01-01T00:00:00.123", HOUR, "2025-12-31T23:00:00.123"),
        ("2026-01-01T00:00:00.123456+00:00", HOUR, "2025-12-31T23:00:00.123456+00:00"),
        ("2026-01-01T00:00:00Z", HOUR, "2025-12-31T23:00:00Z"),
    ],
)
def test_the_value_that_lies_a_lag_below_another_is_of_its_kind(cursor, lag, below):
    found = lagging(cursor, lag)
    assert (found, type(found)) == (below, type(below))


@pytest.mark.parametrize(("cursor", "lag"), [("x", HOUR), (10, HOUR), (dt.date.max, 3), (b"", 1)])
def test_a_lag_that_does_not_go_with_its_cursor_is_an_error(cursor, lag):
    with pytest.raises(exceptions.SourceError, match="cannot be told"):
        lagging(cursor, lag)


# on a server, where transactions commit late


@pytest.fixture
def late(postgresql, psycopg_connection, tmp_path, api):
    """A table on PostgreSQL, a second connection to it, and what runs the transfer."""
    psycopg_connection.execute(
        "CREATE TABLE late (id int PRIMARY KEY, changed numeric(30, 12), "
        "tx xid8 DEFAULT pg_current_xact_id())"
    )
    psycopg_connection.commit()

    def run(query="SELECT id, changed FROM late", **more):
        before = len(api.received)
        how = {"key": "id", "journal": Journal(tmp_path / "journal.db")}
        copy_to_api(
            query, postgresql.url, api.url, incremental=Incremental("changed", **more), **how
        )
        return sorted(record["id"] for record in api.records[before:])

    with closing(connect(postgresql.url)) as other:
        yield psycopg_connection, other, run


def add(conn, number, changed):
    conn.execute("INSERT INTO late VALUES (%s, %s)", (number, Decimal(changed)))


def test_a_row_that_commits_late_is_sent_with_a_lag(late):
    conn, other, run = late
    add(conn, 1, "10.000000000001")
    add(other, 2, "20.000000000002")
    other.commit()
    assert run(lag=Decimal("10.000000000002")) == [2]
    conn.commit()
    assert run(lag=Decimal("10.000000000002")) == [1]
    assert run(lag=Decimal("10.000000000002")) == []


def test_a_row_that_commits_late_is_sent_where_the_query_waits_for_it(late):
    conn, other, run = late
    query = "SELECT id, changed FROM late WHERE tx < pg_snapshot_xmin(pg_current_snapshot())"
    add(conn, 1, 10)
    add(other, 2, 20)
    other.commit()
    assert run(query) == []
    conn.commit()
    assert run(query) == [1, 2]
    assert run(query) == []


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("numeric", ["0.1000000000000000000000001", "0.1000000000000000000000002", "NaN"]),
        ("timestamptz", ["2026-01-01 00:00:00.000001+02", "2026-01-01 00:00:00.000002+02"]),
        ("timestamp", ["2026-01-01 00:00:00", "infinity"]),
        ("float8", ["0.1", "0.30000000000000004", "1e300", "Infinity"]),
        ("text", ["A", "B", "C", "É"]),
        ("uuid", ["00000000-0000-0000-0000-000000000001", "f0000000-0000-0000-0000-000000000001"]),
    ],
)
def test_a_cursor_comes_back_from_the_journal_as_it_was(
    postgresql, psycopg_connection, api, tmp_path, kind, values
):
    psycopg_connection.execute(f"CREATE TABLE exact (id int PRIMARY KEY, changed {kind})")
    psycopg_connection.commit()
    journal = Journal(tmp_path / "journal.db")
    for number, value in enumerate(values, 1):
        psycopg_connection.execute("INSERT INTO exact VALUES (%s, %s)", (number, value))
        psycopg_connection.commit()
        report = copy_to_api(
            "SELECT id, changed FROM exact",
            postgresql.url,
            api.url,
            transform=per_row(lambda row: {"id": row["id"]}),
            key="id",
            journal=journal,
            incremental=Incremental("changed"),
        )
        assert report.delivered == 1, (value, report)
    assert sorted(record["id"] for record in api.records) == list(range(1, len(values) + 1))

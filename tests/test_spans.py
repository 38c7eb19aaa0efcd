"""Rows after one position, up to another, and those of NULL, on every database."""

from itertools import product

import pytest

from rowferry import databases, execute, load
from rowferry.exceptions import SourceError
from rowferry.journal_schema import Pass
from rowferry.reader import Query
from rowferry.resuming import QuerySpans
from rowferry.spans import Span, spans_of

ROWS = [(cursor, f"{key}") for cursor, key in product((10, 20, 30), "ABa")]
SELECT = "SELECT changed, code, 'it''s 5%' AS note FROM moved"


@pytest.fixture
def conn(connect):
    conn = connect()
    execute("CREATE TABLE moved (changed INTEGER, code VARCHAR(9))", conn)
    load("moved", conn, [{"changed": cursor, "code": key} for cursor, key in ROWS])
    return conn


def placed(conn):
    """Give a query with a parameter by name and one by position, with what fills it."""
    database, _ = databases.recognise(conn)
    percent = "%%" if "format" in database.paramstyle else "%"
    select = SELECT.replace("%", percent)
    yield SELECT, ()
    yield f"{select} WHERE changed > {database.positional_placeholder('1')}", [0]
    yield f"{select} WHERE changed > {database.named_placeholder('least')}", {"least": 0}


def read(conn, sql, parameters, *spans):
    query = Query(sql, conn, parameters, key=("changed", "code"))
    rows = QuerySpans(query, spans, unread=True)
    found = []
    while chunk := rows.fetch(4):
        lowered = [{name.lower(): cell for name, cell in row.items()} for row in chunk]
        found += [(row["changed"], row["code"]) for row in lowered]
        assert {row["note"] for row in lowered} == {"it's 5%"}
    rows.close()
    return found


@pytest.mark.parametrize(
    ("after", "up_to", "expected"),
    [
        (None, None, ROWS),
        ((10, "A"), None, ROWS[1:]),
        ((10, "a"), (20, "B"), ROWS[3:5]),
        (None, (10, "B"), ROWS[:2]),
        ((10,), None, ROWS[3:]),
        ((10,), (20, "A"), ROWS[3:4]),
        ((30, "a"), None, []),
        ((20, "A"), (20, "A"), []),
    ],
)
def test_a_span_has_just_the_rows_between_its_positions(conn, after, up_to, expected):
    for sql, parameters in placed(conn):
        assert read(conn, sql, parameters, Span(after, up_to)) == expected


def test_spans_are_read_one_after_another(conn):
    spans = Span(None, (10, "B")), Span((10, "B"), (20, "a")), Span((20, "a"))
    for sql, parameters in placed(conn):
        assert read(conn, sql, parameters, *spans) == ROWS


def test_a_row_of_null_is_found_where_rows_are_read_after_another(conn):
    load("moved", conn, [{"changed": None, "code": "x"}])
    for sql, parameters in list(placed(conn))[:1]:
        with pytest.raises(SourceError, match="NULL in its key"):
            read(conn, sql, parameters, Span((10, "A")))


# which spans


def pass_(watermark=None, sent=None):
    return Pass(1, b"", watermark=watermark, dispatched_to=sent)


@pytest.mark.parametrize(
    ("state", "lag", "spans"),
    [
        (pass_(), None, [Span()]),
        (pass_((5,)), None, [Span((5,))]),
        (pass_((5,), (5,)), None, [Span((5,))]),
        (pass_((5,), (9,)), None, [Span((5,), (9,), replayed=True), Span((9,))]),
        (pass_(None, (9,)), None, [Span(None, (9,), replayed=True), Span((9,))]),
        (pass_(), 3, [Span()]),
        (pass_((5, "k")), 3, [Span((2,), (5, "k"), below=True), Span((5, "k"))]),
        (
            pass_((5, "k"), (5, "k")),
            3,
            [Span((2,), (5, "k"), replayed=True, below=True), Span((5, "k"))],
        ),
        (
            pass_((5, "k"), (9, "l")),
            3,
            [
                Span((2,), (5, "k"), replayed=True, below=True),
                Span((5, "k"), (9, "l"), replayed=True),
                Span((9, "l")),
            ],
        ),
    ],
)
def test_what_a_run_reads_follows_from_how_far_its_pass_is(state, lag, spans):
    assert spans_of(state, lag) == spans

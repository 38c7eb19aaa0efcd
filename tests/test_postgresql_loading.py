"""Which rows PostgreSQL refuses when it tells where, when it does not, and when only at the end."""

import pytest

from rowferry import copy_rows, copy_table_rows, execute, executemany, fetchall, load
from rowferry.databases.postgresql_copy import CopyIn
from rowferry.exceptions import InsertError
from rowferry.row_factories import tuple_row_factory
from rowferry.sql import plain_insert

ROWS = 200


@pytest.fixture(params=["psycopg", "psycopg2"])
def pg(request):
    """A connection of each driver, to an empty schema."""
    return request.getfixturevalue(f"{request.param}_connection")


@pytest.fixture
def psycopg(psycopg_connection):
    return psycopg_connection


def ids(conn, table="t"):
    query = f"SELECT id FROM {table} ORDER BY id"
    return [found for (found,) in fetchall(query, conn, (), tuple_row_factory)]


PARENTS = "CREATE TABLE p (id integer PRIMARY KEY); INSERT INTO p SELECT generate_series(0, 149);"
RAISES = """
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN IF NEW.id >= 150 THEN RAISE 'line 3 says no: %', NEW.id; END IF; RETURN NEW; END$$;
"""
TABLES = {
    "a check": "CREATE TABLE t (id integer CHECK (id < 150))",
    "a reference": f"{PARENTS} CREATE TABLE t (id integer REFERENCES p)",
    "a reference that can be deferred": f"{PARENTS} CREATE TABLE t (id integer REFERENCES p "
    "DEFERRABLE INITIALLY IMMEDIATE)",
    "a trigger before": f"CREATE TABLE t (id integer); {RAISES}"
    "CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "a trigger after": f"CREATE TABLE t (id integer); {RAISES}"
    "CREATE TRIGGER f AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "a trigger of a constraint": f"CREATE TABLE t (id integer); {RAISES}"
    "CREATE CONSTRAINT TRIGGER f AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "no partition": "CREATE TABLE t (id integer) PARTITION BY RANGE (id);"
    "CREATE TABLE t_0 PARTITION OF t FOR VALUES FROM (0) TO (150)",
    "a domain": "CREATE DOMAIN small AS integer CHECK (VALUE < 150); CREATE TABLE t (id small)",
    "a name of a table that looks like a line": "CREATE TABLE t (id integer CHECK (id < 150));"
    'ALTER TABLE t ADD CONSTRAINT "COPY t, line 7" CHECK (id < 150)',
}


@pytest.mark.parametrize("what", TABLES)
@pytest.mark.parametrize("size", [60, 5000])
def test_rows_are_refused_whatever_refuses_them(pg, what, size):
    with pg.cursor() as cursor:
        cursor.execute(TABLES[what])
    pg.commit()
    failed = []
    rows = [{"id": n * 7 % ROWS} for n in range(ROWS)]  # the bad ones here and there
    assert load("t", pg, rows, on_error=failed.extend, chunk_size=size) == (ROWS, 50)
    assert [row.row["id"] for row in failed] == [row["id"] for row in rows if row["id"] >= 150]
    assert ids(pg) == list(range(150))
    with pytest.raises(InsertError):
        load("t", pg, rows)
    assert ids(pg) == list(range(150))


def test_what_is_deferred_to_the_commit_fails_the_chunk_that_is_committed(pg):
    execute("CREATE TABLE p (id integer PRIMARY KEY)", pg)
    execute("CREATE TABLE t (id integer REFERENCES p DEFERRABLE INITIALLY DEFERRED)", pg)
    execute("INSERT INTO p SELECT generate_series(0, 149)", pg)
    rows = [{"id": n} for n in range(ROWS)]
    with pytest.raises(InsertError, match="foreign key"):
        load("t", pg, rows, on_error=pytest.fail, chunk_size=60)
    assert ids(pg) == list(range(120))


def test_a_later_row_may_be_what_an_earlier_one_refers_to_only_if_insert_says_so(pg):
    execute("CREATE TABLE t (id integer PRIMARY KEY, up integer REFERENCES t)", pg)
    failed = []
    rows = [{"id": n, "up": n + 1 if n % 2 else None} for n in range(100)]
    assert load("t", pg, rows, on_error=failed.extend) == (100, 50)
    assert [row.row["id"] for row in failed] == list(range(1, 100, 2))


def test_a_server_that_finds_the_bad_row_is_not_asked_row_by_row(psycopg):
    execute("CREATE TABLE t (id integer CHECK (id <> 4000))", psycopg)
    execute("CREATE SEQUENCE tries", psycopg)
    execute(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM nextval('tries'); RETURN NEW; END$$",
        psycopg,
    )
    execute("CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", psycopg)
    failed = []
    rows = [{"id": n} for n in range(5000)]
    assert load("t", psycopg, rows, on_error=failed.extend) == (5000, 1)
    assert failed[0].row == {"id": 4000}
    (tried,) = fetchall("SELECT last_value FROM tries", psycopg, (), tuple_row_factory)[0]
    # All rows up to the bad one, those before it once more, it, and those behind it.
    assert tried == 4001 + 4000 + 1 + 999


def test_a_value_that_psycopg_refuses_is_found_at_its_place(psycopg):
    execute("CREATE TABLE t (id integer, v text)", psycopg)
    failed = []
    rows = [{"id": n, "v": "a\0" if n in {0, 70, 99} else "b"} for n in range(100)]
    assert load("t", psycopg, rows, on_error=failed.extend) == (100, 3)
    assert [row.row["id"] for row in failed] == [0, 70, 99]
    assert all("NUL" in str(row.exception) for row in failed)


class RefusalError(Exception):
    """An error of the server, with a context line in some language."""

    pgresult = object()

    def __init__(self, context):
        super().__init__()
        self.diag = type("Diagnostic", (), {"context": context})


@pytest.mark.parametrize(
    ("context", "position"),
    [
        ('COPY t, line 3, column b: "x"', 2),
        ("COPY t, line 12", 11),
        ("COPY t, Zeile 3, Spalte b: »x«", 2),
        ("COPY t, ligne 3, colonne b : « x »", 2),
        ("COPY t, línea 3, columna b: «x»", 2),
        ('COPY t, строка 3, столбец b: "x"', 2),
        ('COPY t, rad 3, kolumn b: "x"', 2),
        ('COPY t, linha 3, coluna b: "x"', 2),
        ('COPY t, wiersz 3, kolumna b: "x"', 2),
        ('COPY "a b", line 3: "x\n', 2),
        ('PL/pgSQL function f() line 9 at RAISE\nCOPY t, line 3: "1"', 2),
        ('COPY t, line 3, column b: "x\nCOPY t, line 7"', 2),
        ('SQL statement "SELECT 1 FROM ONLY p x WHERE id = $1 FOR KEY SHARE OF x"', None),
        ("", None),
        (None, None),
    ],
)
def test_the_context_of_an_error_tells_the_row_in_any_language(context, position):
    copy_in = CopyIn(None, plain_insert("INSERT INTO t VALUES (%s)", "pyformat"))
    assert copy_in.culprit(RefusalError(context)) == position


def test_copy_rows_with_bad_rows_between_two_databases(sqlite, psycopg):
    execute("CREATE TABLE s (id, v)", sqlite)
    bad = {5: "x" * 50, 50: None, 60: "a\0"}
    load("s", sqlite, [{"id": n, "v": bad.get(n, "a")} for n in range(100)])
    execute("CREATE TABLE t (id integer PRIMARY KEY, v varchar(9) NOT NULL)", psycopg)
    failed = []
    insert = "INSERT INTO t (id, v) VALUES (%(id)s, %(v)s)"
    query = "SELECT * FROM s ORDER BY id"
    done = copy_rows(query, sqlite, insert, psycopg, on_error=failed.extend)
    assert done == (100, 3)
    assert [row.row["id"] for row in failed] == [5, 50, 60]
    assert ids(psycopg) == [n for n in range(100) if n not in bad]


def test_executemany_of_an_update_finds_its_bad_rows(pg):
    execute("CREATE TABLE t (id integer PRIMARY KEY, v integer CHECK (v < 90))", pg)
    load("t", pg, [{"id": n, "v": 0} for n in range(100)])
    failed = []
    query = "UPDATE t SET v = %(v)s WHERE id = %(id)s"
    rows = [{"id": n, "v": n} for n in range(100)]
    assert executemany(query, pg, rows, on_error=failed.extend) == (100, 10)
    assert [row.row["id"] for row in failed] == list(range(90, 100))


LISTS = ([], [1], ["a"], [{"a": [1]}], [None], [[1], [2]], ["a", 1])


@pytest.mark.parametrize("count", [1, 60])
@pytest.mark.parametrize("value", LISTS, ids=str)
def test_a_list_is_json_in_a_column_of_json_and_an_array_elsewhere(pg, count, value):
    execute("CREATE TABLE t (id serial PRIMARY KEY, a integer[], j json, b jsonb)", pg)
    rows = [{"a": [1, 2], "j": value, "b": value}] * count
    assert load("t", pg, rows) == (count, 0)
    assert executemany(
        "INSERT INTO t VALUES (%s, %s, %s, %s)",
        pg,
        [(n + 100, [1, 2], value, value) for n in range(count)],
    ) == (count, 0)
    rows = [row | {"id": n + 1} for n, row in enumerate(rows)]
    assert load("t", pg, rows, on_conflict="update", key="id") == (count, 0)
    found = fetchall("SELECT a, j, b FROM t", pg, (), tuple_row_factory)
    assert found == [([1, 2], value, value)] * 2 * count


def test_a_table_is_made_for_lists(pg):
    rows = [{"id": n, "v": [n]} for n in range(60)]
    assert load("t", pg, rows, create=True) == (60, 0)
    assert fetchall("SELECT * FROM t ORDER BY id", pg) == rows


def test_json_that_is_read_and_transformed_is_loaded_again(pg):
    execute("CREATE TABLE t (id integer, v jsonb)", pg)
    execute("CREATE TABLE u (LIKE t)", pg)
    execute("INSERT INTO t VALUES (1, '[]'), (2, '[{}]'), (3, '{}'), (4, NULL)", pg)
    assert copy_table_rows("t", pg, pg, "u", transform=lambda chunk: chunk) == (4, 0)
    query = "SELECT * FROM {} ORDER BY id"
    assert fetchall(query.format("u"), pg) == fetchall(query.format("t"), pg)


def test_a_list_that_json_cannot_hold_fails_its_row(pg):
    execute("CREATE TABLE t (id integer, v jsonb)", pg)
    failed = []
    rows = [{"id": n, "v": [object()] if n == 7 else [n]} for n in range(60)]
    assert load("t", pg, rows, on_error=failed.extend) == (60, 1)
    assert failed[0].row["id"] == 7
    assert len(ids(pg)) == 59

"""Recipes of the cookbook that shape what is sent: each as a program, and its job."""

import json
from contextlib import closing

import pytest

import rowferry as etl
from cookbook import KillingApi, recipe, run, run_until_killed  # noqa: F401 (run is a fixture)
from rowferry.testing import FakeApi
from standins.oracle import Oracle, Query

STAND_IN_FOR_POSTGIS = r"""
    CREATE DOMAIN geometry AS text;
    CREATE FUNCTION ST_GeomFromText(text, integer) RETURNS geometry
        IMMUTABLE STRICT LANGUAGE sql RETURN $1;
    CREATE FUNCTION ST_Transform(geometry, integer) RETURNS geometry
        IMMUTABLE STRICT LANGUAGE sql RETURN $1;
    CREATE FUNCTION ST_AsGeoJSON(geometry, maxdecimaldigits integer = 9, options integer = 8)
        RETURNS text IMMUTABLE STRICT LANGUAGE sql AS $$
        SELECT format('{"type":"%s","coordinates":%s}', initcap(part[1]),
            CASE part[1] WHEN 'POINT' THEN '[' || trim(brackets, '[]') || ']' ELSE brackets END)
        FROM regexp_match($1, '^(\w+)(\(.*\))$') AS part,
             translate(part[2], '()', '[]') AS opened,
             regexp_replace(opened, '([-\d.]+) ([-\d.]+)', '[\1,\2]', 'g') AS brackets
    $$;
"""
"""
Functions with the names and arguments of PostGIS, over well-known text: points and polygons only,
in one system of coordinates. They stand in where the server has no PostGIS.
"""


@pytest.fixture
def postgis(psycopg_connection):
    """A connection to a database with PostGIS, or with what stands in for it."""
    conn = psycopg_connection
    available = "SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'"
    found = conn.execute(available).fetchone()
    conn.execute("CREATE EXTENSION postgis" if found else STAND_IN_FOR_POSTGIS)
    conn.commit()
    return conn


POINT = '{"type":"Point","coordinates":[-5.471234567,56.41]}'


def geometry_of(request):
    """Give the text of the geometry, which stands between two names that are known."""
    return request.body.decode().partition('"geometry":')[2].partition(',"properties"')[0]


def test_geometry_of_postgis_arrives_as_it_wrote_it_and_a_bad_one_is_a_dead_letter(
    postgis, tmp_path
):
    job = recipe("geometry_as_geojson")
    etl.execute("CREATE TABLE site (id integer, name text, shape geometry)", postgis)
    insert = "INSERT INTO site VALUES (%s, %s, ST_GeomFromText(%s, 4326))"
    etl.executemany(insert, postgis, job.SITES)
    with FakeApi(job.answer) as api:
        report = job.send_features(job.POSTGIS, postgis, api.url, tmp_path / "journal")
    assert (report.delivered, report.dead) == (3, 1)
    written = "SELECT id, coalesce(ST_AsGeoJSON(shape), 'null') FROM site"
    arrived = {request.json()["id"]: geometry_of(request) for request in api.received}
    assert arrived == dict(postgis.execute(written).fetchall())
    assert arrived[1] == POINT
    (letter,) = etl.dead_letters(tmp_path / "journal")
    assert (letter["key"], letter["status"]) == ("4", 400)
    assert letter["record"]["geometry"]["type"] == "Polygon"


def test_geometry_of_oracle_arrives_as_it_wrote_it_and_one_without_text_is_a_dead_letter(
    oracle_sites, tmp_path
):
    job = recipe("geometry_as_geojson")
    with FakeApi() as api:
        report = job.send_features(job.ORACLE, oracle_sites, api.url, tmp_path / "journal")
    assert (report.delivered, report.dead) == (3, 1)
    sent = {request.json()["id"]: geometry_of(request) for request in api.received}
    assert sent == {1: POINT.replace(":", ": "), 2: LONG, 3: "null"}
    (letter,) = etl.dead_letters(tmp_path / "journal")
    assert (letter["key"], letter["reason"]) == ("4", "unsendable")


LONG = json.dumps({"type": "MultiPoint", "coordinates": [[n / 8, 56.5] for n in range(9_000)]})
"""More than a VARCHAR2 holds."""


@pytest.fixture
def oracle_sites(monkeypatch):
    """A connection to Oracle's stand-in, which knows the recipe's query in the forms it takes."""
    columns = ("id NUMBER(9)", "name VARCHAR2(40)", "geometry CLOB")
    shapes = (POINT.replace(":", ": "), LONG, None, " ")
    rows = [(number, "site", shape) for number, shape in enumerate(shapes, 1)]
    ordered = f"SELECT * FROM ( {recipe('geometry_as_geojson').ORACLE} ) q"
    statements = {
        f"{ordered} WHERE 1 = 0": Query(columns),
        f'{ordered} ORDER BY q."id"': Query(columns, rows),
        f'{ordered} WHERE (q."id" > :1) ORDER BY q."id"': Query(columns),
    }
    pytest.importorskip("oracledb")
    monkeypatch.setenv("ORACLE_PASSWORD", "tiger")
    with Oracle(statements) as stand_in:
        db = etl.DbParams(
            dbtype="ORACLE", host="127.0.0.1", port=stand_in.port, dbname="STANDIN", user="scott"
        )
        with closing(db.connect("ORACLE_PASSWORD")) as conn:
            yield conn


def test_the_recipe_for_geometry_runs_on_postgis(run, postgresql, postgis):  # noqa: F811
    printed = run("geometry_as_geojson", ROWFERRY_POSTGRESQL_URL=postgresql.url)
    assert printed[0].startswith("3 delivered, 1 dead")
    assert f'"geometry":{POINT},"properties":{{"name":"Ardtoe"}}' in printed[1]
    assert printed[-1] == "Dead: 4, 400: a ring needs three points"


def test_the_recipe_for_geometry_runs_on_the_stand_in_for_oracle(run):  # noqa: F811
    pytest.importorskip("oracledb")
    printed = run("geometry_as_geojson")
    assert printed[0].startswith("2 delivered, 0 dead")
    assert '"geometry":null' in printed[2]


@pytest.fixture
def events(psycopg_connection):
    """A connection, and the table of the recipe for jsonb with rows whose text is telling."""
    conn = psycopg_connection
    etl.execute("CREATE TABLE event (id integer PRIMARY KEY, kind text, doc jsonb)", conn)
    insert = "INSERT INTO event VALUES (%s, %s, %s)"
    etl.executemany(insert, conn, recipe("jsonb_passed_through").EVENTS)
    odd = '{"z": 1.10, "é": "\\u00e9\\n", "n": -0.0, "big": 1e400, "a": {"a": []}}'
    etl.executemany(insert, conn, [(5, "odd", odd), (6, "text", '"x"'), (7, "number", "1.50")])
    return conn


def written_by(conn):
    return dict(conn.execute("SELECT id, doc::text FROM event").fetchall())


def test_a_document_in_its_row_arrives_byte_for_byte(events, tmp_path):
    job = recipe("jsonb_passed_through")
    with FakeApi(job.answer) as api:
        report = job.send_rows(events, api.url, tmp_path / "journal")
    assert (report.delivered, report.dead) == (6, 1)
    sent = {request.json()["id"]: request.body.decode() for request in api.received}
    for number, text in written_by(events).items():
        assert sent[number].endswith(f'","doc":{text or "null"}}}')


def test_a_document_as_the_record_arrives_byte_for_byte_and_none_is_a_dead_letter(events, tmp_path):
    job = recipe("jsonb_passed_through")
    with FakeApi(job.answer) as api:
        report = job.send_documents(events, api.url + "/{id}", tmp_path / "journal")
    assert (report.delivered, report.dead) == (5, 2)
    sent = {int(request.path.split("/")[-1]): request.body.decode() for request in api.received}
    written = written_by(events)
    assert written.pop(3) is None
    assert sent == written
    letters = {letter["key"]: letter for letter in etl.dead_letters(tmp_path / "journal")}
    assert {key: letter["reason"] for key, letter in letters.items()} == {
        "3": "transform",
        "4": "rejected",
    }


def test_a_dead_document_is_sent_again_byte_for_byte(events, tmp_path):
    job = recipe("jsonb_passed_through")
    with FakeApi(lambda request: 422 if b"12345678901234567890.10" in request.body else 201) as api:
        assert job.send_documents(events, api.url + "/{id}", tmp_path / "journal").dead == 2
    with FakeApi() as api:
        target = etl.Api(api.url + "/{id}", method="PUT")
        etl.retry_dead_letters(tmp_path / "journal", target)
    assert [request.body.decode() for request in api.received] == [written_by(events)[1]]


def test_the_recipe_for_jsonb_runs(run, postgresql):  # noqa: F811
    printed = run("jsonb_passed_through", ROWFERRY_POSTGRESQL_URL=postgresql.url)
    assert printed[0].startswith("send_rows: 3 delivered, 1 dead")
    text = '{"fee": 12345678901234567890.10, "berth": 2}'
    assert f'  POST /records {{"id":1,"kind":"arrival","doc":{text}}}' in printed
    assert f"  PUT /records/1 {text}" in printed
    assert sorted(printed[-2:]) == [  # they are in the order of their answers
        "  dead: 3, ValueError: the event has no document",
        "  dead: 4, no such berth",
    ]


def with_orders(conn, purchases, lines, mark="%s"):
    for table in recipe("parent_with_children").TABLES:
        etl.execute(table, conn)
    etl.executemany(f"INSERT INTO purchase VALUES ({mark}, {mark})", conn, purchases)
    values = ", ".join([mark] * 4)
    etl.executemany(f"INSERT INTO line VALUES ({values})", conn, lines)
    return conn


ARRIVED = {
    1: {
        "id": 1,
        "customer": "Ada",
        "lines": [{"sku": "anchor", "amount": 1}, {"sku": "rope", "amount": 3}],
    },
    2: {"id": 2, "customer": "Grace", "lines": []},
    3: {"id": 3, "customer": "Edsger", "lines": [{"sku": "buoy", "amount": 0}]},
}


def by_id(api):
    assert len(api.records) == len({record["id"] for record in api.records})
    return {record["id"]: record for record in api.records}


@pytest.mark.parametrize("way", ["nested", "grouped"])
def test_an_order_of_postgresql_arrives_whole_and_a_refused_one_is_a_dead_letter(
    way, psycopg_connection, tmp_path
):
    job = recipe("parent_with_children")
    conn = with_orders(psycopg_connection, job.PURCHASES, job.LINES)
    with FakeApi(job.answer) as api:
        if way == "nested":
            report = job.send_nested(job.POSTGRESQL, conn, api.url, tmp_path / "journal")
        else:
            report = job.send_grouped(conn, api.url, tmp_path / "journal")
    assert (report.delivered, report.dead) == (2, 1)
    assert by_id(api) == ARRIVED
    (letter,) = etl.dead_letters(tmp_path / "journal")
    assert (letter["key"], letter["record"]) == ("3", ARRIVED[3])


ORDERS = 300
MANY = [(number, "Ada") for number in range(1, ORDERS + 1)]
LINES = [(number, line, f"sku {line}", line) for number, _ in MANY for line in range(1, 8)]


@pytest.mark.parametrize(
    "call",
    [
        "job.send_nested(job.SQLITE, conn, {url!r}, {journal!r})",
        "job.send_grouped(conn, {url!r}, {journal!r})",
    ],
)
def test_an_order_arrives_whole_however_the_job_was_killed(call, tmp_path):
    job = recipe("parent_with_children")
    database = f"sqlite:///{tmp_path / 'orders.db'}"
    behaviour = KillingApi(at=ORDERS // 2)
    with FakeApi(behaviour) as api, closing(etl.connect(database)) as conn:
        with_orders(conn, MANY, LINES, mark="?")
        call = call.format(url=api.url, journal=str(tmp_path / "journal"))
        run_until_killed(behaviour, "parent_with_children", database, call)
        assert len(api.received) < ORDERS
        report = eval(call, {"job": job, "conn": conn})
        assert (report.delivered, report.pending) == (ORDERS, 0)
        sent = {record["id"]: record for record in api.records}
    assert sorted(sent) == [number for number, _ in MANY]
    assert {len(record["lines"]) for record in api.records} == {7}
    assert len(api.records) - ORDERS <= report.maybe_duplicated


def test_a_transform_that_groups_would_send_an_order_in_two_parts(sqlite):
    job = recipe("parent_with_children")
    with_orders(sqlite, MANY[:2], LINES[:14], mark="?")
    with FakeApi() as api:
        etl.copy_to_api(job.JOINED, sqlite, api.url, transform=job.orders, chunk_size=5)
    assert sorted(len(record["lines"]) for record in api.records) == [2, 3, 4, 5]


def test_orders_are_whole_wherever_the_chunks_of_the_reading_end(sqlite):
    job = recipe("parent_with_children")
    with_orders(sqlite, MANY[:20], LINES[:140], mark="?")
    for size in (1, 5, 7, 139):
        rows = etl.iter_rows(job.JOINED, sqlite, chunk_size=size)
        assert [len(order["lines"]) for order in job.orders(rows)] == [7] * 20


def test_the_recipe_for_parents_runs(run):  # noqa: F811
    printed = run("parent_with_children")
    assert printed[0].startswith("nested: 2 delivered, 1 dead")
    assert printed[5].startswith("grouped: 2 delivered, 1 dead")
    assert printed[1:5] == printed[6:]

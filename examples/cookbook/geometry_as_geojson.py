"""
Geometry as GeoJSON.

A table has a geometry, and the API wants a GeoJSON Feature for each row. The database makes the
GeoJSON: `ST_AsGeoJSON` of PostGIS and `SDO_UTIL.TO_GEOJSON` of Oracle Spatial give it as text.
Sent as it is, that would be a string in the body, with all its quotes escaped. `etl.RawJSON` says
that a text is JSON already, so that it goes into the body as it is, digit for digit. Nothing parses
it.

* GeoJSON has longitude and latitude of WGS 84. `ST_Transform(…, 4326)` and
  `SDO_CS.TRANSFORM(…, 4326)` see to that; for a column that holds them already they may go.
* `ST_AsGeoJSON` keeps nine digits after the point unless it is told how many:
  `ST_AsGeoJSON(shape, 6)`.
* PostGIS has no GeoJSON for curves, and does not transform a shape whose SRID is 0. Such a row
  fails the query, and the run stops. `ST_CurveToLine` and `ST_SetSRID` in the query mend that.
* Oracle gives a CLOB, which comes as text. Names of columns come in capital letters,
  unless the query quotes them.
* A row without a geometry has `None` there. That goes as `null`, which a Feature may have;
  `RawJSON(None)` would be an error.
* rowferry does not check what is in a `RawJSON`. The API does: a polygon that it refuses is a dead
  letter in the journal, with the API's reason, and the others arrive. So is a row whose text is
  empty.
"""

from pathlib import Path
from typing import Any

import rowferry as etl

POSTGIS = """
    SELECT id, name, ST_AsGeoJSON(ST_Transform(shape, 4326)) AS geometry
    FROM site
"""
ORACLE = """
    SELECT id AS "id", name AS "name",
           SDO_UTIL.TO_GEOJSON(SDO_CS.TRANSFORM(shape, 4326)) AS "geometry"
    FROM site
"""


def feature(row: dict[str, Any]) -> dict[str, Any]:
    """Make the Feature of a row."""
    geometry = row["geometry"]
    return {
        "type": "Feature",
        "id": row["id"],
        "geometry": None if geometry is None else etl.RawJSON(geometry),
        "properties": {"name": row["name"]},
    }


def send_features(query: str, conn: Any, url: str, journal: Path) -> etl.Report:
    """Send the rows of POSTGIS or ORACLE as Features."""
    return etl.copy_to_api(
        query,
        conn,
        url,
        transform=etl.per_row(feature),
        key="id",
        journal=etl.Journal(journal),
    )


# Below is a run of it: a database, an API, and what arrived.

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from rowferry.testing import Answer, FakeApi, Received

SITES = [
    (1, "Ardtoe", "POINT(-5.471234567 56.41)"),
    (2, "Loch Linnhe", "POLYGON((-5.4 56.5,-5.3 56.5,-5.3 56.6,-5.4 56.5))"),
    (3, "lost", None),
    (4, "a line, not a ring", "POLYGON((-5.4 56.5,-5.3 56.5,-5.4 56.5,-5.4 56.5))"),
]


def answer(request: Received) -> Answer:
    """Say 400 to a ring of fewer than three points, and 201 to all others."""
    shape = request.json()["geometry"]
    if shape and shape["type"] == "Polygon" and len({*map(tuple, shape["coordinates"][0])}) < 3:
        return Answer(status=400, body=b"a ring needs three points")
    return Answer(status=201)


@contextmanager
def postgis(url: str) -> Iterator[Any]:
    """Give a connection to a database with PostGIS, and a table that nobody else sees."""
    with etl.connect(url) as conn:
        etl.execute("CREATE TEMP TABLE site (id integer, name text, shape geometry)", conn)
        insert = "INSERT INTO site VALUES (%s, %s, ST_GeomFromText(%s, 4326))"
        etl.executemany(insert, conn, SITES)
        yield conn


@contextmanager
def oracle() -> Iterator[Any]:
    """Give a connection to a stand-in: it speaks Oracle's protocol, and knows this query only."""
    sys.path.append(str(Path(__file__).parents[2] / "tests"))
    from standins.oracle import Oracle, Query

    columns = ("id NUMBER(9)", "name VARCHAR2(40)", "geometry CLOB")
    rows = [
        (1, "Ardtoe", '{"type": "Point", "coordinates": [-5.471234567, 56.41]}'),
        (3, "lost", None),
    ]
    statements = {
        f"SELECT * FROM ( {ORACLE} ) q WHERE 1 = 0": Query(columns),
        f'SELECT * FROM ( {ORACLE} ) q ORDER BY q."id"': Query(columns, rows),
        f'SELECT * FROM ( {ORACLE} ) q WHERE (q."id" > :1) ORDER BY q."id"': Query(columns),
    }
    os.environ["ORACLE_PASSWORD"] = "tiger"  # of the stand-in
    with Oracle(statements) as stand_in:
        db = etl.DbParams(
            dbtype="ORACLE", host="127.0.0.1", port=stand_in.port, dbname="STANDIN", user="scott"
        )
        with db.connect("ORACLE_PASSWORD") as conn:
            yield conn


def main() -> None:
    """Send sites of the PostGIS that ROWFERRY_POSTGRESQL_URL names, else of Oracle's stand-in."""
    url = os.environ.get("ROWFERRY_POSTGRESQL_URL")
    query, database = (POSTGIS, postgis(url)) if url else (ORACLE, oracle())
    with tempfile.TemporaryDirectory() as folder, FakeApi(answer) as api, database as conn:
        journal = Path(folder) / "sites.journal"
        print(send_features(query, conn, api.url, journal))
        for request in sorted(api.received, key=lambda request: request.json()["id"]):
            print(f"  {request.body.decode()}")
        for letter in etl.dead_letters(journal):
            print(f"Dead: {letter['key']}, {letter['status']}: {letter['answer']}")


if __name__ == "__main__":
    main()

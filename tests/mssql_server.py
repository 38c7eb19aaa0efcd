"""What the stand-in for SQL Server knows in test_mssql.py: it runs in a process of its own."""

import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

from standins.mssql import (
    Affected,
    Cut,
    Pause,
    Result,
    SQLError,
    SQLServer,
    Statement,
    Table,
    query,
)

SENSORS = "code int PRIMARY KEY, description nvarchar(40) NOT NULL, depth decimal(9,2)"
PAIRS = "code int, description nvarchar(40)"
SELECT = "SELECT code, description FROM sensors ORDER BY code"
INSERT = "INSERT INTO sensors (code, description) VALUES (?, ?)"
MERGE = (
    "MERGE INTO sensors WITH (HOLDLOCK) AS old\n"
    "USING (VALUES (?, ?)) AS new (code, description)\n"
    "ON old.code = new.code\n"
    "{update}"
    "WHEN NOT MATCHED THEN INSERT (code, description) VALUES (new.code, new.description);"
)
UPDATE = "WHEN MATCHED THEN UPDATE SET description = new.description\n"

VALUES = (
    "n int, s nvarchar(40), f float, price decimal(18,4), blob varbinary(20), u uniqueidentifier, "
    "at datetime2(7), zoned datetimeoffset(7), day date, clock time(7), flag bit, "
    "story nvarchar(max)"
)
NAMES = [column.split()[0] for column in VALUES.split(", ")]
INSERT_VALUES = f"INSERT INTO measured ({', '.join(NAMES)}) VALUES ({', '.join('?' * len(NAMES))})"

LONG = [(code, f"sensor {code}") for code in range(20_000)]
FAR = "SELECT code, description FROM far"
TEXT_KEY = "SELECT name FROM words"
MOMENTS = "SELECT at, fine FROM moments"
MOMENTS_ROWS = [
    (datetime(2024, 1, 2, 3, 4, 5, 3000), datetime(2024, 1, 2, 3, 4, 5, microsecond))
    for microsecond in (6, 7)
]
WORDS = [("Zürich",), ("a",), ("b",)]

INDIA = timezone(timedelta(hours=5, minutes=30))
ODD_COLUMNS = (
    "price money, small smallmoney, at datetimeoffset(7), moment datetime2(7), u uniqueidentifier, "
    "blob varbinary(max), story nvarchar(max), flag bit, shape geography, doc xml, many bigint, "
    "clock time(7)"
)
ODD = (
    *(Decimal("-922337203685477.5808"), Decimal("0.1000")),
    datetime(2024, 1, 2, 3, 4, 5, 678_901, INDIA),
    datetime(2024, 1, 2, 3, 4, 5, 678_901),
    UUID("12345678-1234-5678-1234-567812345678"),
    *(b"\0\xff" * 9000, "ä𝄞" * 5000, True, b"\1\2", "<a>ä</a>", 2**63 - 1),
    datetime(2024, 1, 2, 3, 4, 5, 678_901).time(),
)


def merged(sensors, *, update):
    """Give the statement of a MERGE by code into a table."""

    def run(transaction, code, description):
        rows = transaction.rows(sensors)
        known = [row for row in rows if row[0] == int(code)]
        if not known:
            return sensors.insert("code", "description").run(transaction, code, description)
        if update:
            new = [(*row[:1], description, row[2]) if row in known else row for row in rows]
            transaction.change(sensors).replace(new)
        return Affected(int(update))

    return Statement(run, sensors.insert("code", "description").parameters)


def sensors_script(sensors):
    """Give the statements on a table of sensors."""

    def of_sensors(columns, take):
        """Answer with what *take* makes of the rows, by code."""
        return Statement(
            lambda transaction, *values: Result(columns, take(sorted(transaction.rows(sensors))))
        )

    pairs = lambda rows: [row[:2] for row in rows]
    rename = lambda row, code: (row[0], "new", row[2]) if row[0] == code else None
    return {
        SELECT: of_sensors(PAIRS, pairs),
        "SELECT * FROM sensors": of_sensors(SENSORS, list),
        "SELECT code FROM sensors ORDER BY 1": of_sensors(
            "code int", lambda rows: rows_of(rows, 1)
        ),
        "SELECT count(*) AS n FROM sensors": of_sensors("n int", lambda rows: [(len(rows),)]),
        "SELECT [code], [description] FROM sensors WHERE 1 = 0": Result(PAIRS, []),
        INSERT: sensors.insert("code", "description"),
        "INSERT INTO sensors (code, description, depth) VALUES (?, ?, ?)": sensors.insert(),
        "DELETE FROM sensors": sensors.delete(),
        "UPDATE sensors SET description = 'new' WHERE code = ?": sensors.update(rename, "c int"),
        MERGE.format(update=""): merged(sensors, update=False),
        MERGE.format(update=UPDATE): merged(sensors, update=True),
    }


def rows_of(rows, width):
    return [row[:width] for row in rows]


def until_the_cut():
    """Give the rows before a cut, and time to read them: a cut throws away what is on its way."""
    yield from LONG[:12_345]
    time.sleep(0.2)


def keyed_script():
    """Give the statements of keyed readings: one that is cut, and a text key."""
    ordered = f"SELECT * FROM ( {FAR} ) q {{where}}ORDER BY q.[code]"
    text = "CAST(q.[name] AS nvarchar(max)) COLLATE Latin1_General_BIN2"
    words = f"SELECT * FROM ( {TEXT_KEY} ) q {{where}}ORDER BY {text}"
    at = "CAST(q.[at] AS datetime2(3))"
    fine = "DATEADD(nanosecond, -(DATEPART(nanosecond, q.[fine]) % 1000), q.[fine])"
    moments = f"SELECT * FROM ( {MOMENTS} ) q {{where}}ORDER BY {at}, {fine}"
    later = f"WHERE {at} >= ? AND ({at} > ? OR {at} = ? AND {fine} > ?) "
    moment_columns = "at datetime, fine datetime2(7)"
    return {
        f"SELECT * FROM ( {MOMENTS} ) q WHERE 1 = 0": Result(moment_columns, []),
        moments.format(where=""): Result(moment_columns, MOMENTS_ROWS),
        moments.format(where=later): query(
            lambda *last: Result(moment_columns, []),
            "a datetime2(7), b datetime2(7), c datetime2(7), d datetime2(7)",
        ),
        f"SELECT * FROM ( {FAR} ) q WHERE 1 = 0": Result(PAIRS, []),
        ordered.format(where=""): Result(PAIRS, until_the_cut, then=Cut()),
        ordered.format(where="WHERE (q.[code] > ?) "): query(
            lambda code: Result(PAIRS, LONG[code + 1 :]), "code int"
        ),
        FAR: Result(PAIRS, until_the_cut, then=Cut()),
        f"SELECT * FROM ( {TEXT_KEY} ) q WHERE 1 = 0": Result("name nvarchar(40)", []),
        words.format(where=""): Result("name nvarchar(40)", WORDS),
        words.format(where=f"WHERE ({text} > ?) "): query(
            lambda name: Result("name nvarchar(40)", [row for row in WORDS if row[0] > name]),
            "name nvarchar(40)",
        ),
        f"SELECT * FROM ( {SELECT} ) q WHERE 1 = 0": SQLError(
            1033,
            "The ORDER BY clause is invalid in views, inline functions, derived tables, "
            "subqueries, and common table expressions, unless TOP, OFFSET or FOR XML is also "
            "specified.",
            level=15,
        ),
        "SELECT * FROM ( WITH a AS (SELECT 1 AS b) SELECT b FROM a ) q WHERE 1 = 0": SQLError(
            156, "Incorrect syntax near the keyword 'WITH'.", level=15
        ),
    }


def columns_known(schema=None):
    """Answer the question for the columns of a table: those of sensors are known."""
    described = Result(
        "s nvarchar(128), c nvarchar(128), t nvarchar(128), nn int, d int",
        [
            ("dbo", "code", "int", 1, 0),
            ("dbo", "description", "nvarchar(40)", 1, 0),
            ("dbo", "depth", "decimal(9,2)", 0, 0),
        ],
    )
    nothing = Result(described.columns, [])
    parameters = "t nvarchar(128)" if schema is None else "t nvarchar(128), s nvarchar(128)"
    return query(lambda table, *_: described if table == "sensors" else nothing, parameters)


def server(columns_queries):
    """
    Make the server.

    *columns_queries* are the texts of rowferry's own questions for the columns of sensors.
    """
    sensors, measured = Table("sensors", SENSORS), Table("measured", VALUES)
    deadlock = SQLError(1205, "Transaction (Process ID 52) was deadlocked on lock resources.")
    here, in_schema = columns_queries
    statements = {
        **sensors_script(sensors),
        **keyed_script(),
        here: columns_known(),
        in_schema: columns_known("dbo"),
        INSERT_VALUES: measured.insert(),
        "SELECT * FROM measured": measured.select(),
        f"SELECT {', '.join(f'[{name}]' for name in NAMES)} FROM measured WHERE 1 = 0": Result(
            VALUES, []
        ),
        "DELETE FROM measured": measured.delete(),
        "SELECT code, description FROM long": Result(PAIRS, LONG),
        "SELECT a FROM nowhere": SQLError(208, "Invalid object name 'nowhere'."),
        "SELECT 1 AS one": Result("one int", [(1,)]),
        "SELECT 1 AS a, 2 AS a": Result("a int, a int", [(1, 2)]),
        "SELECT ? AS v": query(
            lambda value: Result("v nvarchar(40)", [(value,)]), "v nvarchar(40)"
        ),
        "SELECT sleepy": Pause(60),
        "SELECT sleepy FROM long": Result("code int, t nvarchar(40)", LONG, then=Pause(60)),
        "SELECT * FROM odd": Result(ODD_COLUMNS, [ODD, (None,) * len(ODD)]),
        "SELECT s FROM halves": Result("s nvarchar(9)", [("ok",), ("a\ud800b",), ("ok",)]),
        "INSERT INTO locked (code) VALUES (?)": lambda code: deadlock,
        "INSERT INTO cut (code) VALUES (?)": lambda code: Cut(),
        "EXEC two_results": [Affected(3), Result("n int", [(1,), (2,)])],
        "EXEC late_error": [Affected(3), SQLError(50001, "after the first result")],
    }
    return SQLServer(statements, tables=[sensors])

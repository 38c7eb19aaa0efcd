"""What the stand-in for SQL Server knows in test_databases.py: every statement of its tests."""

from mssql_server import INSERT, PAIRS, SELECT, columns_known
from standins.mssql import Affected, Pause, Result, SQLError, SQLServer, Statement, Table, columns

EMPTY = "DROP TABLE IF EXISTS sensors, copies, failures"
ENDLESS = (
    "WITH n(i) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT i + 1 FROM n) "
    "SELECT max(i) FROM n OPTION (MAXRECURSION 0)"
)
COPIES = {
    "(code INTEGER)": "code int",
    "(code INTEGER, description VARCHAR(40))": PAIRS,
    "(code INTEGER, description VARCHAR(40), depth NUMERIC)": f"{PAIRS}, depth decimal(18,0)",
    "(code INTEGER PRIMARY KEY, description VARCHAR(40))": PAIRS.replace("int", "int PRIMARY KEY"),
}
"""How copies is created: as the tests write it, and as the stand-in has it."""


class Created:
    """A table that is made anew, of other columns, by a test."""

    def __init__(self):
        self.table = Table("copies", "code int")

    def create(self, definition):
        def run(transaction):
            self.table = Table("copies", definition)
            return Affected()

        return Statement(run)

    def insert(self, *names):
        def run(transaction, *values):
            into = names or [column.name for column in self.table.columns]
            return self.table.insert(*into).run(transaction, *values)

        return Statement(
            run, columns("code int, description nvarchar(40), depth int")[: len(names)]
        )

    def select(self):
        return Statement(
            lambda transaction: Result(self.table.columns, list(transaction.rows(self.table)))
        )


def of(table, definition, take):
    """Answer with what *take* makes of the rows of *table* and the parameters."""

    def run(transaction, *values):
        return Result(definition, take(sorted(transaction.rows(table)), *values))

    return run


def changed(table, change):
    """Replace the rows of *table* by what *change* makes of them and the parameters."""

    def run(transaction, *values):
        before = list(transaction.rows(table))
        after = change(before, *values)
        transaction.change(table).replace(after)
        return Affected(len(before))

    return run


def reads(sensors):
    code = columns("code int")
    whole = "code int, description nvarchar(40), depth decimal(18,0)"
    take = lambda definition, choose, parameters=(): Statement(
        of(sensors, definition, choose), parameters
    )
    first = lambda rows: [row[:1] for row in rows]
    return {
        SELECT: take(PAIRS, lambda rows: [row[:2] for row in rows]),
        "SELECT * FROM sensors": take(whole, list),
        "SELECT * FROM sensors WHERE code > 99": take(whole, lambda rows: []),
        "SELECT code FROM sensors": take("code int", first),
        "SELECT code FROM sensors ORDER BY 1": take("code int", first),
        "SELECT code FROM sensors WHERE description LIKE '%sor 1'": take(
            "code int", lambda rows: [row[:1] for row in rows if row[1].endswith("sor 1")]
        ),
        "SELECT code FROM sensors WHERE code > ?": take(
            "code int", lambda rows, least: [row[:1] for row in rows if row[0] > least], code
        ),
        "SELECT code FROM sensors WHERE code = ?": take(
            "code int", lambda rows, that: [row[:1] for row in rows if row[0] == that], code
        ),
        "SELECT count(*) AS n FROM sensors": take("n int", lambda rows: [(len(rows),)]),
        "SELECT count(*) AS n FROM sensors WHERE depth = 1": take(
            "n int", lambda rows: [(sum(row[2] == 1 for row in rows),)]
        ),
        "SELECT count(*) AS n FROM sensors WHERE description = 'new'": take(
            "n int", lambda rows: [(sum(row[1] == "new" for row in rows),)]
        ),
    }


def writes(sensors):
    code = columns("code int")
    write = lambda change, parameters=(): Statement(changed(sensors, change), parameters)
    without = lambda rows, code: [row for row in rows if row[0] != code]
    renamed = lambda rows, code: [
        (row[0], "new" if row[0] == code else row[1], row[2]) for row in rows
    ]
    percent = "INSERT INTO sensors (code, description) VALUES (1, '100 %')"
    return {
        EMPTY: write(lambda rows: []),
        "DROP TABLE sensors": write(lambda rows: []),
        INSERT: sensors.insert("code", "description"),
        "INSERT INTO sensors (description, code) VALUES (?, ?)": sensors.insert(
            "description", "code"
        ),
        "INSERT INTO sensors (code, description, depth) VALUES (?, ?, ?)": sensors.insert(),
        percent: write(lambda rows: [*rows, (1, "100 %", None)]),
        "DELETE FROM sensors": write(lambda rows: []),
        "DELETE FROM sensors WHERE code = 1": write(lambda rows: without(rows, 1)),
        "DELETE FROM sensors WHERE code = 2": write(lambda rows: without(rows, 2)),
        "DELETE FROM sensors WHERE code = ?": write(without, code),
        "UPDATE sensors SET depth = 1": write(lambda rows: [(*row[:2], 1) for row in rows]),
        "UPDATE sensors SET description = 'new' WHERE code = ?": write(renamed, code),
    }


def others(copies, failures):
    nowhere = SQLError(208, "Invalid object name 'nowhere'.")
    return {
        **{f"CREATE TABLE copies {text}": copies.create(made) for text, made in COPIES.items()},
        "INSERT INTO copies VALUES (?)": copies.insert("code"),
        "INSERT INTO copies (code, description) VALUES (?, ?)": copies.insert(
            "code", "description"
        ),
        "INSERT INTO copies (code, description, depth) VALUES (?, ?, ?)": copies.insert(
            "code", "description", "depth"
        ),
        "SELECT * FROM copies": copies.select(),
        "SELECT * FROM copies ORDER BY 1": copies.select(),
        "CREATE TABLE failures (code INTEGER)": failures.delete(),
        "INSERT INTO failures (code) VALUES (?)": failures.insert(),
        "SELECT code FROM failures": failures.select(),
        "SELECT a FROM nowhere": nowhere,
        "INSERT INTO nowhere VALUES (1)": nowhere,
        "SELECT 1": Result("n int", [(1,)]),
        "SELECT 1 AS one": Result("one int", [(1,)]),
        "SELECT 1 AS a, 2 AS a": Result("a int, a int", [(1, 2)]),
        ENDLESS: Pause(60),
    }


def server(create_table, columns_query):
    """Make the server; *columns_query* is rowferry's question for the columns of a table."""
    definition = "code int PRIMARY KEY, description nvarchar(40) NOT NULL, depth decimal(18,0)"
    sensors, failures = Table("sensors", definition), Table("failures", "code int")
    statements = {
        **reads(sensors),
        **writes(sensors),
        **others(Created(), failures),
        "SELECT [code], [description] FROM sensors WHERE 1 = 0": Result(PAIRS, []),
        create_table: Affected(),
        columns_query: columns_known(),
    }
    return SQLServer(statements)

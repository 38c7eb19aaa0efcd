"""The tables of the documents say what the code says: signatures, defaults, types of columns."""

import ast
import dataclasses
import inspect
import logging
import re

import pytest

import documents
import rowferry as etl
from rowferry.column_types import ColumnType
from rowferry.databases import DATABASES
from rowferry.row_factories import dict_row_factory

DOCS = documents.ROOT / "docs"
DATABASES_PAGE = documents.text_of(DOCS / "databases.md")


def rows_of(table):
    """Give the cells of the rows of a table of Markdown, without its head."""
    for line in table.splitlines():
        yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


# signatures


def default(value):
    """Give a default as the page writes it."""
    names = {dict_row_factory: "dict_row_factory", logging.INFO: "INFO"}
    return names.get(value) or repr(value).replace("'", '"')


def signature(function):
    parts = []
    for one in inspect.signature(function).parameters.values():
        if one.kind is one.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        stars = "**" if one.kind is one.VAR_KEYWORD else ""
        equals = "" if one.default is one.empty else f"={default(one.default)}"
        parts.append(f"{stars}{one.name}{equals}")
    return ", ".join(parts)


SIGNATURES = [
    (name, said)
    for name, said in re.findall(r"^\| `(\w+)\((.*?)\)`(?: \||, `)", DATABASES_PAGE, re.MULTILINE)
    if said != "…"
]


@pytest.mark.parametrize(("name", "said"), SIGNATURES, ids=[name for name, _ in SIGNATURES])
def test_the_signatures_of_the_functions_of_databases_are_those_of_the_code(name, said):
    said = said.replace("row_factory=…", "row_factory=dict_row_factory")
    assert said == signature(getattr(etl, name))


# defaults


def defaults_of(thing):
    if dataclasses.is_dataclass(thing):
        fields = [
            one for one in dataclasses.fields(thing) if one.default is not dataclasses.MISSING
        ]
        return {one.name: one.default for one in fields}
    parameters = inspect.signature(thing).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not one.empty}


DEFAULTS = {
    name: value
    for thing in (etl.Api, etl.Retry, etl.Limits, etl.Api.elasticsearch, etl.copy_to_api)
    for name, value in defaults_of(thing).items()
}


LITERAL = re.compile(r"[\d.]+|None|True|False|\".*\"|\(.*\)")
TABLE = re.compile(r"^\| option[^|]*\| default \| \|\n.*\n((?:\|.*\n)+)", re.MULTILINE)


def told_defaults():
    """Give each option of a table of options with its default, where that is a literal."""
    for page in ("guide.md", "apis.md", "retries-and-limits.md", "elasticsearch.md"):
        for table in TABLE.findall(documents.text_of(DOCS / page)):
            for names, told, *_ in rows_of(table):
                literals = [told] if told.startswith("`(") else told.split(", ")
                for name, text in zip(re.findall(r"`(\w+)`", names), literals, strict=False):
                    literal = text.strip("`").removesuffix(" s")
                    if name in DEFAULTS and LITERAL.fullmatch(literal):
                        yield pytest.param(name, literal, id=f"{page}-{name}")


TOLD = list(told_defaults())


@pytest.mark.parametrize(("name", "literal"), TOLD)
def test_the_defaults_of_the_tables_of_options_are_those_of_the_code(name, literal):
    assert ast.literal_eval(literal) == DEFAULTS[name]


def test_the_defaults_of_most_options_are_told_as_such():
    assert len(TOLD) >= 40


# types


KINDS = {
    "decimal without bounds": ColumnType("decimal"),
    "decimal of 10 digits, 2 of a fraction": ColumnType("decimal", 10, 2),
    "text of 40 characters at most": ColumnType("text", 40),
}
"""Types by the words of the page, where that is not their name."""

DBTYPES = dict(re.findall(r"^\| ([^|]+) \| `\"([A-Z]+)\"` \|", DATABASES_PAGE, re.MULTILINE))
"""By the name of a database on the page: its `dbtype`."""

TYPE_TABLE = re.compile(r"^\| values \| what \|.*\n.*\n((?:\|.*\n)+)", re.MULTILINE)
COLUMNS = [
    DBTYPES[name.strip()]
    for name in re.search(r"^\| values \| what \|(.*)\|$", DATABASES_PAGE, re.MULTILINE)[1].split(
        "|"
    )
]
TYPES = list(rows_of(TYPE_TABLE.search(DATABASES_PAGE)[1]))


def test_there_is_a_column_of_types_for_each_kind_of_database():
    assert set(COLUMNS) == {database.dbtype for database in DATABASES}


@pytest.mark.parametrize("database", DATABASES, ids=lambda database: database.driver)
@pytest.mark.parametrize("row", TYPES, ids=[row[1] for row in TYPES])
def test_the_types_of_the_table_are_those_that_are_declared(row, database):
    column_type = KINDS.get(row[1]) or ColumnType(row[1])
    said = row[2 + COLUMNS.index(database.dbtype)]
    plain, in_key = re.fullmatch(r"(.*?)(?: \(in a key (.*)\))?", said).groups()
    assert database.declaration(column_type, in_key=False) == plain
    assert database.declaration(column_type, in_key=True) == (in_key or plain)

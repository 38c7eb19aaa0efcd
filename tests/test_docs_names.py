"""What a user can name stands between backticks on a page of docs: options, commands, codes."""

import ast
import dataclasses
import inspect
import re

import click
import pytest

import documents
import rowferry as etl
from rowferry import auth, elasticsearch, exceptions, testing
from rowferry.cli import ends
from rowferry.cli.main import rowferry
from rowferry.cli.signals import SIGNALS
from rowferry.http.proxy import proxy_for
from rowferry.records import Report

WORDS = {page.name: documents.named(documents.text_of(page)) for page in documents.DOCS}
COMMAND_LINE = documents.text_of(documents.ROOT / "docs" / "command-line.md")
GUARANTEES = documents.text_of(documents.ROOT / "docs" / "guarantees.md")

# options


def parameters(function):
    """Give the names of what *function* takes, but for what it passes on."""
    return {
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD and name != "self"
    }


def options_of(thing):
    if dataclasses.is_dataclass(thing):
        return {field.name for field in dataclasses.fields(thing)}
    return parameters(thing)


def public(module):
    """Give the functions and classes of a module that has no list of them."""
    return {
        name: thing
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(thing) or inspect.isfunction(thing))
        and thing.__module__ == module.__name__
    }


SCHEMES = ("Basic", "Bearer", "ApiKey", "OAuth2ClientCredentials", "Request", "Token")

OWNERS = {
    **{name: thing for name in etl.__all__ if callable(thing := getattr(etl, name))},
    **public(testing),
    **public(elasticsearch),
    **{name: getattr(auth, name) for name in SCHEMES},
    "elasticsearch": etl.Api.elasticsearch,
    "from_environment": etl.DbParams.from_environment,
}
"""By the name under which a page has to speak of it: whatever takes options."""


@pytest.mark.parametrize("owner", sorted(OWNERS))
def test_every_option_stands_on_a_page_that_names_what_takes_it(owner):
    homes = [words for words in WORDS.values() if owner in words]
    assert homes, f"no page names `{owner}`"
    assert sorted(options_of(OWNERS[owner]) - set().union(*homes)) == []


@pytest.mark.parametrize("owner", ["Api", "Retry", "Limits", "Budget", "Journal", "Incremental"])
def test_the_guide_names_every_option_between_backticks(owner):
    assert sorted(options_of(OWNERS[owner]) - WORDS["guide.md"] - {"url"}) == []


@pytest.mark.parametrize("owner", ["FakeApi", "Received", "Answer", "DbParams"])
def test_every_member_that_is_not_private_stands_on_such_a_page(owner):
    kind = OWNERS[owner]
    made = vars(kind()) if kind is testing.FakeApi else {}
    members = {name for name in (*vars(kind), *made) if not name.startswith("_")} - {"encode"}
    homes = [words for words in WORDS.values() if owner in words]
    assert sorted(members - set().union(*homes)) == []


def test_the_guide_names_every_figure_of_the_report_and_of_progress_events():
    for kind in (etl.Report, etl.Progress):
        figures = options_of(kind) | {
            name for name, value in vars(kind).items() if isinstance(value, property)
        }
        assert sorted(figures - WORDS["guide.md"]) == []


# commands


def commands(command=rowferry, *path):
    """Give every command that does something, by what one types."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    for name in command.list_commands(click.Context(command)):
        yield from commands(command.get_command(click.Context(command), name), *path, name)


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_on_its_page_with_all_that_it_takes(name):
    first, *rest = name.split()
    code = documents.code_in(COMMAND_LINE)
    synopsis = [one for one in code if re.match(rf"rowferry {first}\b", one)]
    assert any(set(rest) <= set(re.findall(r"[\w-]+", one)) for one in synopsis)
    parameters = COMMANDS[name].params
    flags = {flag for one in parameters if isinstance(one, click.Option) for flag in one.opts}
    _, _, table = COMMAND_LINE.partition(f"<!-- options of rowferry {name} -->")
    told = documents.code_in(table.partition("<!-- end -->")[0])
    told += ["--debug"]  # which the page says of all but two
    assert sorted(flags - set(told)) == []


def test_the_options_of_no_command_in_particular_stand_on_the_page():
    flags = {flag for one in rowferry.params for flag in one.opts} | {"--help"}
    assert sorted(flags - {flag for flag in documents.named(COMMAND_LINE) if "--" in flag}) == []


# exit codes


def exit_codes_of_exceptions():
    """Give every exit code that the sources say: of classes, and where one is raised with."""
    found = set()
    for file in documents.ROOT.glob("src/rowferry/**/*.py"):
        for node in ast.walk(ast.parse(documents.text_of(file))):
            name = getattr(node, "arg", None)
            if isinstance(node, ast.Assign):
                name = getattr(node.targets[0], "id", None)
            value = getattr(node, "value", None)
            if name == "exit_code" and isinstance(value, ast.Constant) and value.value is not None:
                found.add(value.value)
    return found


def report(**counts):
    return Report(
        **(dict.fromkeys((field.name for field in dataclasses.fields(Report)), 0) | counts)
    )


CODES_OF_RUNS = exit_codes_of_exceptions() | {
    report(**counts).exit_code for counts in ({}, {"dead": 1}, {"pending": 1})
}
CODES_OF_COMMANDS = {
    *(ends.BUG, ends.CONFIGURATION, ends.DEAD_LETTERS, ends.DISK, ends.BROKEN_PIPE),
    *(128 + number for number in SIGNALS),
}


def codes_in(page):
    """Give the codes of the table under the heading of a page."""
    section = re.search(r"^##+ Exit codes\n(.*?)^##", page, re.MULTILINE | re.DOTALL)[1]
    cells = re.findall(r"^\| ([\d, ]+?) \|", section, re.MULTILINE)
    return {int(code) for cell in cells for code in cell.split(",")}


def test_every_exit_code_of_a_run_stands_in_the_table_of_guarantees_and_no_other():
    assert codes_in(GUARANTEES) == CODES_OF_RUNS


def test_every_exit_code_of_a_command_stands_in_the_table_of_the_command_line_and_no_other():
    assert codes_in(COMMAND_LINE) == CODES_OF_RUNS | CODES_OF_COMMANDS


# exceptions


EXCEPTIONS = {
    name: kind
    for name, kind in vars(exceptions).items()
    if inspect.isclass(kind) and issubclass(kind, Exception)
}
OWN = {name: kind for name, kind in EXCEPTIONS.items() if not name.startswith("ETLHelper")}


@pytest.mark.parametrize("name", OWN)
def test_every_exception_stands_in_the_guide_with_its_parent_and_its_exit_code(name):
    guide = documents.text_of(documents.ROOT / "docs" / "guide.md")
    (parent, code) = re.search(
        rf"^\| `{name}` \| `(\w+)` \|.*\| ([\d, or]+) \|$", guide, re.MULTILINE
    ).groups()
    assert parent == OWN[name].__base__.__name__
    assert int(code[0]) == OWN[name].exit_code


@pytest.mark.parametrize("name", EXCEPTIONS.keys() - OWN.keys())
def test_every_name_of_etlhelpers_for_an_exception_stands_on_its_page(name):
    page = documents.text_of(documents.ROOT / "docs" / "coming-from-etlhelper.md")
    (own,) = re.search(rf"^\| `{name}` \| `(\w+)` \|$", page, re.MULTILINE).groups()
    assert EXCEPTIONS[name] is OWN[own]


@pytest.mark.parametrize("name", ["RejectedError", "TransferError", "SourceError"])
def test_what_an_exception_carries_stands_in_the_guide(name):
    error = OWN[name]("message")
    assert sorted(vars(error).keys() - WORDS["guide.md"]) == []


# environment


def variables(*patterns):
    """Give the names of the environment variables that sources ask for by name."""
    asks = re.compile(
        r"environ(?:\.get\(|\[|\.setdefault\()\s*[\"'](\w+)[\"']"
        r"|[\"'](\w+)[\"'] (?:not )?in os\.environ"
    )
    found = set()
    for pattern in patterns:
        for file in documents.ROOT.glob(pattern):
            found |= {first or second for first, second in asks.findall(documents.text_of(file))}
    return found


def test_every_environment_variable_that_the_sources_ask_for_stands_on_a_page():
    asked = variables("src/rowferry/**/*.py")
    assert "NO_COLOR" in asked
    assert sorted(asked - set().union(*WORDS.values())) == []


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "NO_PROXY"])
def test_every_variable_of_proxies_that_counts_stands_on_their_page(name, monkeypatch):
    for other in ("HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
        monkeypatch.delenv(other.lower(), raising=False)
    assert name in WORDS["tls-and-proxies.md"]
    endpoint = etl.Api("http://api.example/").endpoint
    if name == "NO_PROXY":
        monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
        monkeypatch.setenv(name, "api.example")
        assert proxy_for("environment", endpoint) is None
    else:
        monkeypatch.setenv(name, "http://proxy.example:3128")
        assert proxy_for("environment", endpoint).host == "proxy.example"


def test_every_variable_of_the_tests_and_examples_stands_where_one_takes_part():
    asked = {
        name
        for name in variables("tests/**/*.py", "examples/*.py", "benchmarks/**/*.py")
        if name.startswith("ROWFERRY_")
    } - {"ROWFERRY_CODE"}  # from one process of the torture test to another
    page = documents.named(documents.text_of(documents.ROOT / "CONTRIBUTING.md"))
    assert "ROWFERRY_REQUIRE_SERVERS" in asked
    assert sorted(asked - page) == []

"""Job files: what they hold becomes what the library takes, and every mistake is told at once."""

import dataclasses
import inspect
import json
import sys
from datetime import date, timedelta
from pathlib import Path
from textwrap import dedent

import pytest

import rowferry as etl
from rowferry import auth
from rowferry.config import MistakesError, read_job_file
from rowferry.config.environment import Environment, MissingError
from rowferry.config.job import Destination, Job, Source
from rowferry.config.kinds import SCHEMES, Kind, kind_of
from rowferry.config.options import options_of
from rowferry.config.schema import schema
from rowferry.exceptions import ConfigError


@pytest.fixture
def write(tmp_path):
    """Write a job file; give its path."""

    def write(text):
        path = tmp_path / "job.toml"
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write


def mistakes_in(path):
    with pytest.raises(MistakesError) as raised:
        read_job_file(path)
    return {mistake.path: mistake.message for mistake in raised.value.mistakes}


WHOLE = """
    [jobs.sensors]
    key = ["code", "depth"]
    ordering_key = "code"
    limit = 10
    chunk_size = 100

    [jobs.sensors.source]
    url = "sqlite:///sensors.db"
    query = "SELECT * FROM sensor WHERE date_updated > :since AND code <> '${CODE}'"
    parameters = { since = 2026-01-01, name = "${NAME}" }

    [jobs.sensors.api]
    url = "https://api.example/sensors"
    method = "PUT"
    headers = { Authorization = "Bearer ${TOKEN}", Accept-Language = "en" }
    request_timeout = 5
    success_status = [200, 409]
    idempotency_header = false

    [jobs.sensors.api.retry]
    max_retries = 3

    [jobs.sensors.api.limits]
    requests_per_second = "${RATE}"
    concurrency = "adaptive"

    [jobs.sensors.budget]
    deadline = 60
"""


def test_a_job_file_becomes_what_the_library_takes(write, tmp_path, monkeypatch):
    for name, value in (("NAME", "n"), ("TOKEN", "t0ken"), ("RATE", "12.5")):
        monkeypatch.setenv(name, value)
    file = read_job_file(write(WHOLE))
    job = file.jobs["sensors"]
    assert job == Job(
        source=Source(
            url="sqlite:///sensors.db",
            query="SELECT * FROM sensor WHERE date_updated > :since AND code <> '${CODE}'",
            parameters={"since": date(2026, 1, 1), "name": "n"},
        ),
        api=etl.Api(
            "https://api.example/sensors",
            method="PUT",
            headers={"Authorization": "Bearer t0ken", "Accept-Language": "en"},
            request_timeout=5.0,
            success_status=(200, 409),
            idempotency_header=None,
            retry=etl.Retry(max_retries=3),
            limits=etl.Limits(requests_per_second=12.5),
        ),
        key=("code", "depth"),
        journal=etl.Journal(tmp_path / "sensors.journal"),
        name="sensors",
        ordering_key="code",
        limit=10,
        chunk_size=100,
        budget=etl.Budget(deadline=60.0),
    )


@pytest.mark.parametrize(
    ("text", "journal"),
    [
        ("", "x.journal"),
        ("journal = true", "x.journal"),
        ("journal = 'other'", "other"),
        ("journal = { path = 'other', keep_bodies = false }", "other"),
        ("journal = false", None),
    ],
)
def test_a_journal_lies_beside_the_job_unless_it_says_otherwise(write, tmp_path, text, journal):
    job = "[jobs.x]\napi = 'http://a/'\nsource = { url = 'sqlite:///x', table = 't' }\n"
    kept = read_job_file(write(job + text)).jobs["x"].kept_in
    if journal is None:
        assert kept is None
    else:
        assert kept == etl.Journal(tmp_path / journal, keep_bodies="keep_bodies" not in text)


@pytest.mark.parametrize(
    ("lag", "value"),
    [("'90s'", timedelta(seconds=90)), ("'1.5h'", timedelta(minutes=90)), ("5", 5), ("0.5", 0.5)],
)
def test_a_lag_is_a_time_or_a_number(write, lag, value):
    path = write(f"""
        [jobs.x]
        api = 'http://a/'
        key = 'id'
        source = {{ url = 'sqlite:///x', table = 't' }}
        incremental = {{ cursor = 'changed', lag = {lag} }}
    """)
    assert read_job_file(path).jobs["x"].incremental == etl.Incremental("changed", lag=value)


def test_secrets_are_shown_by_name_and_never_in_a_value(write, monkeypatch):
    monkeypatch.setenv("TOKEN", "t0ken")
    monkeypatch.setenv("NAME", "n")
    monkeypatch.setenv("RATE", "t0ken")
    found = mistakes_in(write(WHOLE))
    assert found == {
        "$.jobs.sensors.api.limits.requests_per_second": "expected a number, not '${RATE}'"
    }


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("type = 'bearer', token = '${SECRET}'", auth.Bearer("s3cret")),
        ("type = 'basic', user = 'me', password = '${SECRET}'", auth.Basic("me", "s3cret")),
        ("type = 'api_key', value = '${SECRET}', header = 'X-K'", auth.ApiKey("s3cret", "X-K")),
        (
            (
                "type = 'oauth2_client_credentials', token_url = 'https://t/', client_id = 'i', "
                "client_secret = '${SECRET}', client_auth = 'body'"
            ),
            auth.OAuth2ClientCredentials("https://t/", "i", "s3cret", client_auth="body"),
        ),
    ],
)
def test_auth_is_a_table_whose_type_tells_the_scheme(write, monkeypatch, text, scheme):
    monkeypatch.setenv("SECRET", "s3cret")
    path = write(f"""
        [jobs.x]
        source = {{ url = "sqlite:///x", table = "t" }}
        api = {{ url = "https://a/", auth = {{ {text} }} }}
    """)
    assert read_job_file(path).jobs["x"].api == etl.Api("https://a/", auth=scheme)


def test_every_scheme_of_the_library_can_be_in_a_file():
    there = {name for name, value in vars(auth).items() if hasattr(value, "secrets")}
    assert set(SCHEMES) == there == {"Basic", "Bearer", "ApiKey", "OAuth2ClientCredentials"}


def test_only_the_jobs_that_are_asked_for_are_looked_at(write):
    path = write("""
        [jobs.good]
        source = { url = "sqlite:///x.db", table = "t" }
        api = "http://localhost:1/"
        [jobs.bad]
        source = { url = "sqlite:///${NOT_SET}", table = "t" }
        api = "http://localhost:1/"
    """)
    assert list(read_job_file(path, ["good"]).jobs) == ["good"]
    assert "NOT_SET" in mistakes_in(path)["$.jobs.bad.source.url"]
    with pytest.raises(MistakesError, match="there is no job god; did you mean good"):
        read_job_file(path, ["god"])


PLANTED = [  # a job's text, where the mistake is, a word of what is said
    ("chunk_sise = 5", "chunk_sise", "did you mean chunk_size?"),
    ("max_retries = 5", "max_retries", "no such option"),
    ("on_error = 'x'", "on_error", "no such option"),
    ("chunk_size = 0", "chunk_size", "at least 1, not 0"),
    ("chunk_size = '5'", "chunk_size", "a whole number, not '5'"),
    ("chunk_size = 1.5", "chunk_size", "a whole number, not 1.5"),
    ("limit = -1", "limit", "at least 0"),
    ("limit = true", "limit", "a whole number, not true"),
    ("limit = 2026-01-01", "limit", "a whole number, not 2026-01-01"),
    ("key = 5", "key", "a list, each of it text, not 5"),
    ("key = []", "key", "must not be empty"),
    ("key = ['id', 5]", "key[1]", "expected text, not 5"),
    ("journal = 5", "journal", "true or false or a table of options, not 5"),
    ("journal = '.'", "journal", "is a folder"),
    ("journal = { path = 'x', keep = 5 }", "journal.keep", "no such option"),
    ("key = 'id'\nincremental = { cursor = '' }", "incremental.cursor", "the name of a column"),
    (
        "key = 'id'\nincremental = { cursor = 'a', lag = '5 days' }",
        "incremental.lag",
        "'90s', '15m'",
    ),
    ("key = 'id'\nincremental = { cursor = 'a', lag = -1 }", "incremental.lag", "at least 0"),
    ("name = ''", "name", "must not be empty"),
    ("transform = 'shaping'", "transform", "'module:function', not 'shaping'"),
    ("transform = 'no_such_module_here:f'", "transform", "cannot import the module"),
    ("transform = 'planted_module:shap'", "transform", "did you mean shape?"),
    ("transform = 'planted_module:NUMBER'", "transform", "is no function"),
    ("transform = 'planted_broken:shape'", "transform", "ZeroDivisionError"),
    ("columns = 'x'", "columns", "a table of options, not 'x'"),
    ("columns.renamed = {}", "columns.renamed", "did you mean rename?"),
    ("columns.rename = { a = 5 }", "columns.rename.a", "expected text, not 5"),
    ("columns.rename = { a = 'x', b = 'x.y' }", "columns.rename", "cannot both have a value"),
    ("columns.rename = { a = 'x..y' }", "columns.rename", "is no place"),
    ("columns.constant = { a = 1, 'a.b' = 2 }", "columns.constant", "cannot both have a value"),
    ("columns.drop = 'a'", "columns.drop", "a list, each of it text, not 'a'"),
    ("budget.max_ded = 1", "budget.max_ded", "did you mean max_dead?"),
    ("budget.deadline = 0", "budget.deadline", "above 0, not 0"),
    ("budget.grace = 'long'", "budget.grace", "a number, not 'long'"),
    ("api.methd = 'PUT'", "api.methd", "did you mean method?"),
    ("api.method = 'GET IT'", "api.method", "POST or PUT"),
    ("api.max_retries = 5", "api.max_retries", "belongs into the table retry"),
    ("api.headers = { Authorization = 'Bearer x' }", "api.headers.Authorization", "${NAME}"),
    ("api.headers = { X = '${NOT_SET_ANYWHERE}' }", "api.headers.X", "NOT_SET_ANYWHERE is not set"),
    ("api.headers = { X = '${file:nowhere}' }", "api.headers.X", "cannot read the file nowhere"),
    ("api.headers = { 'X Y' = 'z' }", "api.headers", "no name of a header"),
    ("api.auth = 'bearer'", "api.auth", "a table of options, not 'bearer'"),
    ("api.auth = { token = '${PATH}' }", "api.auth", "type is missing: 'basic', 'bearer'"),
    ("api.auth = { type = 'bearr' }", "api.auth.type", "did you mean bearer?"),
    ("api.auth = { type = 'bearer', token = 'abc' }", "api.auth.token", "write ${NAME}"),
    ("api.auth = { type = 'bearer' }", "api.auth", "token is missing"),
    ("api.auth = { type = 'basic', user = 5 }", "api.auth.user", "expected text, not 5"),
    ("api.compression = 'gzp'", "api.compression", "did you mean gzip?"),
    ("api.body_format = 'ndjsn'", "api.body_format", "did you mean ndjson?"),
    ("api.batch_size = 0", "api.batch_size", "at least 1"),
    ("api.batch_size = 2", "api.batch_size", "must be 1 with body_format 'json'"),
    ("api.request_timeout = 0", "api.request_timeout", "above 0"),
    ("api.success_status = [302]", "api.success_status", "no redirects"),
    ("api.success_status = ['200']", "api.success_status[0]", "a whole number, not '200'"),
    ("api.on_ambiguous = 'retry it'", "api.on_ambiguous", "did you mean retry?"),
    ("api.proxy = 'http://me:pass@h:1'", "api.proxy", "holds a password"),
    ("api.proxy = 'ftp://h:1'", "api.proxy", "http"),
    ("api.client = 'nowhere_at_all:f'", "api.client", "cannot import the module"),
    ("api.tls = false", "api.tls", "always verified"),
    ("api.tls = { ca = 'nowhere.pem' }", "api.tls", "cannot use nowhere.pem"),
    ("api.retry.max_retries = 'five'", "api.retry.max_retries", "a whole number, not 'five'"),
    ("api.retry.initial_backoff = -1", "api.retry.initial_backoff", "at least 0"),
    ("api.limits.max_in_flight = 0", "api.limits.max_in_flight", "at least 1"),
    ("api.limits.max_in_flight = 1_000_000", "api.limits.max_in_flight", "1 to 10,000"),
    ("api.limits.concurrency = 'adaptiv'", "api.limits.concurrency", "did you mean adaptive?"),
    ("api.limits.concurrency = -1", "api.limits.concurrency", "at least 1"),
    ("api.limits.burst = 4", "api.limits.burst", "needs requests_per_second"),
    ("api.retry = 3", "api.retry", "a table of options, not 3"),
]

PLANTED_SOURCES = [
    ("url = 'sqlite:///x.db'", "", "one of query, query_file and table"),
    ("table = 't'", "", "expected url"),
    ("url = 'sqlit:///x.db'\ntable = 't'", ".url", "sqlite://"),
    ("url = 'not a url'\ntable = 't'", ".url", "no URL of a database"),
    ("url = 'postgresql://me:pass@h/d'\ntable = 't'", ".url", "holds a password"),
    ("url = 'sqlite:///x.db'\ntable = 't'\nquery = 'SELECT 1'", ".table", "beside query"),
    ("url = 'sqlite:///x.db'\ntable = 'a;b'", ".table", "no plain table name"),
    ("url = 'sqlite:///x.db'\nquery_file = 'nowhere.sql'", ".query_file", "No such file"),
    ("url = 'sqlite:///x.db'\nquery_file = 'latin.sql'", ".query_file", "not UTF-8"),
    ("url = 'sqlite:///x.db'\ntable = 't'\nnull = ''", ".null", "is for files"),
    ("file = 'nowhere.csv'", ".file", "there is no file"),
    ("file = 'rows.txt'", ".file", "csv or jsonl"),
    ("file = 'rows.csv'\nparameters = [1]", ".parameters", "for databases"),
    ("file = 'rows.csv'\nurl = 'sqlite:///x.db'", ".file", "beside url"),
    ("file = 'rows.jsonl'\nnull = ''", ".null", "its own null"),
]


def test_every_planted_mistake_is_named_with_its_path_in_one_run(write, tmp_path, monkeypatch):
    (tmp_path / "planted_module.py").write_text("def shape(rows): ...\nNUMBER = 5\n")
    (tmp_path / "planted_broken.py").write_text("1 / 0\n")
    (tmp_path / "latin.sql").write_bytes(b"SELECT '\xe9'")
    (tmp_path / "rows.csv").write_text("id\n1\n")
    (tmp_path / "rows.jsonl").write_text("{}\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    text = ""
    for number, (line, _, _) in enumerate(PLANTED):
        text += f"[jobs.j{number}]\n{line}\n"
        if not line.startswith("api = "):
            text += "api.url = 'http://localhost:1/'\n"
        text += "source = { url = 'sqlite:///x.db', table = 't' }\n"
    for number, (lines, _, _) in enumerate(PLANTED_SOURCES):
        text += f"[jobs.s{number}]\napi = 'http://localhost:1/'\n[jobs.s{number}.source]\n{lines}\n"
    found = mistakes_in(write(text))
    expected = {
        f"$.jobs.j{number}.{path}": said for number, (_, path, said) in enumerate(PLANTED)
    } | {
        f"$.jobs.s{number}.source{path}": said
        for number, (_, path, said) in enumerate(PLANTED_SOURCES)
    }
    assert len(expected) >= 50
    assert {
        path: found.get(path, "")
        for path, said in expected.items()
        if said not in found.get(path, "")
    } == {}
    assert set(found) == set(expected)
    assert "pass" not in found["$.jobs.s4.source.url"].replace("password", "")


OF_THE_JOB = [
    ("", "$.jobs.x", "source is missing"),
    ("api = 'http://localhost/'", "$.jobs.x", "source is missing"),
    ("source = { url = 'sqlite:///x', table = 't' }", "$.jobs.x", "expected api or destination"),
    ("source = 5", "$.jobs.x.source", "a table of options"),
    ("api = 'ftp://x'", "$.jobs.x.api", "must begin with http"),
    (
        "api = 'http://a/'\ndestination = { url = 'sqlite:///y', table = 't' }",
        "$.jobs.x.destination",
        "beside api",
    ),
    (
        "transform = 'json:loads'\ncolumns = { drop = ['x'] }\napi = 'http://a/'",
        "$.jobs.x.columns",
        "beside transform",
    ),
    (
        "destination = { url = 'sqlite:///y', table = 't', on_conflict = 'skip' }",
        "$.jobs.x.destination",
        "needs key",
    ),
    (
        """
        destination = { url = 'sqlite:///y', insert_query = 'INSERT' }
        source = { url = 'sqlite:///x', table = 't' }
        """,
        "$.jobs.x.destination",
        "needs a query",
    ),
    (
        "destination = { url = 'sqlite:///y', table = 't', checkpoint = 'c' }",
        "$.jobs.x.destination",
        "checkpoint needs key",
    ),
    (
        "destination = { url = 'sqlite:///y', table = 't', create = 'yes' }",
        "$.jobs.x.destination.create",
        "true or false, not 'yes'",
    ),
    (
        "api = { url = 'http://a/', body_format = 'ndjson' }\nordering_key = 'a'",
        "$.jobs.x.ordering_key",
        "one record a request",
    ),
]


@pytest.mark.parametrize(("text", "path", "said"), OF_THE_JOB)
def test_what_does_not_go_together_is_told_of_the_job(write, text, path, said):
    assert said in mistakes_in(write(f"[jobs.x]\n{text}"))[path]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a table [jobs.NAME] at least"),
        ("jobs = 5", "expected a table [jobs.NAME] at least"),
        ("[job.x]", "did you mean jobs?"),
        ("[jobs.'a b']", "letters, digits, - and _ only"),
    ],
)
def test_a_file_without_jobs_is_a_mistake(write, text, said):
    assert said in "".join(mistakes_in(write(text)).values())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[jobs\n", "is no TOML: .*line 1"),
        (b"a = 1\na = 2\n", "is no TOML: .*line 2"),
        (b"x = 'a'\ny = '\xff'\n", "is not UTF-8: there is the byte 0xff in line 2"),
        (b"\xff\xfex\x00", "is not UTF-8: there is the byte 0xff in line 1"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(tmp_path, data, said):
    path = tmp_path / "job.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=said):
        read_job_file(path)


def test_a_file_that_cannot_be_read_is_told_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml: No such file or directory"):
        read_job_file(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        read_job_file(tmp_path)


# ${NAME}


def environment(base=Path(), **variables):
    return Environment(variables, base)


def test_references_are_filled_in():
    filled = environment(A="x", B_2="y").fill("${A}-${B_2}-$${A}-$A")
    assert filled == "x-y-${A}-$A"


def test_what_stands_in_a_login_is_percent_encoded_there_and_nowhere_else():
    env = environment(WORD="p@ss/w:rd#1", URL="postgresql://me:a%40b@h/d")
    assert env.fill("postgresql://me:${WORD}@h/d") == "postgresql://me:p%40ss%2Fw%3Ard%231@h/d"
    assert env.fill("http://h/x?k=${WORD}") == "http://h/x?k=p@ss/w:rd#1"
    assert env.fill("${URL}") == "postgresql://me:a%40b@h/d"


def test_a_file_gives_its_text_without_the_last_line_break(tmp_path):
    (tmp_path / "token").write_text("s3cret\n")
    env = environment(tmp_path)
    assert env.fill("Bearer ${file:token}") == "Bearer s3cret"
    assert env.masked("it said s3cret") == "it said ${file:token}"


@pytest.mark.parametrize("text", ["${NOPE}", "${}", "${a b}", "${", "${file:nope}", "${A"])
def test_what_is_not_there_is_named(text):
    with pytest.raises(MissingError):
        environment(A="1").fill(text)


def test_what_was_filled_in_is_masked_also_where_it_is_encoded():
    env = environment(WORD="p@ss", SHORT="ab")
    env.fill("x://u:${WORD}@h ${SHORT}")
    assert env.masked("p@ss p%40ss ab") == "${WORD} ${WORD} ab"


# kinds, options, schema


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int | None, "a whole number"),
        (int | str, "text or a whole number"),
        (list[int], "a list, each of it a whole number"),
        (dict[str, str], "a table, each value of it text"),
        (bool | dict[str, str], "true or false or a table, each value of it text"),
    ],
)
def test_a_kind_says_what_is_expected(hint, words):
    assert str(kind_of(hint)) == words


def test_what_no_file_can_hold_is_no_option():
    assert not kind_of(object)
    assert not kind_of(None | bytes)
    assert kind_of(type(None)) == Kind(nothing=True)


def test_every_option_of_a_transfer_is_an_option_of_a_job_or_made_of_others():
    options = set()
    for function in (etl.post_rows, etl.copy_to_api):
        options |= set(inspect.signature(function).parameters)
    elsewhere = {
        "rows": "source",
        "select_query": "source.query",
        "conn": "source.url",
        "parameters": "source.parameters",
        "row_factory": "rows are dicts",
        "on_error": "what is refused stops the job",
        "progress": "the bar",
    }
    assert options - set(elsewhere) == set(options_of(Job)) & options
    assert options - set(elsewhere) - set(options_of(Job)) == set()


@pytest.mark.parametrize("table", [etl.Api, etl.Retry, etl.Limits, etl.Budget, Job, Source])
def test_every_field_is_an_option_with_a_word_about_it(table):
    options = options_of(table)
    assert {field.name for field in dataclasses.fields(table)} == set(options)
    assert [name for name, option in options.items() if not option.doc] == []


def test_the_schema_has_every_option_and_is_json():
    text = json.dumps(schema())
    for table in (etl.Api, etl.Retry, etl.Limits, etl.Budget, Job, Source, Destination):
        for name in options_of(table):
            assert f'"{name}"' in text

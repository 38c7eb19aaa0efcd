"""What is secret stays so: in what is printed, in the journal, in the page, in letters."""

import json

import pytest

from rowferry.testing import Answer, FakeApi

CANARIES = {
    "PASSWORD": "c4naryPassw0rd",
    "TOKEN": "c4naryT0ken",
    "QUERY_KEY": "c4naryQueryKey",
    "HEADER": "c4naryHeader",
}


def echo(status):
    """Answer with all that was asked, as an API does that is badly made."""

    def behave(request):
        told = json.dumps({"path": request.path, **request.headers}).encode()
        third = request.body and request.json()["id"] == 3
        return Answer(status=status if third else 201, body=told)

    return behave


@pytest.fixture
def secret_job(job):
    return job("""
        api.auth = { type = "bearer", token = "${TOKEN}" }
        api.headers = { X-Word = "${HEADER}" }
        api.retry.max_retries = 0
        [jobs.there]
        source = { url = "postgresql://me:${PASSWORD}@127.0.0.1:1/db", table = "t" }
        api = "http://127.0.0.1:1/"
    """)


@pytest.mark.parametrize("status", [400, 500, 302, 401, 200])
def test_no_secret_is_shown_or_kept_whatever_the_api_answers(secret_job, folder, rowferry, status):
    shown = ""
    with FakeApi(echo(status)) as api:
        env = {"API": f"{api.url}?key={CANARIES['QUERY_KEY']}", **CANARIES}
        for command in (
            ("run", "job.toml", "--debug", "--report", "run.html"),
            ("run", "job.toml", "sensors", "--debug", "--log-format", "json"),
            ("plan", "job.toml", "sensors", "--debug"),
            ("doctor", "job.toml", "--debug"),
            ("status", "job.toml"),
            ("dead-letters", "list", "job.toml"),
            ("dead-letters", "export", "job.toml", "--job", "sensors", "-o", "letters.jsonl"),
            ("retry", "job.toml", "sensors", "--debug"),
        ):
            done = rowferry(*command, env=env)
            shown += done.stdout + done.stderr
    for path in folder.iterdir():
        shown += path.read_bytes().decode("latin-1")
    assert len(shown) > 1000
    for name, canary in CANARIES.items():
        assert canary not in shown, name

"""What `rowferry doctor` finds."""

import re
import ssl

import pytest
import trustme

from rowferry.testing import Answer, FakeApi


def test_doctor_finds_all_well(rowferry, job):
    with FakeApi() as api:
        done = rowferry("doctor", job(), env={"API": api.url})
        assert {request.method for request in api.received} == {"HEAD"}
    assert done.returncode == 0
    assert "FAILED" not in done.stdout
    for what in (
        "driver: sqlite3",
        "columns id, code, depth",
        "takes connections",
        "201 to a HEAD",
    ):
        assert what in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "answer", "code", "said"),
    [
        ("", "", 401, 5, "credentials: the API answered 401 to a HEAD"),
        ("FROM sensor", "FROM nowhere", 201, 4, "source: query: .*no such table"),
        ("SELECT *", "SELECT code,", 201, 4, "source: query: .*syntax error"),
        ("sqlite:///sensors.db", "sqlite:///no/where.db", 201, 4, "source: database: cannot"),
        ("sqlite:///sensors.db", "postgresql://me@127.0.0.1:1/d", 201, 4, "cannot connect"),
        ("${API}", "http://127.0.0.1:1/", 201, 4, "takes no connection: Connection refused"),
        ("${API}", "http://no-such-host.invalid/", 201, 4, "has no address"),
    ],
)
def test_doctor_says_what_is_wrong_and_goes_on(rowferry, job, old, new, answer, code, said):
    path = job()
    path.write_text(path.read_text().replace(old, new, 1))
    with FakeApi(answer) as api:
        done = rowferry("doctor", path, env={"API": api.url})
    assert done.returncode == code
    assert re.search(rf"FAILED.*{said}", done.stdout)
    assert "source: driver" in done.stdout
    assert "api: name" in done.stdout


def test_doctor_tells_of_a_certificate_that_fails(rowferry, job):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path("ca.pem")
    path = job()
    with FakeApi(tls=context) as api:
        bad = rowferry("doctor", path, env={"API": api.url})
        path.write_text(path.read_text() + 'api.tls = { ca = "ca.pem" }\n')
        good = rowferry("doctor", path)
    assert bad.returncode == 2
    assert "name its authority as ca" in bad.stdout
    assert good.returncode == 0
    assert "certificate valid until" in good.stdout


def test_doctor_gets_a_token_where_the_api_wants_one(rowferry, job):
    def behave(request):
        if request.path == "/token":
            right = b"client_secret=s3cret" in request.body
            return Answer(body=b'{"access_token": "t0ken"}') if right else 401
        return 204 if request.headers.get("authorization") == "Bearer t0ken" else 401

    path = job("""
        [jobs.sensors.api.auth]
        type = "oauth2_client_credentials"
        token_url = "${TOKENS}"
        client_id = "me"
        client_secret = "${SECRET}"
        client_auth = "body"
    """)
    with FakeApi(behave) as api:
        env = {"API": api.url, "TOKENS": api.url.replace("records", "token"), "SECRET": "s3cret"}
        good = rowferry("doctor", path, env=env)
        bad = rowferry("doctor", path, env={"SECRET": "wr0ng"})
        plan = rowferry("plan", path)
    assert (good.returncode, bad.returncode, plan.returncode) == (0, 5, 0)
    assert "t0ken" not in good.stdout + bad.stdout + plan.stdout
    assert "s3cret" not in good.stdout
    assert "wr0ng" not in bad.stdout
    assert "a token besides" in plan.stdout


@pytest.mark.parametrize(
    "auth",
    [
        "type = 'basic', user = 'me', password = '${SECRET}'",
        "type = 'bearer', token = '${SECRET}'",
        "type = 'api_key', value = '${SECRET}', header = 'X-Key'",
    ],
)
def test_doctor_and_plan_use_credentials_and_show_none(rowferry, job, auth):
    path = job(f"api.auth = {{ {auth} }}\n")
    with FakeApi(lambda request: 200 if _credential(request) else 401) as api:
        done = rowferry("doctor", path, env={"API": api.url, "SECRET": "s3cret"})
        plan = rowferry("plan", path)
        assert rowferry("run", path).returncode == 0
        credential = _credential(api.received[-1])
    assert (done.returncode, plan.returncode) == (0, 0)
    for text in ("s3cret", credential.split()[-1]):
        assert text not in done.stdout + plan.stdout


def _credential(request):
    return request.headers.get("authorization") or request.headers.get("x-key")


def test_doctor_looks_at_files_and_destinations(rowferry, folder):
    (folder / "rows.csv").write_text("id,code\n1,a\n")
    (folder / "job.toml").write_text(
        "[jobs.x]\nsource.file = 'rows.csv'\n"
        "destination = { url = 'sqlite:///d.db', table = 't' }\n"
    )
    done = rowferry("doctor", "job.toml")
    assert done.returncode == 0
    assert "columns id, code" in done.stdout
    assert "destination: database: SQLITE" in done.stdout

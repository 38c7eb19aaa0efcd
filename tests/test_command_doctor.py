"""What `rowferry doctor` finds."""

import re
import ssl

import pytest
import trustme

from rowferry.testing import FakeApi


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

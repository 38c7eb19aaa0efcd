"""What `rowferry init` writes."""

import re
import sqlite3
from contextlib import closing

from rowferry.testing import FakeApi


def test_init_writes_a_job_that_runs_as_it_is(rowferry, folder):
    with FakeApi() as api:
        init = rowferry("init", "sqlite:///sensors.db", api.url, "--table", "sensor")
        assert init.returncode == 0
        assert "the job sensor, 3 columns, key id" in init.stdout
        assert rowferry("validate", "job.toml").returncode == 0
        assert rowferry("run", "job.toml").returncode == 0
    assert len(api.records) == 5
    again = rowferry("init", "sqlite:///sensors.db", api.url, "--table", "sensor")
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_what_init_comments_out_may_be_put_in(rowferry, folder):
    rowferry("init", "sqlite:///sensors.db", "http://localhost:1/", "--table", "sensor")
    path = folder / "job.toml"
    lines = []
    for line in path.read_text().splitlines():
        option = re.fullmatch(r"# (\[?[a-z_.]+\]?( = [^ #].*)?(  #.*)?)", line)
        given = option and ("=" in option[1] or "[" in option[1])
        lines.append(option[1] if given and "tls" not in line and "drop" not in line else line)
    path.write_text("\n".join(lines))
    done = rowferry("validate", path, env={"TOKEN": "t"})
    assert (done.returncode, done.stderr) == (0, "")
    assert path.read_text().count("\n#") < 20


def test_init_tells_of_bytes_and_of_a_missing_key(rowferry, folder):
    with closing(sqlite3.connect("sensors.db")) as conn:
        conn.execute('CREATE TABLE odd ("a b" TEXT, photo BLOB)')
        conn.execute("CREATE TABLE photos (nr INT, photo BLOB)")
        conn.commit()
    url = "sqlite:///sensors.db"
    assert rowferry("init", url, "--table", "photos", "-o", "photos.toml").returncode == 0
    text = (folder / "photos.toml").read_text()
    assert "no primary key" in text
    assert "photo is left out" in text
    assert rowferry("init", url, "--table", "odd", "-o", "odd.toml").returncode == 0
    assert "SELECT * FROM odd" in (folder / "odd.toml").read_text()
    nowhere = rowferry("init", url, "--table", "nowhere", "-o", "x.toml")
    assert nowhere.returncode == 4
    assert "there is no table 'nowhere'" in nowhere.stderr


def test_init_on_a_fresh_postgresql_table_writes_no_password(
    rowferry, folder, psycopg_connection, postgresql
):
    psycopg_connection.execute("CREATE TABLE public.well (nr bigint PRIMARY KEY, made timestamptz)")
    psycopg_connection.execute("INSERT INTO public.well VALUES (1, now()), (2, NULL)")
    psycopg_connection.commit()
    url = postgresql.url.replace("postgres@", "postgres:h0tel@")
    assert "h0tel" in url
    with FakeApi() as api:
        init = rowferry("init", url, api.url, "--table", "public.well")
        assert (init.returncode, "set SOURCE_PASSWORD" in init.stderr) == (0, True)
        assert "h0tel" not in (folder / "job.toml").read_text()
        done = rowferry("run", "job.toml", env={"SOURCE_PASSWORD": "h0tel"})
    assert (done.returncode, [record["nr"] for record in api.records]) == (0, [1, 2])

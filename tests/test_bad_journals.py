"""Journals that are damaged, old, of another job, held, on a disk that is full or read-only."""

import contextlib
import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

import rowferry
from rowferry import (
    Api,
    Journal,
    copy_to_api,
    dead_letters,
    exceptions,
    mounts,
    post_rows,
)
from rowferry.journal_file import JournalFile
from rowferry.testing import FakeApi

SELECT = "SELECT id, name FROM t"
ROOT = str(Path(rowferry.__file__).parents[1])


@pytest.fixture
def api():
    with FakeApi(lambda request: 422 if request.json()["id"] in {3, 5} else 201) as api:
        yield api


@pytest.fixture
def conn(tmp_path):
    with closing(sqlite3.connect(tmp_path / "source.db")) as conn:
        conn.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
        rows = [(number, f"row {number}") for number in range(1, 401)]
        conn.executemany("INSERT INTO t VALUES (?, ?)", rows)
        conn.commit()
        yield conn


@pytest.fixture
def run(conn, api, tmp_path):
    def run(query=SELECT, *, to=None, **options):
        options = {"key": "id", "journal": Journal(tmp_path / "journal.db")} | options
        return copy_to_api(query, conn, to or api.url, **options)

    return run


@pytest.fixture
def begun(run, tmp_path):
    """A journal of a pass of which half is done."""
    run(limit=200)
    return tmp_path / "journal.db"


def refusal(run, said, exit_code, **options):
    with pytest.raises(exceptions.JournalError) as refused:
        run(**options)
    assert said in str(refused.value), str(refused.value)
    assert refused.value.exit_code == exit_code
    return str(refused.value)


def contents(path):
    with closing(JournalFile(path)) as file:
        letters = file.letters("key, body", "true ORDER BY number")
        return file.fingerprint(), file.last_pass(), file.settled(), letters


@pytest.mark.parametrize("left", [1, 100, 4_096, 4_097, 0.5, 0.9, -1])
def test_a_journal_that_was_truncated_is_refused_and_nothing_sent(begun, run, api, left):
    size = begun.stat().st_size
    os.truncate(begun, int(size * left) if isinstance(left, float) else left % size)
    sent = len(api.received)
    refusal(run, "start_over()", 7)
    assert len(api.received) == sent
    Journal(begun).start_over()
    assert run().delivered == 398
    assert len(list(begun.parent.glob("journal.db.2*"))) == 1


def test_a_journal_that_was_emptied_or_deleted_is_refused(begun, run, api):
    sent = len(api.received)
    os.truncate(begun, 0)
    refusal(run, "journal.db.status.json beside it says there was one", 7)
    begun.unlink()
    refusal(run, "start_over()", 7)
    assert len(api.received) == sent
    Journal(begun).start_over()
    assert run().delivered == 398


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_bit_is_noticed_or_harmless(begun, tmp_path, seed):
    before, dice = contents(begun), random.Random(seed)
    sound = begun.read_bytes()
    for number in range(12):
        damaged = bytearray(sound)
        damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        copy = tmp_path / f"copy {number}"
        copy.write_bytes(damaged)
        with contextlib.suppress(exceptions.JournalError):
            assert contents(copy) == before


def test_a_journal_that_is_an_older_copy_is_noticed(begun, run, tmp_path, api):
    copy = shutil.copy(begun, tmp_path / "copy.db")
    run(limit=100)
    shutil.copy(copy, begun)
    sent = len(api.received)
    refusal(run, "it knows of less than journal.db.status.json", 7)
    assert len(api.received) == sent


@pytest.mark.parametrize(("version", "said"), [(0, "an older version"), (2, "a newer version")])
def test_a_journal_of_another_version_is_refused(begun, run, version, said):
    with closing(sqlite3.connect(begun)) as journal:
        journal.execute(f"PRAGMA user_version = {version}")
    refusal(run, said, 7)


def test_what_is_no_journal_is_refused_and_left_as_it_is(run, tmp_path):
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as conn:
        conn.execute("CREATE TABLE mine (a)")
        conn.commit()
    before = other.read_bytes()
    refusal(run, "no journal", 7, journal=Journal(other))
    with pytest.raises(exceptions.JournalError, match="no journal"):
        Journal(other).start_over()
    assert other.read_bytes() == before
    text = tmp_path / "notes.txt"
    text.write_text("milk, eggs and so on\n" * 1000)
    refusal(run, "not a database", 7, journal=Journal(text))


@pytest.mark.parametrize(
    ("what", "options"),
    [
        ("another query", {"query": "SELECT id, name FROM t WHERE id > 0"}),
        ("another key", {"key": ("id", "name")}),
        ("another url", {"to": "http://127.0.0.1:9/elsewhere"}),
        ("another parameters", {"query": "SELECT id, name FROM t WHERE id < ?", "parameters": [9]}),
    ],
)
def test_a_journal_of_another_transfer_is_refused_naming_what_changed(begun, run, what, options):
    if "parameters" in options:
        Journal(begun).start_over()
        run("SELECT id, name FROM t WHERE id < ?", parameters=[300], limit=100)
    message = refusal(run, what, 2, **options)
    assert "start_over()" in message


def test_another_body_format_is_refused(begun, run, api):
    refusal(run, "another body_format", 2, to=Api(api.url, body_format="ndjson"))


def test_other_parameters_are_no_matter_once_the_pass_is_complete(run):
    for most in (100, 200):
        report = run("SELECT id, name FROM t WHERE id < ?", parameters=[most])
        assert report.read == most - 1


def test_columns_that_changed_are_refused_naming_them(begun, run, conn, api):
    conn.execute("ALTER TABLE t RENAME COLUMN name TO label")
    with pytest.raises(exceptions.SourceError, match="no such column"):
        run()
    Journal(begun).start_over()
    run("SELECT * FROM t", limit=100)
    conn.execute("ALTER TABLE t ADD COLUMN more INTEGER")
    sent = len(api.received)
    message = refusal(run, "another columns", 2, query="SELECT * FROM t")
    assert "more None" in message
    assert len(api.received) == sent


def test_a_key_whose_type_changed_is_refused(run, conn, api):
    conn.execute("CREATE TABLE u (id, name)")
    conn.executemany("INSERT INTO u VALUES (?, 'x')", [(number,) for number in range(100)])
    conn.commit()
    run("SELECT id, name FROM u", limit=50)
    conn.execute("UPDATE u SET id = CAST(id AS TEXT)")
    conn.commit()
    refusal(run, "type of key (a number before, text now)", 2, query="SELECT id, name FROM u")


def test_a_key_that_is_not_unique_is_an_error_that_names_it(run, conn):
    conn.execute("CREATE TABLE u (id, name)")
    conn.executemany("INSERT INTO u VALUES (?, 'x')", [(1,), (2,), (2,)])
    conn.commit()
    with pytest.raises(exceptions.SourceError, match="the same key, id = 2"):
        run("SELECT id, name FROM u")


def test_a_key_of_null_is_an_error_also_where_the_run_goes_on_after_it(begun, run, conn, api):
    sent = len(api.received)
    conn.execute("CREATE TABLE u AS SELECT * FROM t")
    conn.commit()
    Journal(begun).start_over()
    run("SELECT id, name FROM u", limit=100)
    conn.execute("INSERT INTO u VALUES (NULL, 'nobody')")
    conn.commit()
    with pytest.raises(exceptions.SourceError, match="NULL in its key: id = None"):
        run("SELECT id, name FROM u")
    assert len(api.received) == sent + 100


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": 1}, {"id": None}], r"row 2 has None in its key \(id\)"),
        ([{"id": 1}, {"id": 2}, {"id": 1}], r"row 3 has the same key \(id\) as one before, \(1,\)"),
    ],
)
def test_keys_of_an_iterable_are_looked_at_too(api, tmp_path, rows, said):
    with pytest.raises(exceptions.SourceError, match=said):
        post_rows(rows, api.url, key="id", journal=Journal(tmp_path / "j"))


@pytest.mark.parametrize("place", ["/proc/journal.db", "none/journal.db", "file/journal.db"])
def test_where_no_file_can_be_made_nothing_is_sent(run, api, tmp_path, place):
    (tmp_path / "file").write_text("a file, no folder")
    refusal(run, "cannot be", 2, journal=Journal(tmp_path / place))
    assert not api.received


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_must_not_be_written_is_refused(run, api, tmp_path):
    (tmp_path / "locked").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    refusal(run, "cannot be written", 2, journal=Journal(tmp_path / "locked" / "journal.db"))
    assert not api.received


def test_a_journal_is_a_file():
    for wrong in ("/", 5):
        with pytest.raises(exceptions.ConfigError, match="a journal is"):
            Journal(wrong)
    with pytest.raises(exceptions.ConfigError, match=r"journal must be a Journal\(…\)"):
        post_rows([], "http://localhost/", journal="journal.db")


FULL = """
    import resource, sqlite3, sys
    from rowferry import Journal, copy_to_api, exceptions
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
    conn = sqlite3.connect(sys.argv[1])
    try:
        journal = Journal(sys.argv[2])
        copy_to_api("SELECT id, name FROM t", conn, sys.argv[3], key="id", journal=journal)
    except exceptions.RowferryError as error:
        print(error, error.report.delivered, file=sys.stderr)
        sys.exit(error.exit_code)
"""


def child(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_disk_that_is_full_stops_the_run_and_claims_nothing_and_room_lets_it_go_on(
    conn, run, api, tmp_path
):
    path = tmp_path / "journal.db"
    conn.executemany(
        "INSERT INTO t VALUES (?, ?)", [(number, "x" * 100) for number in range(401, 4_001)]
    )
    conn.commit()
    done = child(FULL, tmp_path / "source.db", path, api.url, 100_000)
    assert done.returncode == 7, done.stderr
    assert "cannot be written" in done.stderr
    claimed = int(done.stderr.split()[-1])
    with closing(sqlite3.connect(path)) as journal:
        ((delivered,),) = journal.execute("SELECT delivered FROM passes")
    assert claimed <= delivered <= len(api.received)
    report = run()
    assert (report.delivered, report.dead) == (3_998, 2)
    assert {record["id"] for record in api.records} == set(range(1, 4_001))
    assert len(api.received) - 4_000 <= report.maybe_duplicated


FORKED = """
    import os, sys
    from pathlib import Path
    from rowferry.exceptions import JournalError
    from rowferry.journal_file import JournalFile
    file = JournalFile(Path(sys.argv[1]))
    if not os.fork():
        try:
            file.last_pass()
        except JournalError as error:
            print(error, flush=True)
        file.close()
        os._exit(0)
    os.wait()
    print(file.last_pass().state)
    file.close()
"""


def test_a_journal_that_was_opened_before_a_fork_is_not_used_after_it(begun):
    said, state = child(FORKED, begun).stdout.splitlines()
    assert "opened by another process, before a fork" in said
    assert state == "open"


def test_the_status_is_there_to_be_read_while_a_run_has_the_lock(run, api, tmp_path):
    seen = []

    def look(request):
        place = tmp_path / "journal.db.status.json"
        if place.exists():
            seen.append((json.loads(place.read_text()), stat.S_IMODE(place.stat().st_mode)))
        return 201

    with FakeApi(look) as other:
        run(to=other.url)
    status, mode = seen[-1]
    assert (status["pid"], status["state"], mode) == (os.getpid(), "open", 0o600)
    status = json.loads((tmp_path / "journal.db.status.json").read_text())
    assert (status["state"], status["delivered"]) == ("complete", 400)


def test_open_to_others_it_is_closed_to_them(begun, run):
    begun.chmod(0o644)
    run(limit=1)
    assert stat.S_IMODE(begun.stat().st_mode) == 0o600


MOUNTS = """\
21 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 21 0:26 / /dev/shm rw,nosuid - tmpfs tmpfs rw
31 21 0:27 / /srv/the\\040data rw - nfs4 host:/data rw
"""


def test_file_systems_that_are_not_safe_are_known(tmp_path):
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS)
    for place, kind in (
        ("/home/me/j", "ext4"),
        ("/dev/shm/j", "tmpfs"),
        ("/dev/shmother/j", "ext4"),
        ("/srv/the data/j", "nfs4"),
    ):
        assert mounts.file_system(Path(place), table) == kind
    assert mounts.file_system(Path("/x"), tmp_path / "none") == ""


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="there is no /dev/shm")
def test_a_journal_on_a_disk_of_memory_is_warned_of(run, caplog):
    place = Path("/dev/shm") / f"rowferry-{os.getpid()}.db"
    try:
        run(journal=Journal(place), limit=1)
        assert "is on tmpfs: it is gone when the machine is switched off" in caplog.text
    finally:
        for path in place.parent.glob(f"{place.name}*"):
            path.unlink()


def test_dead_letters_that_are_damaged_are_not_given(begun):
    assert len(dead_letters(begun)) == 2
    with closing(sqlite3.connect(begun)) as journal:
        journal.execute("UPDATE dead_letters SET body = '{}' WHERE number = 1")
        journal.commit()
    with pytest.raises(exceptions.JournalError, match="does not bear out its checksum"):
        dead_letters(begun)


def test_every_exception_says_what_a_command_should_exit_with():
    codes = {
        name: kind.exit_code
        for name, kind in vars(exceptions).items()
        if isinstance(kind, type) and issubclass(kind, Exception) and not name.startswith("ETL")
    }
    assert codes == {
        "RowferryError": 1,
        **dict.fromkeys(("ConfigError", "DbParamsError", "DriverError", "BadIdentifierError"), 2),
        **dict.fromkeys(("SourceError", "ConnectError", "QueryError", "InsertError"), 4),
        **dict.fromkeys(("AbortError", "TransferError", "RejectedError", "ExhaustedError"), 4),
        "AuthError": 5,
        "JournalError": 7,
    }


def test_a_key_that_comes_again_while_its_row_is_open_is_refused_however_many_records_rows_have(
    tmp_path,
):
    many = rowferry.per_row(lambda row: [row | {"n": number} for number in range(5)])
    rows = [{"id": number} for number in (*range(300), 150)]
    with FakeApi(lambda request: None if request.json() == {"id": 100, "n": 0} else 201) as api:
        slow = Api(api.url, request_timeout=0.5, retry=rowferry.Retry(max_retries=0))
        with pytest.raises(exceptions.SourceError, match=r"row 301 has the same key"):
            post_rows(rows, slow, key="id", journal=Journal(tmp_path / "j"), transform=many)

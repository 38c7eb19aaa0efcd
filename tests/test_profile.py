"""Where the time of a row goes: what `perf` prints is counted for the right layer."""

import json
import sys
from pathlib import Path

import pytest

import rowferry

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import layers
import profile_report
from layers import Sample

HERE = Path(__file__).parents[1]
SCRIPT = """\
python 28080
\tffffffff8201e585 tcp_ack ([kernel.kallsyms])
\tffffffff81000130 entry_SYSCALL_64_after_hwframe ([kernel.kallsyms])
\t           ccde0 __pyx_f_6uvloop_4loop_8UVStream__try_write (/site-packages/uvloop/loop.so)
\t           92b61 _PyEval_EvalFrameDefault (/lib/libpython3.13.so.1.0)
\t    7f7ddbff3535 py::Connection._hand_over:/src/rowferry/http/connection.py (/maps/perf-27960.map)
\t           92b61 _PyEval_EvalFrameDefault (/lib/libpython3.13.so.1.0)

python 28080
\t          16a580 PyObject_Malloc (/lib/libpython3.13.so.1.0)
\t    7f7ddbff3555 py::Settling.deliver:/src/rowferry/settling.py (/maps/perf-27960.map)

python 28081
\tffffffff81000130 do_epoll_wait ([kernel.kallsyms])
\t           85f16 uv__io_poll (/site-packages/uvloop/loop.so)
"""


def test_a_stack_ends_at_the_innermost_python_function():
    first, second, third = layers.samples(SCRIPT)
    assert (first.function, first.file) == (
        "Connection._hand_over",
        "/src/rowferry/http/connection.py",
    )
    assert len(first.native) == 4
    assert second.function == "Settling.deliver"
    assert (third.function, len(third.native)) == ("", 2)
    assert [*map(layers.layer_of, layers.samples(SCRIPT))] == [
        *(layers.WRITE, layers.SETTLE, layers.WAIT)
    ]
    assert set(layers.MAP.findall(SCRIPT)) == {"/maps/perf-27960.map"}


@pytest.mark.parametrize(
    ("native", "function", "file", "layer"),
    [
        ("recv (/lib/libpq.so.5)", "Connection.wait", "psycopg/connection.py", layers.FETCH),
        ("entry_SYSCALL_64", "Connection.wait", "psycopg/connection.py", layers.FETCH),
        ("dec_new", "Cursor.fetchall", "site-packages/psycopg/cursor.py", layers.VALUES),
        ("", "<lambda>.<locals>.<listcomp>", "<string>", layers.VALUES),
        ("dict_dealloc", "Run._hand_over_all", "rowferry/pipeline.py", layers.FREE),
        ("json_encode_dict", "_encode_known", "rowferry/values.py", layers.ENCODE),
        ("", "Ndjson.join", "rowferry/formats/ndjson.py", layers.HAND_OVER),
        ("", "Handoff.settled", "rowferry/handoff.py", layers.SETTLE),
        ("", "Handoff.batch", "rowferry/handoff.py", layers.HAND_OVER),
        ("", "Delivery.request", "rowferry/delivery.py", layers.HEAD),
        ("", "Delivery._follower.<locals>.follow_up", "rowferry/delivery.py", layers.SETTLE),
        ("gc_collect_main", "_encode_known", "rowferry/values.py", layers.COLLECT),
        ("futex_wait\ntake_gil", "Connection.wait", "psycopg/connection.py", layers.LOCK),
        ("sqlite3_step", "JournalFile.write", "rowferry/journal_file.py", layers.JOURNAL),
        ("", "Thread.start", "threading.py", layers.OTHER),
    ],
)
def test_what_runs_belongs_to_a_layer(native, function, file, layer):
    sample = Sample(tuple(native.split("\n")), function, f"/somewhere/{file}")
    assert layers.layer_of(sample) == layer


def test_every_function_with_a_layer_of_its_own_is_there():
    text = "".join(path.read_text() for path in Path(rowferry.__file__).parent.glob("*.py"))
    for function in layers.BY_FUNCTION:
        name = function.rpartition(".")[2]
        assert f"def {name}(" in text, function


RUNS = [
    {"rows": 100, "cpu": 100e-6, "profiled": False},
    {"rows": 100, "cpu": 120e-6, "profiled": True},
]
RESULTS = {
    "date": "2026-01-01T00:00",
    "machine": {"cores": 2},
    "versions": {"Python": "3.13"},
    "frequency": 997,
    "profiles": [
        {"name": "S2", "shows": "it", "runs": RUNS, "samples": {"a": 75, "b": 25}},
    ],
}


def test_samples_divide_up_what_a_row_takes_without_the_profiler():
    page = profile_report.render(RESULTS)
    assert "| a | 0.75 | 75.0% |" in page
    assert "| b | 0.25 | 25.0% |" in page
    assert "| all | 1.00 | 100.0% |" in page
    assert "120% (S2)" in page
    assert "within 10.0 points" in page


def test_the_page_has_the_profile_that_was_published():
    results = json.loads((HERE / "benchmarks" / "published_profile.json").read_text())
    assert profile_report.render(results) in (HERE / "docs" / "performance.md").read_text()
    for profile in results["profiles"]:
        assert tuple(profile["samples"]) == layers.LAYERS

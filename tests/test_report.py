"""The figures of a run, and how people and machines read them."""

import json

import pytest

from rowferry import FailedRow, Progress, RawJSON, Report
from rowferry.ledger import Ledger


def report(**figures):
    zero = dict.fromkeys(
        (
            *("read", "records", "delivered", "dead", "skipped", "pending", "requests"),
            *("retries", "maybe_duplicated", "seconds", "max_in_flight"),
        ),
        0,
    )
    return Report(**zero | figures)


def test_a_report_unpacks_as_what_load_returns_does():
    processed, failed = report(delivered=5, dead=2)
    assert (processed, failed) == (7, 2)


@pytest.mark.parametrize(
    ("figures", "code"),
    [({}, 0), ({"delivered": 5}, 0), ({"dead": 1}, 3), ({"pending": 1, "dead": 1}, 4)],
)
def test_the_exit_code_tells_the_worst(figures, code):
    assert report(**figures).exit_code == code


def test_a_report_is_one_line_for_people():
    line = str(report(delivered=48_211, seconds=9.1, max_in_flight=64))
    assert line == "48,211 delivered, 0 dead in 9.1 s (5,298 rows/s, 64 in flight)"
    assert str(report(delivered=1, pending=2_000, dead=3)).startswith(
        "1 delivered, 2,000 pending, 3 dead in "
    )


def test_a_run_that_took_no_time_has_no_rate():
    assert report(delivered=5).rows_per_second == 0.0


def test_a_report_is_figures_for_machines():
    figures = report(delivered=5, seconds=2.0).as_dict()
    assert (figures["delivered"], figures["rows_per_second"], figures["exit_code"]) == (5, 2.5, 0)
    assert json.loads(json.dumps(figures)) == figures


def test_a_report_cannot_be_changed():
    with pytest.raises(AttributeError):
        report().delivered = 5


def test_the_progress_of_a_ledger_is_its_figures():
    ledger = Ledger(total=10)
    ledger.read, ledger.taken = 5, 4
    ledger.delivered, ledger.unsendable, ledger.rejected = 2, 1, 1
    event = ledger.progress(ended=True)
    assert isinstance(event, Progress)
    assert (event.read, event.records, event.total, event.ended) == (5, 5, 10, True)
    assert (event.delivered, event.dead) == (2, 2)


def test_a_failed_row_is_a_pair():
    row, error = FailedRow({"a": 1}, ValueError("x"))
    assert (row, str(error)) == ({"a": 1}, "x")


def test_raw_json_is_equal_where_its_text_is():
    assert RawJSON("1") == RawJSON("1") != RawJSON("2")
    assert RawJSON("1") != "1"
    assert len({RawJSON("1"), RawJSON("1")}) == 1
    assert repr(RawJSON("[1]")) == "RawJSON('[1]')"

"""The counts of a run: their sum is checked before anybody sees them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry.ledger import Ledger

counts = st.integers(0, 10**6)


@given(counts, counts, counts, counts)
def test_every_record_is_delivered_dead_or_pending(delivered, unsendable, rejected, pending):
    ledger = Ledger()
    ledger.delivered, ledger.unsendable, ledger.rejected = delivered, unsendable, rejected
    ledger.taken = delivered + rejected + pending
    ledger.settled = delivered + rejected
    report = ledger.report()
    assert report.records == report.delivered + report.dead + report.pending
    assert report.pending == pending
    for wrong in (1, -1):
        ledger.settled = delivered + rejected + wrong
        with pytest.raises(RuntimeError, match="a bug in rowferry"):
            ledger.report()


def test_the_most_that_was_in_flight_is_remembered():
    ledger = Ledger()
    for _ in range(3):
        ledger.begin_request()
    ledger.in_flight -= 2
    ledger.begin_request()
    report = ledger.report()
    assert (report.requests, report.max_in_flight) == (4, 3)


def test_time_runs_from_the_beginning():
    ledger = Ledger()
    first = ledger.progress().seconds
    assert 0 <= first <= ledger.progress().seconds <= ledger.report().seconds

"""
Mistakes that other loaders and clients make, each with the test that keeps us from it.

Where a test elsewhere holds the rule, the table names it; the others are below. What is about
cursors, state files, credentials and certificates is with those.
"""

import ast
from pathlib import Path

import pytest

from rowferry import Api, Limits, Retry, post_rows
from rowferry.exceptions import TransferError
from rowferry.testing import Answer, FakeApi
from scripted import until

ELSEWHERE = {
    "the whole batch is sent again, though a part of it was taken": (
        "test_faults::test_c23_only_the_items_that_can_be_retried_go_again",
    ),
    "an answer that is no success is ignored": (
        "test_verdict::test_a_status_means_what_the_table_says",
        "test_faults::test_c21_a_record_that_is_not_taken_is_dead_with_what_was_said",
    ),
    "a backoff that never begins anew": (
        "test_retry::test_the_backoff_begins_anew_after_an_outage",
        "test_refusals::test_the_first_that_is_delivered_opens_the_way_to_two_and_each_one_to_one_more",
    ),
    "certificates are not verified": (
        "test_faults::test_c3_a_certificate_that_fails_stops_the_run",
        "test_options::test_what_is_none_of_its_kind_is_named",  # tls=False
    ),
    "a 207, or a 200 with errors in its items, counts as a success": (
        "test_faults::test_c22_each_item_is_judged_by_itself",
        "test_faults::test_the_run_stops_and_nothing_is_dead_after",
    ),
    "Retry-After is cut to one's own maximum": (
        "test_faults::test_c4_all_requests_pause_and_not_only_the_one",
        "test_transfer::test_a_pause_that_is_too_long_stops_the_run",
    ),
    "Retry-After as a date is an exception": ("test_faults::test_c4_a_date_is_waited_for",),
    "a negative Retry-After is a crash": (
        "test_verdict::test_retry_after_is_seconds_or_a_date_or_says_nothing",
        "test_faults::test_a_record_survives",
    ),
    "a 413 is sent again for ever": (
        "test_faults::test_c24_a_batch_that_is_too_large_is_halved_and_the_size_is_learnt",
    ),
    "a 413 to a single record, too": (
        "test_faults::test_c24_a_single_record_that_is_too_large_is_dead_and_not_sent_for_ever",
    ),
    "a 400 or a 404 is sent again": (
        "test_faults::test_c21_a_record_that_is_not_taken_is_dead_with_what_was_said",
    ),
    "a wrong URL turns a table into dead letters": (
        "test_faults::test_the_run_stops_and_nothing_is_dead_after",
    ),
    "records and items are zipped to the shorter": (
        "test_faults::test_c22_items_that_do_not_fit_leave_all_of_a_batch_in_doubt",
    ),
    "a client sends a PUT twice by itself": (
        "test_faults::test_c11_what_is_received_is_what_is_counted",
    ),
    "the time in the queue counts as the request's": (
        "test_faults::test_c12_waiting_for_a_place_is_no_part_of_a_requests_time",
    ),
}


def functions(module):
    """Give the names of the tests in a file beside this one."""
    tree = ast.parse((Path(__file__).parent / f"{module}.py").read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("mistake", ELSEWHERE)
def test_the_test_that_keeps_us_from_it_is_there(mistake):
    for place in ELSEWHERE[mistake]:
        module, _, name = place.partition("::")
        assert name in functions(module)


def test_nothing_but_the_records_is_ever_sent():
    """No `{}` to see whether the API is there, no HEAD, no OPTIONS."""
    with FakeApi() as api:
        target = Api(api.url)
        assert (api.connections, api.received) == (0, [])
        post_rows([], target)
        assert (api.connections, api.received) == (0, [])
        post_rows([{"id": number} for number in range(20)], target)
        assert [request.method for request in api.received] == ["POST"] * 20
        assert sorted(record["id"] for record in api.records) == list(range(20))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_post_that_is_redirected_to_a_get_that_answers_200_is_not_delivered(status):
    def behave(request):
        if request.method == "GET" or request.path != "/records":
            return 200
        return Answer(status=status, headers={"Location": "/records/"})

    with FakeApi(behave) as api:
        with pytest.raises(TransferError, match="redirects are not followed") as caught:
            post_rows([{"id": 1}], api.url)
        assert [(request.method, request.path) for request in api.received] == [
            ("POST", "/records")
        ]
    assert (caught.value.report.delivered, caught.value.report.pending) == (0, 1)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_key_in_a_header_of_ones_own_does_not_follow_a_redirect_to_another_host(status):
    with FakeApi() as elsewhere:
        location = f"http://localhost:{elsewhere.port}/records"
        with FakeApi(Answer(status=status, headers={"Location": location})) as api:
            target = Api(api.url, headers={"X-Api-Key": "s3cret"})
            with pytest.raises(TransferError) as caught:
                post_rows([{"id": 1}], target)
        assert elsewhere.connections == 0
    assert "s3cret" not in str(caught.value)


def test_a_kept_connection_that_drops_with_a_put_on_it_is_counted_as_a_doubt():
    """Others send it again in silence, and it is there twice."""
    stale = {3, 7}

    def behave(request):
        if request.number in stale:
            return Answer(raw=b"", cut="close")
        return 200

    with FakeApi(behave) as api:
        target = Api(
            api.url,
            method="PUT",
            limits=Limits(concurrency=1),
            retry=Retry(initial_backoff=0.001, max_backoff=0.001),
        )
        report = post_rows([{"id": number} for number in range(20)], target)
        assert len(api.received) == report.requests == 22
    assert (report.retries, report.maybe_duplicated) == (2, 2)


@pytest.mark.parametrize("size", [0, 1000, 60_000, 100_000])
def test_answers_with_bodies_that_nobody_needs_do_not_run_the_connections_dry(size):
    with FakeApi(Answer(status=201, body=b"x" * size)) as api:
        report = post_rows(
            [{"id": number} for number in range(100)], Api(api.url, limits=Limits(concurrency=2))
        )
        if size <= 64 * 1024:  # it was read, so the connection is free for the next
            assert api.connections <= 2
        until(lambda: not api.open_connections, "the end of all connections")
    assert (report.delivered, report.retries) == (100, 0)

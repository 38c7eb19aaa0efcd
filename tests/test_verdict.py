"""What an answer means: the table of delivery.md, section 3, status by status."""

import email.utils
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry.batches import Attempts, Response
from rowferry.verdict import Fate, Rules, pause_asked, retry_after

SUCCESS = (200, 201, 202, 204)
REFUSED = {408, 421, 425, 429}
NOW = 1_445_412_470.0  # Wed, 21 Oct 2015 07:27:50 GMT


def judge(response, success_status, now, **rules):
    return Rules(success_status, **rules).judge(response, now)


def expected(status):
    """Give the fate that the table has for *status*."""
    if status in SUCCESS:
        return Fate.DELIVERED
    if status in REFUSED:
        return Fate.REFUSED
    if status == 401:
        return Fate.AUTH
    if status < 400 or status == 407:
        return Fate.STOP
    return Fate.REJECTED if status < 500 or status in {501, 505} else Fate.AMBIGUOUS


@pytest.mark.parametrize("status", range(200, 600))
def test_a_status_means_what_the_table_says(status):
    verdict = judge(Response(status), SUCCESS, NOW)
    assert verdict.fate is expected(status)
    assert str(status) in verdict.reason
    assert verdict.retry_after is None


def test_what_acknowledges_is_for_the_user_to_say():
    for status in (200, 204, 404, 409, 500, 429):
        assert judge(Response(status), {status}, NOW).fate is Fate.DELIVERED
    assert judge(Response(200), {201}, NOW).fate is Fate.STOP
    assert "not in success_status" in judge(Response(206), SUCCESS, NOW).reason


def answer(status, **headers):
    pairs = tuple((n.replace("_", "-").encode(), v.encode()) for n, v in headers.items())
    return Response(status, pairs)


def test_503_is_refused_where_it_says_when_to_come_again():
    verdict = judge(answer(503, retry_after="7"), SUCCESS, NOW)
    assert (verdict.fate, verdict.retry_after) == (Fate.REFUSED, 7.0)
    assert judge(answer(503), SUCCESS, NOW).fate is Fate.AMBIGUOUS
    assert judge(answer(503, retry_after=""), SUCCESS, NOW).fate is Fate.AMBIGUOUS


@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 500, 502])
def test_retry_after_means_nothing_elsewhere(status):
    verdict = judge(answer(status, retry_after="7"), SUCCESS, NOW)
    assert (verdict.fate, verdict.retry_after) == (expected(status), None)


@pytest.mark.parametrize("status", sorted(REFUSED))
def test_a_refusal_says_how_long(status):
    assert judge(answer(status, retry_after="120"), SUCCESS, NOW).retry_after == 120.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0.0),
        (b"5", 5.0),
        (b" 5 ", 5.0),
        (b"007", 7.0),
        (b"000000000000007", 7.0),
        (b"1000000000", 1e9),
        (b"Wed, 21 Oct 2015 07:28:00 GMT", 10.0),
        (b"Wednesday, 21-Oct-15 07:28:00 GMT", 10.0),
        (b"Wed Oct 21 07:28:00 2015", 10.0),
        (b"Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        (b"Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        (b"-5", None),
        (b"1.5", None),
        (b"1e9", None),
        (b"soon", None),
        (b"", None),
        (b"\xff\x00", None),
        (b"\xd9\xa3", None),
        (b"Wed, 99 Oct 2015 07:28:00 GMT", None),
        (b"Wed, 21 Oct 99999 07:28:00 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_says_nothing(value, seconds):
    assert retry_after(value, NOW) == seconds


def test_a_huge_retry_after_stays_huge_and_finite():
    assert 1e11 < retry_after(b"9" * 5000, NOW) < float("inf")


@pytest.mark.parametrize("value", [b"Wed Oct 21 07:28:00 2015", b"Wed, 21 Oct 2015 07:28:00 -0000"])
def test_a_date_without_a_zone_is_none_of_this_machines(value, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert retry_after(value, NOW) == 10.0
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_whatever_retry_after_holds_is_no_negative_and_no_error(value):
    seconds = retry_after(value, NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(0, 4_000_000_000), st.integers(0, 4_000_000_000))
def test_a_date_is_the_seconds_until_then(now, then):
    text = email.utils.formatdate(then, usegmt=True).encode()
    assert retry_after(text, now) == max(0, then - now)


@pytest.mark.parametrize("wrong_by", [-86_400, 0, 86_400])
def test_a_date_is_read_by_the_clock_of_the_api_where_it_tells(wrong_by):
    headers = (
        (b"date", b"Wed, 21 Oct 2015 07:27:50 GMT"),
        (b"retry-after", b"Wed, 21 Oct 2015 07:28:00 GMT"),
    )
    assert pause_asked(Response(429, headers), NOW + wrong_by) == 10.0
    assert pause_asked(Response(429, headers[1:]), NOW) == 10.0
    assert pause_asked(Response(429, ((b"date", b"soon"), headers[1])), NOW) == 10.0


# redirects


def where(location):
    verdict = judge(answer(302, location=location), SUCCESS, NOW)
    assert verdict.fate is Fate.STOP
    assert "a trailing slash is the usual cause" in verdict.reason
    _, found, rest = verdict.reason.partition(", a redirect to ")
    return rest.partition(", and ")[0] if found else None


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/records/", "/records/"),
        ("/records/?token=s3cret", "/records/"),
        ("/records/#s3cret", "/records/"),
        ("records/", "records/"),
        ("https://other.example/s3cret/path", "https://other.example"),
        ("https://other.example?s3cret", "https://other.example"),
        ("https://other.example#s3cret", "https://other.example"),
        ("https://me:s3cret@other.example/", "https://other.example"),
        ("//other.example/s3cret", "http://other.example"),
        ("//me:s3cret@other.example/s3cret", "http://other.example"),
        ("http://[broken/s3cret", None),
        ("", None),
    ],
)
def test_a_redirect_shows_the_path_or_elsewhere_the_host_only(location, shown):
    assert where(location) == shown


def test_a_redirect_without_location_stops_too():
    assert judge(Response(302), SUCCESS, NOW).fate is Fate.STOP


@given(st.text(st.characters(max_codepoint=0xFF)))
def test_a_redirect_never_shows_a_query(text):
    location = ("/path?" + text).encode("latin-1")
    assert "?" not in judge(Response(301, ((b"location", location),)), SUCCESS, NOW).reason


# what is asked of the user


def fate(status, *, count=1, attempts=None, headers=(), **rules):
    rules = Rules(frozenset(rules.pop("success", SUCCESS)), **rules)
    return rules.judge(Response(status, headers), NOW, count=count, attempts=attempts).fate


def test_a_set_replaces_which_statuses_are_sent_again():
    retried = frozenset({429, 503, 418, 401})
    again = {status: fate(status, retry_on_status=retried) for status in range(400, 600)}
    assert again.pop(429) is Fate.REFUSED
    assert {again.pop(status) for status in (503, 418, 401)} == {Fate.AMBIGUOUS}
    assert again.pop(407) is Fate.STOP
    assert set(again.values()) == {Fate.REJECTED}


def test_a_503_that_says_when_is_refused_in_a_set_too():
    says_when = ((b"retry-after", b"1"),)
    assert fate(503, headers=says_when, retry_on_status=frozenset({503})) is Fate.REFUSED
    assert fate(503, headers=says_when, retry_on_status=frozenset()) is Fate.REJECTED


def test_an_empty_set_sends_nothing_again():
    fates = {fate(status, retry_on_status=frozenset()) for status in range(400, 600)}
    assert fates == {Fate.REJECTED, Fate.AUTH, Fate.STOP}


# what depends on what was sent


DOUBTFUL = Attempts(since=0.0, delivered_before=0, ambiguous=1, ever_doubtful=True)
REFUSED_BEFORE = Attempts(since=0.0, delivered_before=0, tries=1)


def test_a_409_to_what_may_be_there_is_asked_once_more():
    assert fate(409) is Fate.REJECTED
    assert fate(409, attempts=REFUSED_BEFORE) is Fate.REJECTED
    assert fate(409, attempts=DOUBTFUL) is Fate.CONFLICT
    once_more = DOUBTFUL.after(Fate.CONFLICT, broken=False)
    assert fate(409, attempts=once_more) is Fate.REJECTED


def test_a_422_to_a_key_that_the_api_may_know_is_a_clash_of_keys():
    def word(status, attempts=None, *, keyed=True, count=1):
        rules = Rules(frozenset(SUCCESS))
        return rules.judge(Response(status), NOW, count=count, attempts=attempts, keyed=keyed).word

    assert word(422, DOUBTFUL) == "key_conflict"
    others = [word(422), word(422, REFUSED_BEFORE), word(400, DOUBTFUL), word(409, DOUBTFUL)]
    assert {*others, word(422, DOUBTFUL, keyed=False)} == {"rejected"}


def test_a_404_to_what_may_have_been_deleted_is_delivered():
    assert fate(404, method="DELETE") is Fate.REJECTED
    assert fate(404, method="DELETE", attempts=REFUSED_BEFORE) is Fate.REJECTED
    assert fate(404, method="DELETE", attempts=DOUBTFUL) is Fate.DELIVERED
    assert fate(404, method="PUT", attempts=DOUBTFUL) is Fate.REJECTED


@pytest.mark.parametrize(
    ("status", "of_many"),
    [
        (413, Fate.TOO_LARGE),
        (400, Fate.UNCLEAR),
        (422, Fate.UNCLEAR),
        (403, Fate.REJECTED),
        (404, Fate.REJECTED),
        (429, Fate.REFUSED),
        (500, Fate.AMBIGUOUS),
    ],
)
def test_a_batch_is_divided_where_that_may_help(status, of_many):
    assert fate(status, count=2) is of_many
    if of_many in {Fate.TOO_LARGE, Fate.UNCLEAR}:
        assert fate(status) is Fate.REJECTED


def test_of_several_retry_afters_the_longest_counts():
    headers = [(b"retry-after", value) for value in (b"3", b"soon", b"7", b"-9")]
    verdict = judge(Response(429, tuple(headers)), SUCCESS, NOW)
    assert verdict.retry_after == 7.0


# the documents


DOCS = Path(__file__).parent.parent / "docs" / "retries-and-limits.md"
CLASSES = {
    "delivered": {Fate.DELIVERED},
    "refused": {Fate.REFUSED},
    "ambiguous": {Fate.AMBIGUOUS},
    "unclear": {Fate.UNCLEAR},
    "too large": {Fate.TOO_LARGE},
    "conflict": {Fate.CONFLICT},
    "a clash of keys": {Fate.REJECTED},
    "rejected": {Fate.REJECTED},
    "the credentials are not accepted": {Fate.AUTH},
    "every record would meet the same": {Fate.STOP},
}


def documented():
    """Give each line of the table of answers that speaks of statuses."""
    table = DOCS.read_text().partition("| answer | means |")[2].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        answer, means, _ = (cell.strip() for cell in line.strip("|").split("|"))
        numbers = re.findall(r"\b(\dxx|\d{3})\b", answer.partition(" but ")[0])
        if numbers:
            yield pytest.param(answer, means.partition(":")[0], numbers, id=answer[:30])


@pytest.mark.parametrize(("answer", "means", "numbers"), list(documented()))
def test_the_documents_say_what_an_answer_means(answer, means, numbers):
    options = {"count": 2} if "batch" in answer else {}
    if "ambiguous try" in answer:
        options["attempts"] = DOUBTFUL
    if "DELETE" in answer:
        options["method"] = "DELETE"
    for number in numbers:
        if number in {"2xx", "4xx", "5xx"}:
            continue  # "other": what the lines with numbers leave over
        status = 302 if number == "3xx" else int(number)
        with_when = "with `Retry-After`" in answer and number == "503"
        headers = ((b"retry-after", b"1"),) if with_when else ()
        assert {fate(status, headers=headers, **options)} == CLASSES[means]


def test_the_documents_leave_no_status_out():
    named = {number for case in documented() for number in case.values[2]}
    for status in range(200, 600):
        other = {"2": "2xx", "3": "3xx", "4": "4xx", "5": "5xx"}[str(status)[0]]
        assert str(status) in named or other in named
        if str(status) not in named:
            expected = {"2xx": Fate.STOP, "3xx": Fate.STOP, "4xx": Fate.REJECTED}
            assert fate(status) is expected.get(other, Fate.AMBIGUOUS)

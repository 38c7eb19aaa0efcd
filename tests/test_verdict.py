"""What an answer means: the table of delivery.md, section 3, status by status."""

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry.batches import Response
from rowferry.verdict import Fate, Rules, retry_after

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


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_whatever_retry_after_holds_is_no_negative_and_no_error(value):
    seconds = retry_after(value, NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(0, 4_000_000_000), st.integers(0, 4_000_000_000))
def test_a_date_is_the_seconds_until_then(now, then):
    text = email.utils.formatdate(then, usegmt=True).encode()
    assert retry_after(text, now) == max(0, then - now)


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

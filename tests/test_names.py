"""Names become addresses off the loop, and every address has its chance."""

import asyncio
import errno
import socket
import threading
import time

import pytest
import trustme
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from rowferry import Api, Budget, Limits, Retry, post_rows
from rowferry.exceptions import TransferError
from rowferry.http.endpoint import parse_url
from rowferry.http.names import Resolver, first_reached, interleaved
from rowferry.http.opening import connect
from rowferry.testing import Answer, FakeApi
from scripted import LONG, auntil, until

QUICK = Retry(initial_backoff=0.001, max_backoff=0.01)
ONE = Limits(max_in_flight=1, concurrency=1)
REAL = socket.getaddrinfo
CLOSING = Answer(headers={"Connection": "close"}, cut="close")


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on each kind of loop."""

    def run(coroutine):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(asyncio.wait_for(coroutine, LONG))

    return run


def at(port, host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))


class Names:
    """A resolver of the system's that says what it is told: a list of addresses, or an error."""

    def __init__(self, monkeypatch, say):
        self.asked = []
        self.threads = set()
        self._say = say
        monkeypatch.setattr(socket, "getaddrinfo", self._get)

    def _get(self, host, port, *rest, **options):
        if not str(host).endswith(".example"):
            return REAL(host, port, *rest, **options)
        if options.get("flags"):  # whether it is an address: it is none
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        self.asked.append(host)
        self.threads.add(threading.current_thread())
        said = self._say(len(self.asked))
        if isinstance(said, Exception):
            raise said
        return said


@pytest.fixture
def names(monkeypatch):
    return lambda say: Names(monkeypatch, say)


def gaierror(number):
    return socket.gaierror(number, "not now")


def rows_of(count):
    return [{"id": number} for number in range(count)]


@pytest.fixture
def black_hole():
    """An address that neither takes nor refuses: its backlog is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        place = listener.getsockname()
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(place)
            fillers.append(filler)
        yield at(place[1])
        for filler in fillers:
            filler.close()


async def let_go(api):
    """Wait until *api* has seen that nobody is connected any more."""
    await auntil(lambda: api.connections and not api.open_connections)


# the sums


def test_families_take_turns_and_the_first_begins():
    six, four = [at(n, "::1") for n in range(3)], [at(n) for n in range(2)]
    assert interleaved([*six, *four]) == [six[0], four[0], six[1], four[1], six[2]]
    assert interleaved([*four, *six]) == [four[0], six[0], four[1], six[1], six[2]]
    assert interleaved([]) == []


@given(st.lists(st.sampled_from(["::1", "127.0.0.1"])))
def test_no_address_is_lost_and_those_of_a_family_keep_their_order(hosts):
    given_ = [at(number, host) for number, host in enumerate(hosts)]
    ordered = interleaved(given_)
    assert sorted(ordered, key=str) == sorted(given_, key=str)
    for family in (socket.AF_INET, socket.AF_INET6):
        assert [a for a in ordered if a[0] == family] == [a for a in given_ if a[0] == family]


# the resolver


def test_a_name_is_asked_for_off_the_loop_and_once_for_all_who_want_it_now(run, names):
    release = threading.Event()

    def slow(_number):
        release.wait(LONG)
        return [at(1)]

    system = names(slow)

    async def ask():
        resolver = Resolver()
        asking = [asyncio.create_task(resolver.addresses("api.example", 1)) for _ in range(64)]
        for _ in range(10):
            await asyncio.sleep(0)  # the loop goes on
        assert not any(each.done() for each in asking)
        release.set()
        assert await asyncio.gather(*asking) == [[at(1)]] * 64
        assert system.asked == ["api.example"]
        assert await resolver.addresses("api.example", 1) == [at(1)]
        assert len(system.asked) == 2  # nothing is remembered

    run(ask())
    assert threading.main_thread() not in system.threads


def test_an_address_is_not_asked_for(run, names):
    system = names(lambda _number: [])

    async def ask():
        resolver = Resolver()
        assert (await resolver.addresses("127.0.0.1", 5))[0][4] == ("127.0.0.1", 5)
        assert (await resolver.addresses("::1", 5))[0][4][:2] == ("::1", 5)

    run(ask())
    assert system.asked == []


def test_an_error_is_given_to_all_who_asked(run, names):
    names(lambda _number: gaierror(socket.EAI_AGAIN))

    async def ask():
        resolver = Resolver()
        asking = [resolver.addresses("api.example", 1) for _ in range(3)]
        errors = await asyncio.gather(*asking, return_exceptions=True)
        assert [error.errno for error in errors] == [socket.EAI_AGAIN] * 3

    run(ask())


def test_a_name_that_no_resolver_can_be_asked_for_does_not_exist(run, names):
    names(lambda _number: UnicodeError("label too long"))

    async def ask():
        with pytest.raises(socket.gaierror) as caught:
            await Resolver().addresses("api.example", 1)
        assert caught.value.errno == socket.EAI_NONAME

    run(ask())


def test_a_resolver_that_hangs_holds_up_nobody_for_longer_than_allowed(names):
    release = threading.Event()

    def hang(_number):
        release.wait(60)
        return [at(1)]

    system = names(hang)
    began = time.monotonic()
    target = Api("http://api.example/", connect_timeout=0.05, retry=Retry(max_retries=3))
    with pytest.raises(TransferError, match="longer than connect_timeout") as caught:
        post_rows(rows_of(5), target)
    assert time.monotonic() - began < 30  # it did not wait for the resolver, either
    assert len(system.asked) == 1  # nor ask on ever more threads
    assert (caught.value.exit_code, caught.value.report.requests) == (4, 0)
    release.set()
    until(lambda: not any(thread.is_alive() for thread in system.threads))


# the addresses


def test_a_connection_has_no_delay_of_nagles(run):
    async def connected():
        with FakeApi() as api:
            connection = await connect(parse_url(api.url), None, LONG)
            sock = connection._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            connection.close()
            await let_go(api)

    run(connected())


def test_an_address_that_refuses_is_followed_by_the_next_at_once(run):
    async def reach():
        with FakeApi() as api, socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
            gone.close()
            began = time.monotonic()
            sock = await first_reached([at(port), at(port), at(api.port)], head_start=60)
            assert sock.getpeername()[1] == api.port
            assert time.monotonic() - began < LONG
            sock.close()
            await let_go(api)

    run(reach())


def test_an_address_that_does_not_answer_is_overtaken_by_the_next(run, black_hole):
    async def reach():
        with FakeApi() as api:
            sock = await first_reached([black_hole, at(api.port)], head_start=0.01)
            assert sock.getpeername()[1] == api.port
            sock.close()
            await let_go(api)
        await auntil(lambda: len(asyncio.all_tasks()) <= 2)  # this one, and who waits for it

    run(reach())


def test_of_several_that_answer_one_is_kept_and_the_others_are_closed(run):
    async def reach():
        with FakeApi() as api:
            sock = await first_reached([at(api.port)] * 5, head_start=0.0)
            assert sock.getpeername()[1] == api.port
            sock.close()
            await let_go(api)

    run(reach())


def test_where_no_address_answers_the_error_says_what_each_said(run):
    async def reach():
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        unroutable = at(port, "255.255.255.255")
        with pytest.raises(OSError, match="onnect") as caught:
            await first_reached([unroutable, at(port)])
        assert "127.0.0.1" in str(caught.value)
        assert "255.255.255.255" in str(caught.value)
        assert caught.value.errno == errno.ECONNREFUSED

    run(reach())


def test_a_socket_that_met_itself_is_no_connection(run, monkeypatch):
    """It happens once in many thousand tries to a port of this machine that nobody listens on."""

    async def reach():
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]

        class Bound(socket.socket):
            def __init__(self, *args):
                super().__init__(*args)
                self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.bind(("127.0.0.1", port))

        with monkeypatch.context() as patched:
            patched.setattr(socket, "socket", Bound)
            with pytest.raises(ConnectionRefusedError, match="connected to itself"):
                await first_reached([at(port)])

    run(reach())


def test_who_gives_up_leaves_no_socket_open(run, black_hole):
    async def give_up():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await first_reached([black_hole, black_hole], head_start=0.01)
        await auntil(lambda: len(asyncio.all_tasks()) <= 2)

    run(give_up())  # an open socket would be a ResourceWarning, which is an error here


def test_who_is_cancelled_again_and_again_leaves_no_socket_open(run):
    async def cancelled(api, steps):
        reaching = asyncio.create_task(first_reached([at(api.port)] * 3, head_start=0.0))
        for _ in range(steps):
            await asyncio.sleep(0)
        while not reaching.done():
            reaching.cancel()
            await asyncio.sleep(0)
        if not reaching.cancelled():
            reaching.result().close()

    async def all_cancelled():
        with FakeApi() as api:
            for steps in range(12):
                await cancelled(api, steps)
            await auntil(lambda: not api.open_connections)

    run(all_cancelled())


# C2: what a run makes of it


def test_a_name_that_never_existed_stops_the_run_at_once(names):
    system = names(lambda _number: gaierror(socket.EAI_NONAME))
    with pytest.raises(TransferError, match=r"cannot connect to api\.example") as caught:
        post_rows(rows_of(5), Api("http://api.example/"))
    assert (caught.value.exit_code, len(system.asked)) == (2, 1)
    assert str(caught.value).endswith("nothing was sent")


def test_a_resolver_in_trouble_is_asked_again_and_then_given_up(names):
    system = names(lambda _number: gaierror(socket.EAI_AGAIN))
    retry = Retry(max_retries=3, initial_backoff=0.001)
    with pytest.raises(TransferError, match="tried 4 times") as caught:
        post_rows(rows_of(5), Api("http://api.example/", retry=retry))
    assert (caught.value.exit_code, len(system.asked)) == (4, 4)


@pytest.mark.parametrize("number", [socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL])
def test_a_name_that_is_lost_in_the_middle_of_a_run_is_asked_for_again(names, number):
    with FakeApi(CLOSING) as api:
        system = names(lambda asked: gaierror(number) if asked % 3 == 2 else [at(api.port)])
        target = Api(f"http://api.example:{api.port}/", limits=ONE, retry=QUICK)
        report = post_rows(rows_of(12), target, budget=Budget(deadline=LONG))
    assert (report.delivered, report.maybe_duplicated) == (12, 0)
    assert report.retries > 0
    assert len(system.asked) > 12


def test_a_name_that_moves_is_found_where_it_is_now(names):
    def moves(request):
        if request.number == 5:
            place[0] = after.port
        return CLOSING

    with FakeApi(moves) as before, FakeApi(CLOSING) as after:
        place = [before.port]
        names(lambda _asked: [at(place[0])])
        target = Api("http://api.example/", limits=ONE, retry=QUICK)
        assert post_rows(rows_of(20), target).delivered == 20
        assert (len(before.received), len(after.received)) == (6, 14)
        assert {request.headers["host"] for request in after.received} == {"api.example"}


# C29: a name that leads elsewhere


def test_c29_where_a_name_is_made_to_lead_elsewhere_a_certificate_keeps_all_from_it(
    names, tmp_path
):
    import ssl  # noqa: PLC0415 (beside what it is for)

    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own, other = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2))
    authority.issue_cert("api.example").configure_cert(own)
    authority.issue_cert("elsewhere.example").configure_cert(other)
    with FakeApi(CLOSING, tls=own) as api, FakeApi(tls=other) as elsewhere, FakeApi() as plain:
        ports = {1: api.port, 2: elsewhere.port, 3: plain.port}
        system = names(lambda asked: [at(ports.get(asked % 4, api.port))])
        target = Api(
            "https://api.example/",
            tls={"ca": tmp_path / "ca.pem"},
            headers={"Authorization": "Bearer t0ken"},
            limits=ONE,
            retry=QUICK,
            connect_timeout=1.0,
        )
        report = post_rows(rows_of(10), target, budget=Budget(deadline=LONG))
        assert elsewhere.received == plain.received == []
    assert (report.delivered, report.maybe_duplicated) == (10, 0)
    assert len(system.asked) > 10
    assert {request.headers["host"] for request in api.received} == {"api.example"}


def test_c29_data_cannot_change_where_requests_go():
    """Over plain http a name is all there is: what is kept is that the name is the url's own."""
    with FakeApi() as api:
        rows = [{"host": "169.254.169.254", "url": "http://127.0.0.1:1/"}]
        assert post_rows(rows, api.url).delivered == 1
        assert api.received[0].headers["host"] == f"127.0.0.1:{api.port}"

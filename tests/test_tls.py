"""TLS: certificates that fail, versions that are too old, a client's own; and the files named."""

import contextlib
import datetime as dt
import itertools
import socket
import ssl
import subprocess
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme

from rowferry import Api, Budget, Limits, Retry, post_rows
from rowferry.exceptions import ConfigError, TransferError
from rowferry.testing import Answer, FakeApi
from scripted import LONG

QUICK = Retry(max_retries=2, initial_backoff=0.001, max_backoff=0.01)
ONE = Limits(max_in_flight=1, concurrency=1)
CLOSING = Answer(headers={"Connection": "close"}, cut="close")
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(folder):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return authority


@pytest.fixture(scope="module")
def files(folder, authority):
    """Certificates and keys for a client: its own, another's, encrypted, in one file."""
    for name in ("client", "other"):
        pair = authority.issue_cert(f"{name}@example.org")
        pair.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        pair.private_key_pem.write_to_path(folder / f"{name}.key")
        pair.private_key_and_cert_chain_pem.write_to_path(folder / f"{name}-both.pem")
    encrypt = ["openssl", "pkey", "-aes256", "-passout", "pass:s3cret"]
    subprocess.run(
        [*encrypt, "-in", folder / "client.key", "-out", folder / "encrypted.key"],
        check=True,
        capture_output=True,
    )
    (folder / "text").write_text("no certificate")
    (folder / "empty").write_text("")
    (folder / "torn.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n")
    return folder


def server(authority, *names, **options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1",)), **options).configure_cert(context)
    return context


@contextlib.contextmanager
def serving(context):
    """
    A server on blocking sockets, whose OpenSSL says why it refuses; gives its URL.

    asyncio's, which FakeApi is, closes the connection without the alert.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def serve():
            with contextlib.suppress(OSError):  # the listener is shut down
                while True:
                    client, _ = listener.accept()
                    with (
                        contextlib.suppress(OSError),
                        client,
                        context.wrap_socket(client, server_side=True) as secure,
                    ):
                        secure.recv(65536)
                        secure.sendall(b"HTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n")

        pool.submit(serve)
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)


def rows_of(count):
    return [{"id": number} for number in range(count)]


def refusal(**tls):
    with pytest.raises(ConfigError) as caught:
        Api("https://h/", tls=tls)
    return str(caught.value)


# C3: what stops a run before anything was sent


def self_signed(authority, folder):
    """A certificate that vouches for itself."""
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    place = ["-nodes", "-keyout", folder / "self.key", "-out", folder / "self.pem"]
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*make, *place, *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "self.pem", folder / "self.key")
    return context


def tls_1_0(authority, _folder):
    context = server(authority)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


BAD_SERVERS = {
    "expired": (
        lambda authority, _: server(authority, "127.0.0.1", not_after=LONG_AGO),
        "certificate has expired",
    ),
    "wrong host": (
        lambda authority, _: server(authority, "other.example"),
        "certificate is not valid for '127.0.0.1'",
    ),
    "self-signed": (self_signed, "self-signed certificate"),
    "another authority": (lambda *_: server(trustme.CA()), "certificate"),
    "TLS 1.0": (tls_1_0, "protocol"),
}


@pytest.mark.parametrize("case", BAD_SERVERS)
def test_c3_a_server_that_cannot_be_trusted_stops_the_run_and_gets_nothing(authority, folder, case):
    make, words = BAD_SERVERS[case]
    with serving(make(authority, folder)) as url, pytest.raises(TransferError) as caught:
        post_rows(rows_of(5), Api(url, tls={"ca": folder / "ca.pem"}, retry=QUICK))
    error = caught.value
    assert (error.exit_code, error.report.requests, error.report.pending) == (2, 0, 5)
    assert words in str(error)
    assert "nothing was sent" in str(error)
    assert "tried" not in str(error)


def test_c3_a_certificate_that_fails_once_the_api_was_reached_is_waited_for(authority, folder):
    good, bad = server(authority, "localhost"), server(authority, "other.example")
    handshakes = itertools.count()

    def choose(sock, _name, _context):  # the second of three servers has another's certificate
        sock.context = bad if next(handshakes) % 3 == 1 else good

    good.sni_callback = choose
    with FakeApi(CLOSING, tls=good) as api:
        target = Api(
            f"https://localhost:{api.port}/",
            tls={"ca": folder / "ca.pem"},
            limits=ONE,
            retry=QUICK,
        )
        report = post_rows(rows_of(10), target, budget=Budget(deadline=LONG))
    assert (report.delivered, len(api.received), report.maybe_duplicated) == (10, 10, 0)
    assert report.retries > 0


# a client's own certificate


def asking(authority):
    """A server that lets in only whom the authority knows."""
    context = server(authority)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.mark.parametrize(
    "names",
    [
        {"cert": "client.pem", "key": "client.key"},
        {"cert": "client-both.pem"},
        {"cert": "client-both.pem", "key": "client-both.pem"},
    ],
)
def test_a_client_shows_its_own_certificate_where_it_is_asked_for(authority, files, names):
    tls = {name: str(files / file) for name, file in names.items()}
    with FakeApi(tls=asking(authority)) as api:
        report = post_rows(rows_of(50), Api(api.url, tls=tls | {"ca": files / "ca.pem"}))
    assert report.delivered == len(api.received) == 50


def test_a_context_of_the_users_own_is_taken_as_it_is(authority, files):
    context = ssl.create_default_context(cafile=files / "ca.pem")
    context.load_cert_chain(files / "client.pem", files / "encrypted.key", "s3cret")
    with FakeApi(tls=asking(authority)) as api:
        assert post_rows(rows_of(50), Api(api.url, tls=context)).delivered == 50


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_that_shows_none_where_one_is_asked_for_is_told_so(authority, files, version):
    """In TLS 1.3 the handshake is over for the client before the server has looked."""
    context = asking(authority)
    context.maximum_version = version
    with serving(context) as url, pytest.raises(TransferError) as caught:
        post_rows(rows_of(5), Api(url, tls={"ca": files / "ca.pem"}, retry=QUICK))
    assert "it may want to see this client's certificate" in str(caught.value)
    assert (caught.value.exit_code, caught.value.report.pending) == (2, 5)


# files


@pytest.mark.parametrize(
    ("names", "named", "words"),
    [
        ({"ca": "missing"}, "missing", "No such file"),
        ({"ca": "."}, ".", "directory"),
        ({"ca": "text"}, "text", "it holds no certificates in PEM"),
        ({"ca": "empty"}, "empty", "it holds no certificates in PEM"),
        ({"ca": "torn.pem"}, "torn.pem", "it holds no certificates in PEM"),
        ({"cert": "text", "key": "client.key"}, "text", "it holds no certificate in PEM"),
        ({"cert": "client.key", "key": "client.key"}, "client.key", "no certificate in PEM"),
        ({"cert": "client.pem"}, "client.pem", "it holds no private key in PEM; 'key' names one"),
        ({"cert": "client.pem", "key": "text"}, "text", "it holds no private key in PEM"),
        ({"cert": "client.pem", "key": "missing"}, "missing", "No such file"),
        ({"cert": "missing", "key": "client.key"}, "missing", "No such file"),
        ({"cert": "client.pem", "key": "other.key"}, "other.key", "does not belong to the cert"),
        ({"cert": "client.pem", "key": "encrypted.key"}, "encrypted.key", "its key is encrypted"),
        ({"cert": "torn.pem", "key": "client.key"}, "torn.pem", ""),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(files, names, named, words):
    problem = refusal(**{name: str(files / file) for name, file in names.items()})
    assert problem.startswith("tls: cannot use ")
    assert str(files / named) in problem
    assert words in problem


@pytest.mark.parametrize("name", ["", None, 5, b"ca.pem", False])
def test_a_file_name_is_text_or_a_path(files, name):
    assert refusal(ca=name) == f"tls: cannot use {name!r}: it is no file name"
    assert refusal(cert=files / "client.pem", key=name).endswith("it is no file name")


def test_a_file_that_may_not_be_read_is_named(files, monkeypatch):
    def denied(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", denied)  # root may read all
    assert refusal(ca="ca.pem") == "tls: cannot use ca.pem: [Errno 13] Permission denied"


def test_a_named_authority_replaces_those_of_the_system(files):
    context = Api("https://h/", tls={"ca": files / "ca.pem"}).tls_context
    assert len(context.get_ca_certs()) == 1


def test_tls_is_1_2_or_later(files):
    for tls in (True, {"ca": files / "ca.pem"}, {"cert": files / "client-both.pem"}):
        assert Api("https://h/", tls=tls).tls_context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_f6_verification_cannot_be_switched_off():
    with pytest.raises(ConfigError, match="name its authority as 'ca'"):
        Api("https://h/", tls=False)

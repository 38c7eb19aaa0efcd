"""
Sign each request as services of AWS want it: Signature Version 4.

    python examples/sign_aws.py

The API is a fake one that listens on this machine, and prints what it got. What is here is what
most services take; S3 wants the hash of the body in a header as well, and its paths encoded once.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import datetime as dt
import hashlib
import hmac
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, quote

import rowferry as etl
from rowferry.auth import Request
from rowferry.testing import FakeApi

SIGNED = ("content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target")


def now() -> dt.datetime:
    """Give the moment."""
    return dt.datetime.now(dt.UTC)


class SigV4:
    """AWS Signature Version 4, in the Authorization header."""

    def __init__(
        self,
        key_id: str,
        secret: str,
        *,
        region: str,
        service: str,
        session_token: str = "",
        clock: Callable[[], dt.datetime] = now,
    ) -> None:
        self._key_id = key_id
        self._secret = secret
        self._region = region
        self._service = service
        self._session_token = session_token
        self._clock = clock
        self.secrets = (secret, session_token)  # rowferry blots them out of what it shows

    def sign(self, request: Request) -> Mapping[str, str]:
        """Give the headers that a request gets."""
        moment = self._clock().strftime("%Y%m%dT%H%M%SZ")
        added = {"X-Amz-Date": moment}
        if self._session_token:
            added["X-Amz-Security-Token"] = self._session_token
        headers = {
            name.lower(): " ".join(value.split())
            for name, value in {**request.headers, **added}.items()
            if name.lower() in SIGNED
        }
        names = ";".join(sorted(headers))
        scope = f"{moment[:8]}/{self._region}/{self._service}/aws4_request"
        canonical = self._canonical(request, headers, names)
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{_hash(canonical.encode())}"
        signature = _hmac(self._key(moment[:8]), text).hex()
        added["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._key_id}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return added

    def _canonical(self, request: Request, headers: Mapping[str, str], names: str) -> str:
        """Give the one form of a request that both sides sign."""
        path = quote(request.path, safe="/-_.~")  # encoded a second time, but for S3
        pairs = parse_qsl(request.query, keep_blank_values=True)
        query = sorted(
            (quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs
        )
        lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
        return "\n".join(
            [
                request.method,
                path,
                "&".join(f"{name}={value}" for name, value in query),
                *lines,
                "",
                names,
                _hash(request.body),
            ]
        )

    def _key(self, day: str) -> bytes:
        """Give the key of a day, region and service."""
        key = f"AWS4{self._secret}".encode()
        for part in (day, self._region, self._service, "aws4_request"):
            key = _hmac(key, part)
        return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main() -> None:
    """Send two rows to a service that takes JSON."""
    scheme = SigV4(
        "AKIDEXAMPLE",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        region="eu-west-1",
        service="execute-api",
    )
    with FakeApi() as server:
        api = etl.Api(server.url + "/{code}", auth=scheme)
        print(etl.post_rows([{"code": "a b"}, {"code": "c"}], api))
        for request in sorted(server.received, key=lambda request: request.path):
            credential, _, signature = request.headers["authorization"].rpartition(", Signature=")
            print(request.path, credential.rpartition("/20")[0], len(signature))


if __name__ == "__main__":
    main()

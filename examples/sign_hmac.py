"""
Sign each request with a shared secret: a scheme of your own, in ten lines.

    python examples/sign_hmac.py

The API is a fake one that listens on this machine and checks what it gets.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping

import rowferry as etl
from rowferry.auth import Request
from rowferry.testing import FakeApi, Received

SECRET = b"shared with the API"


class Hmac:
    """HMAC-SHA256 over method, path, moment and body."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, request: Request) -> Mapping[str, str]:
        """Give the headers that a request gets: called for each, also where it is sent again."""
        moment = str(int(time.time()))
        return {"X-Timestamp": moment, "X-Signature": self.signature(request, moment)}

    def signature(self, request: Request, moment: str) -> str:
        """Give the signature of a request at a moment."""
        text = f"{request.method}\n{request.path}\n{moment}\n".encode() + request.body
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()


def answer(received: Received) -> int:
    """Say 201 to what is signed as it should be."""
    request = Request(received.method, f"http://api{received.path}", {}, received.body)
    wanted = Hmac(SECRET).signature(request, received.headers["x-timestamp"])
    if not hmac.compare_digest(wanted, received.headers["x-signature"]):
        return 401
    return 503 if received.attempt == 1 and received.number < 10 else 201


def main() -> None:
    """Send rows, of which some have to be sent, and signed, again."""
    with FakeApi(answer) as server:
        api = etl.Api(server.url + "/{id}", method="PUT", auth=Hmac(SECRET))
        report = etl.post_rows([{"id": number} for number in range(100)], api, key="id")
    print(f"{report.delivered} delivered, {report.retries} of them sent again")


if __name__ == "__main__":
    main()

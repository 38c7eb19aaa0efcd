"""
Each request signed with a shared secret.

Many APIs want a signature of each request: HMAC over the method, the path, the moment and the body,
in headers of their own. `auth` takes any object with a method `sign`: it gets the request byte for
byte as it will be sent, and gives the headers to add. It is called each time that a request goes
out, so that one that is sent again is signed with the moment at which it goes; a signature that was
made before would be too old after a pause.

Write down what your API signs, in its order: most mistakes are a line break or a query that one
side leaves out. A test of `sign` needs no server; take an example with its signature from the
documentation of the API.

What goes wrong:

* **The secret is wrong, or the clock is**: the API answers 401. That says nothing of the rows, so
  the run stops with `AuthError` (exit code 5), and all that is not settled stays pending: no row is
  a dead letter.
* **Something fails on the way** (a 503, a time-out): the request goes again, signed anew, under the
  same `Idempotency-Key`.
* **The secret must not be shown**: what is in `secrets` is blotted out of every message, also where
  the API repeats it.

Take the secret from the environment or a vault. [Auth](auth.md) has what else a scheme may have,
and [sign_aws.py](../examples/sign_aws.py) is AWS Signature Version 4.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping

import rowferry as etl
from rowferry.auth import Request


class Hmac:
    """HMAC-SHA256 over method, path and query, moment and body."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self.secrets = (secret,)
        self._key = secret.encode()
        self._clock = clock

    def sign(self, request: Request) -> Mapping[str, str]:
        """Give the headers that a request gets besides its own."""
        moment = str(int(self._clock()))
        return {"X-Timestamp": moment, "X-Signature": self.signature(request, moment)}

    def signature(self, request: Request, moment: str) -> str:
        """Give the signature of a request at a moment."""
        target = f"{request.path}?{request.query}" if request.query else request.path
        text = f"{request.method}\n{target}\n{moment}\n".encode() + request.body
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()


def send_ferries(database: str, url: str, secret: str) -> etl.Report:
    """Send the ferries, a signed PUT for each."""
    return etl.copy_to_api(
        "SELECT id, name FROM ferry",
        database,
        etl.Api(url + "/{id}?source=job", method="PUT", auth=Hmac(secret)),
        key="id",
    )


# Below is a run of it: a database, an API, and what arrived.

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from rowferry.testing import Answer, FakeApi, Received


class Checking:
    """An API that checks what it gets, and is not well at first."""

    def __init__(self, secret: str) -> None:
        self._scheme = Hmac(secret)

    def __call__(self, received: Received) -> Answer | int:
        """Say 201 to what is signed as it should be."""
        request = Request(received.method, f"http://api{received.path}", {}, received.body)
        moment, signature = received.headers["x-timestamp"], received.headers["x-signature"]
        wanted = self._scheme.signature(request, moment)
        if abs(time.time() - int(moment)) > 300 or not hmac.compare_digest(wanted, signature):
            return Answer(status=401, body=b"no such signature")
        return 503 if received.attempt == 1 and received.number < 10 else 201


def main() -> None:
    """Send rows, of which some have to be sent, and signed, again; then with a wrong secret."""
    with tempfile.TemporaryDirectory() as folder, FakeApi(Checking("shared")) as server:
        database = Path(folder) / "ferries.db"
        with closing(sqlite3.connect(database)) as conn:
            ferries = [{"id": number, "name": f"MV No. {number}"} for number in range(100)]
            etl.load("ferry", conn, ferries, create=True, key="id")
        report = send_ferries(f"sqlite:///{database}", server.url, "shared")
        print(f"{report.delivered} delivered, {report.retries} of them sent again")
        try:
            send_ferries(f"sqlite:///{database}", server.url, "wrong")
        except etl.exceptions.AuthError as error:
            print(f"Exit code {error.exit_code}: {error}")


if __name__ == "__main__":
    main()

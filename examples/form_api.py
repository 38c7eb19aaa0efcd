"""
Send rows as forms, to an API that takes its key as the user of Basic auth.

    python examples/form_api.py

The API is a fake one that listens on this machine and does not take forms without a name.
"""

import datetime as dt
from decimal import Decimal

import rowferry as etl
from rowferry.testing import FakeApi, Received

CUSTOMERS = [
    {"id": 1, "name": "Ada & Sons", "credit": Decimal("1250.50"), "since": dt.date(2020, 1, 1)},
    {"id": 2, "name": None, "credit": Decimal(0), "since": None},
    {"id": 3, "name": "Zoë", "credit": Decimal(10), "since": ["2021", "2022"]},
]


def answer(request: Received) -> int:
    """Say 201 to a form with a name and the right key."""
    if request.headers["authorization"] != "Basic c2tfdGVzdDo=":
        return 401
    return 201 if "name" in request.form() else 422


def main() -> None:
    """Send three customers, of whom one can be taken."""
    failures: list[etl.FailedRow] = []
    with FakeApi(answer) as server:
        api = etl.Api(
            server.url + "/{id}",
            body_format="form",
            auth=etl.auth.Basic("sk_test"),
        )
        report = etl.post_rows(CUSTOMERS, api, key="id", on_error=failures.extend)
        for request in sorted(server.received, key=lambda request: request.path):
            print(f"  {request.path} {request.body.decode()}")
    print(report)
    for row, exception in failures:
        print(f"  {row['id']}: {exception}".replace(server.url, "…"))


if __name__ == "__main__":
    main()

"""
Send many records a request to an API that answers 207: a status for each of them.

    python examples/batch_api.py

The API is a fake one that listens on this machine. It does not like every 100th record, and is too
busy for every 7th at first.
"""

import json
from collections import Counter
from collections.abc import Sequence

import rowferry as etl
from rowferry.batches import Response
from rowferry.testing import Answer, FakeApi, Received


class Batches:
    """Takes arrays, and answers with a status an item."""

    def __init__(self) -> None:
        self.seen: Counter[int] = Counter()

    def __call__(self, request: Received) -> Answer:
        """Answer 207."""
        items = [{"status": self.status(record["id"])} for record in request.records()]
        return Answer(status=207, body=json.dumps({"items": items}).encode())

    def status(self, number: int) -> int:
        """Say what became of a record."""
        self.seen[number] += 1
        if number % 100 == 0:
            return 422
        return 503 if number % 7 == 0 and self.seen[number] == 1 else 201


def statuses(answer: Response) -> Sequence[int]:
    """Give a status for each record of a request, in their order."""
    return [item["status"] for item in answer.json()["items"]]


def main() -> None:
    """Send 1,000 records, 250 a request, compressed."""
    failures: list[etl.FailedRow] = []
    batches = Batches()
    with FakeApi(batches) as server:
        api = etl.Api(
            server.url,
            body_format="json_array",
            batch_size=250,
            compression="gzip",
            item_results=statuses,
        )
        rows = ({"id": number, "name": f"No. {number}"} for number in range(1, 1001))
        report = etl.post_rows(rows, api, key="id", on_error=failures.extend)
        size = sum(len(request.body) for request in server.received)
        plain = sum(len(request.plain()) for request in server.received)
    print(report)
    print(f"{size < plain / 2} that compressed bodies are less than half as long")
    print(f"Sent once: {list(batches.seen.values()).count(1)}")
    print(f"Sent again, alone: {list(batches.seen.values()).count(2)}")
    print(f"Not taken: {sorted(row['id'] for row, _ in failures)}")
    print(f"Why: {failures[0].exception.status}")


if __name__ == "__main__":
    main()

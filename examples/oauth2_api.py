"""
Send rows to an API with OAuth 2.0 whose tokens end early, and which counts requests.

    python examples/oauth2_api.py

API and token server are a fake one that listens on this machine. A token is good for 200 requests;
the API says how many requests are left until the next moment.
"""

import json
import os

import rowferry as etl
from rowferry.testing import Answer, FakeApi, Received


class Guarded:
    """Issues tokens, and takes records with the latest one as long as it lasts."""

    def __init__(self, life: int) -> None:
        self.life = life
        self.tokens = 0
        self.left = 0
        self.refused = 0

    def __call__(self, request: Received) -> Answer:
        """Answer a token request, or one with a record."""
        if request.path == "/token":
            self.tokens, self.left = self.tokens + 1, self.life
            token = {"access_token": f"token-{self.tokens}", "expires_in": 3600}
            return Answer(status=200, body=json.dumps(token).encode())
        if request.headers["authorization"] != f"Bearer token-{self.tokens}" or not self.left:
            self.refused += 1
            return Answer(status=401)
        self.left -= 1
        quota = {"RateLimit-Limit": "1000", "RateLimit-Remaining": "500", "RateLimit-Reset": "1"}
        return Answer(status=201, headers=quota)


def main() -> None:
    """Send 1,000 records, for which five tokens are needed."""
    os.environ.setdefault("CLIENT_SECRET", "not a secret")
    guarded = Guarded(life=200)
    with FakeApi(guarded) as server:
        api = etl.Api(
            server.url,
            auth=etl.auth.OAuth2ClientCredentials(
                server.url.removesuffix("/records") + "/token",
                "my-job",
                os.environ["CLIENT_SECRET"],
                scope="records.write",
            ),
            limits=etl.Limits(requests_per_second=5000, burst=100),
        )
        report = etl.post_rows(({"id": n} for n in range(1000)), api, key="id")
    print(report)
    print(f"{guarded.tokens} tokens, and {report.retries == guarded.refused} that what was")
    print("refused with an old one went again with the new one")


if __name__ == "__main__":
    main()

"""
Niquests with 64 workers and the retries that it has; what is refused goes to a file.

Source: https://niquests.readthedocs.io/en/latest/user/advanced.html
"""

from __future__ import annotations

import niquests
import uvloop
from measure import Job, job
from niquests_workers import session
from patience import RETRIED, keep
from workers import carry


async def transfer(job: Job) -> None:
    """Post all rows."""
    retries = niquests.RetryConfiguration(
        total=8, backoff_factor=0.1, status_forcelist=RETRIED, allowed_methods={"POST"}
    )
    async with session(job, retries=retries) as client:

        async def post(body: bytes) -> None:
            keep(body, (await client.post(job.url, data=body)).status_code)

        await carry(job, post)


if __name__ == "__main__":
    uvloop.run(transfer(job()))

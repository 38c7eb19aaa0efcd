"""ETLHelper's recipe, each post of it patient (see `patience.py`)."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import recipe
from measure import Job, job
from patience import patiently


async def post_row(row: dict[str, Any], session: aiohttp.ClientSession, job: Job) -> None:
    """Post one row."""
    body = json.dumps(row, default=str).encode()

    async def send() -> int:
        headers = {"Content-Type": job.content_type}
        async with session.post(job.url, headers=headers, data=body) as response:
            return response.status

    await patiently(send, body, aiohttp.ClientError)


if __name__ == "__main__":
    recipe.post_row = post_row
    recipe.transfer(job())

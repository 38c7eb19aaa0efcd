"""The URL of `_bulk`: what is the same for all documents stands in it."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from rowferry.exceptions import ConfigError

ANSWER = "errors,items.*.status,items.*.error,items.*.failure_store"
"""
What answers are to hold: a sixth of the bytes of whole ones where all is good. The statuses are
there for the count: without them a document that was dropped in silence would pass for taken.
"""


def bulk_url(
    url: str,
    *,
    index: str | None,
    routing: str | None = None,
    pipeline: str | None = None,
    require_alias: bool = False,
) -> str:
    """
    Give the URL of `_bulk` on the cluster at *url*, which may have a path but no query.

    Raises:
        ConfigError: it has a query, or already names `_bulk`.
    """
    parts = urlsplit(url.strip())
    if parts.query or parts.path.rstrip("/").endswith("/_bulk"):
        raise ConfigError("url must be that of the cluster, such as http://localhost:9200")
    path = parts.path.rstrip("/") + (f"/{quote(index, safe='')}" if index else "") + "/_bulk"
    given = {"routing": routing, "pipeline": pipeline}
    query = {name: value for name, value in given.items() if value is not None}
    if require_alias:
        query["require_alias"] = "true"
    text = urlencode({**query, "filter_path": ANSWER}, safe=",*")
    return urlunsplit((parts.scheme, parts.netloc, path, text, ""))


def root(url: str | None, cloud_id: str | None) -> str:
    """
    Give the URL of a cluster by its URL or its Cloud ID.

    Raises:
        ConfigError: there are both, or none, or it is no Cloud ID.
    """
    if (url is None) == (cloud_id is None):
        raise ConfigError("give the url of the cluster, or its cloud_id")
    return url if url is not None else cloud_url(cloud_id or "")


def cloud_url(cloud_id: str) -> str:
    """
    Give the URL of a deployment by its Cloud ID.

    Raises:
        ConfigError: it is none.
    """
    try:
        text = base64.b64decode(cloud_id.rpartition(":")[2], validate=True).decode()
        host, deployment, *_ = text.split("$")
    except (ValueError, binascii.Error) as error:
        raise ConfigError("cloud_id is no Cloud ID, which is NAME: and a word of base64") from error
    name, _, port = host.partition(":")
    if not name or not deployment:
        raise ConfigError("cloud_id names no host or no deployment")
    return f"https://{deployment}.{name}{f':{port}' if port else ''}"


def encoded(api_key: str | tuple[str, str]) -> str:
    """
    Give an API key as requests have it.

    Raises:
        ConfigError: it is neither text nor a pair of texts.
    """
    match api_key:
        case str() if api_key:
            return api_key
        case (str(), str()):
            return base64.b64encode(":".join(api_key).encode()).decode()
    raise ConfigError("api_key must be text, or its id and secret: ('…', '…')")

"""What is shown to people, without what may be secret."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHORTEST = 3
"""Characters of a secret, at least: one of a character or two guards nothing, and is everywhere."""


class Redaction:
    """
    Blots secrets out of texts, also as they stand in URLs, in JSON and in base64.

    Args:
        secrets: in any order.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms_of(secret)}
        self._forms = sorted((form for form in forms if len(form) >= _SHORTEST), key=len)[::-1]

    def __call__(self, text: str) -> str:
        """Give *text* with `***` for each secret; the longest go first, as one may hold another."""
        for form in self._forms:
            text = text.replace(form, "***")
        return text


def _forms_of(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    written = {secret, quote(raw, safe=""), quote(raw), quote_plus(raw), json.dumps(secret)[1:-1]}
    based = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return written | {form.rstrip("=") for form in based}

"""By what a thing is known again: the hash of its JSON, in which the order of fields does not count."""

import hashlib
import json
from typing import Any

__all__ = ["json_sha256"]


def json_sha256(value: Any) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

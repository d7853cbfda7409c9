"""One reader of JSON that comes from outside: whatever is wrong with it is one sentence."""

import json
import math
import re
from pathlib import Path
from typing import Any

from prima_jax.errors import UserError

__all__ = ["parse_json", "read_object"]

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""An escape that is half of a character, which may stand beside its other half or alone."""


def parse_json(content: str | bytes, where: str, advice: str, *, once: bool = False) -> Any:
    """Returns what a JSON text holds.

    content: text, or bytes in UTF-8, with or without a byte-order mark. where: names the file, and line, in the error's
    sentence; advice: ends it. once: refuses a key that an object has twice, of which readers differ in which they take.
    Raises UserError for what is no JSON or no UTF-8, nested too deep, a number that is not finite or of thousands of digits,
    and for half a surrogate pair, which no file can be written with.
    """
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content.removeprefix("\ufeff")
        value = json.loads(text, parse_constant=_constant, parse_float=_finite, object_pairs_hook=_once if once else None)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{where} is no JSON text (half a surrogate pair, \\u{ord(error.object[error.start]):x}); {advice}"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{where} is not in UTF-8 (byte {error.start + 1}); {advice}") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{where} is no JSON ({error.msg}, line {error.lineno}, column {error.colno}); {advice}") from error
    except ValueError as error:
        raise UserError(f"{where} is no JSON ({str(error).partition(';')[0]}); {advice}") from error
    except RecursionError as error:
        raise UserError(f"{where} is no JSON that can be read (nested too deep); {advice}") from error
    return value


def read_object(path: Path, advice: str, *, once: bool = False) -> dict[str, Any]:
    """Returns the object in a JSON file. Raises UserError as `parse_json` does, and where it cannot be read or is no object."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); {advice}") from error
    value = parse_json(content, str(path), advice, once=once)
    if not isinstance(value, dict):
        raise UserError(f"{path} holds a {type(value).__name__} (expected an object); {advice}")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return dict(pairs)


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError("a number is too large")
    return number

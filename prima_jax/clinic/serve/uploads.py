"""What a form sends, in memory alone: nothing of it is ever written to a temporary file."""

from dataclasses import dataclass
from urllib.parse import parse_qs

import python_multipart
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from prima_jax.errors import UserError

__all__ = ["LARGEST_BODY", "LARGEST_PHOTOGRAPH", "MOST_PHOTOGRAPHS", "Sent", "read_passphrase", "read_sent"]

MOST_PHOTOGRAPHS = 12
LARGEST_PHOTOGRAPH = 20 * 10**6
"""Bytes."""
LARGEST_TEXT = 64 * 1024
LARGEST_SIGN_IN = 8 * 1024
LARGEST_BODY = MOST_PHOTOGRAPHS * LARGEST_PHOTOGRAPH + 2**20
MOST_PARTS = 1000
assert python_multipart.__version__  # what Starlette parses with


@dataclass(frozen=True)
class Sent:
    """The fields of a form, in their order, by name."""

    texts: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, bytes], ...]
    """Without those that nothing was chosen for."""


async def read_sent(request: Request) -> Sent:
    """Raises UserError for what is no such form, or larger than a case may be."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise UserError("The request carries no form: send it as multipart/form-data.")
    parser = _InMemory(request.headers, request.stream(), max_files=MOST_PARTS, max_fields=MOST_PARTS, max_part_size=LARGEST_TEXT)
    try:
        items = (await parser.parse()).multi_items()
    except MultiPartException as error:
        raise UserError("The form cannot be read: send it as multipart/form-data, its texts short.") from error
    texts = tuple((name, value) for name, value in items if isinstance(value, str))
    files = [(name, await _content(value)) for name, value in items if isinstance(value, UploadFile)]
    files = [(name, data) for name, data in files if data]
    if len(files) > MOST_PHOTOGRAPHS:
        raise UserError(f"There are {len(files)} photographs: send {MOST_PHOTOGRAPHS} or fewer.")
    return Sent(texts, tuple(files))


async def read_passphrase(request: Request) -> str:
    """Of the form of the sign-in. Raises UserError for more than a passphrase takes: who sends it is not known yet."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_SIGN_IN:
            raise UserError("The passphrase is too long.")
    return parse_qs(body.decode("ascii", "replace")).get("passphrase", [""])[0]


class _InMemory(MultiPartParser):
    """Starlette's, whose files begin in memory and go to the disk when they have `spool_max_size` bytes: here they never do."""

    spool_max_size = 2 * LARGEST_PHOTOGRAPH
    _size = 0

    def on_part_begin(self) -> None:
        super().on_part_begin()
        self._size = 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size > LARGEST_PHOTOGRAPH:
            raise UserError(f"A photograph has more than {LARGEST_PHOTOGRAPH // 10**6} MB: save it smaller.")
        super().on_part_data(data, start, end)


async def _content(file: UploadFile) -> bytes:
    data = await file.read()
    await file.close()
    return data

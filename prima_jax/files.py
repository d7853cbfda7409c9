"""Files that are written whole or not at all."""

import contextlib
import os
from pathlib import Path

from prima_jax.errors import UserError

__all__ = ["write_whole"]


def write_whole(path: Path, content: bytes) -> None:
    """All or nothing: a reader never sees half a file, however the process ends.

    Raises UserError if it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):  # what stopped the writing may stop this too; the first error is told
            temporary.unlink(missing_ok=True)
        raise UserError(
            f"Cannot write {path} ({error.strerror or error}): free space there or make the folder writable, then run "
            "the same command again, which goes on from what is finished."
        ) from error

"""Folders that are there whole or not at all, however a process ends."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prima_jax.errors import UserError

__all__ = ["whole_folder"]


@contextmanager
def whole_folder(target: str | Path) -> Iterator[Path]:
    """Yields a temporary folder beside `target` that takes its name, and its place, once the block ends well.

    Where another process was faster its folder stays, which holds the same. Raises UserError for a full or read-only
    disk.
    """
    target = Path(target)
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        yield temporary
        temporary.chmod(0o755)
        try:
            os.replace(temporary, target)
        except OSError:
            if not target.is_dir():
                raise
    except OSError as error:
        raise UserError(
            f"{target} cannot be written ({error.strerror or error}); free space there or choose another folder."
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)

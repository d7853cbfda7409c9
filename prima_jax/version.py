"""The version of the code, with a hash of its files, since one version stands for many commits between two releases."""

import hashlib
from pathlib import Path

import prima_jax

__all__ = ["CODE", "source_hash"]


def source_hash(folder: Path) -> str:
    """Returns a hash of a package's Python files, by name and content, in 12 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


CODE = f"{prima_jax.__version__} ({source_hash(Path(__file__).parent)})"
"""The version of this package and the hash of its files, as they are when the process begins, not when a fold ends."""

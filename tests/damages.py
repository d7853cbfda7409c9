"""What may happen to a file on a disk."""

from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["DAMAGES"]


def _emptied(file: Path) -> None:
    file.write_bytes(b"")


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _flipped(file: Path) -> None:
    """One bit of the byte in the middle."""
    content = bytearray(file.read_bytes())
    if content:
        content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGES: Mapping[str, Callable[[Path], None]] = {
    "emptied": _emptied,
    "cut": _cut,
    "flipped": _flipped,
    "deleted": Path.unlink,
}

"""Files and folders that are there whole or not at all, however a process ends, and a lock that it cannot leave behind."""

import contextlib
import hashlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from prima_jax.errors import UserError

__all__ = ["SEAL", "check_sealed", "check_writable", "digest", "folder_lock", "seal", "whole_file", "whole_folder", "write_whole"]


SEAL = "sha256"
"""The file in a folder that holds its files' digests."""


def write_whole(path: Path, content: bytes | Iterable[bytes], *, read_only: bool = False) -> None:
    """Writes a file, whole or not at all. Raises UserError if it cannot be written."""
    with whole_file(path, read_only=read_only) as temporary, temporary.open("wb") as file:
        file.writelines([content] if isinstance(content, bytes) else content)


def check_writable(path: Path) -> None:
    """Raises UserError where a file cannot be written there; to be asked before anything is computed."""
    probe = path.with_name(f"{path.name}.probe")
    write_whole(probe, b"")
    probe.unlink()


@contextmanager
def whole_file(path: Path, *, read_only: bool = False) -> Iterator[Path]:
    """Yields a name beside `path` to write to; what stands there takes the place of `path` once the block ends well.

    The folder is made where it is not there. Raises UserError if it cannot be written.
    """
    temporary = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # one that a kill has left may be read-only, or have another name
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if read_only:
            temporary.chmod(0o444)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):  # what stopped the writing may stop this too; the first error is told
            temporary.unlink(missing_ok=True)
        raise UserError(
            f"Cannot write {path} ({error.strerror or error}): free space there or make the folder writable, then give the "
            "same command again."
        ) from error


def digest(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes, or of the names and bytes of all files in a folder, in hexadecimal.

    Raises OSError where it cannot be read.
    """
    if path.is_dir():
        return hashlib.sha256(_listed(path).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(folder: Path) -> None:
    """Writes the digests of a folder's files into it, once all are there, under a digest of their own."""
    listed = _listed(folder)
    write_whole(folder / SEAL, f"{hashlib.sha256(listed.encode()).hexdigest()}\n{listed}".encode())


def check_sealed(folder: Path) -> None:
    """Raises UserError where a file of a folder that was sealed is no longer as it was; others may have come since."""
    try:
        own, _, listed = (folder / SEAL).read_text(encoding="utf-8", errors="replace").partition("\n")
        whole = own == hashlib.sha256(listed.encode()).hexdigest()
        whole = whole and all(digest(folder / line[66:]) == line[:64] for line in listed.splitlines())
    except OSError:
        whole = False
    if not whole:
        raise UserError(f"{folder} is not as it was written: delete it and give the same command again, which makes it anew.")


def _listed(folder: Path) -> str:
    """A line for each file in a folder, as sha256sum writes it."""
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file() and file.name != SEAL)
    return "".join(f"{digest(folder / name)}  {name}\n" for name in names)


@contextmanager
def folder_lock(folder: str | Path, *, waits: bool = True) -> Iterator[None]:
    """Locks a folder, which is made where it is not there, for one process at a time; the others wait for their turn.

    Raises filelock.Timeout where another process has it and this one does not wait.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    # The kernel gives it back, however the process ends; a file that only stands there would stay.
    with FileLock(Path(folder) / "lock", timeout=-1 if waits else 0, fallback_to_soft=False):
        yield


@contextmanager
def whole_folder(target: str | Path) -> Iterator[Path]:
    """Yields a temporary folder beside `target` that takes its name, and its place, once the block ends well.

    Where another process was faster its folder stays, which holds the same. What processes of this host that are gone
    left of `target` is removed first. Raises UserError for a full or read-only disk.
    """
    target = Path(target)
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(target)
        prefix = f".{target.name}.{os.getpid()}@{socket.gethostname()}."
        temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
        yield temporary
        temporary.chmod(0o777 & ~_umask())  # tempfile's own folders are for their owner alone
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


def _umask() -> int:
    os.umask(mask := os.umask(0o077))
    return mask


def _remove_stale(target: Path) -> None:
    """Removes the temporary folders of `target` whose process was killed; those of other hosts cannot be told."""
    name = re.compile(rf"\.{re.escape(target.name)}\.(\d+)@{re.escape(socket.gethostname())}\.\w+")
    for path in target.parent.iterdir():
        found = name.fullmatch(path.name)
        if found and not _is_alive(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is somebody else's
    return True

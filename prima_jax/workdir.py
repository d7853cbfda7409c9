"""The folder that an experiment writes to: one config, one process at a time."""

import errno
import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import Timeout
from ml_collections import ConfigDict

from prima_jax.errors import UserError
from prima_jax.files import folder_lock, write_whole
from prima_jax.json_text import read_object

__all__ = ["claim", "config_hash", "different_fields", "load_config", "locked_folder", "open_workdir"]

_MAY_CHANGE = (
    "checkpoint_seconds", "data.dir", "data.prepared",
    "table.number", "table.rows", "table.seeds", "table.processes", "table.subgroups", "table.error_photographs",
)  # fmt: skip
"""Fields that a run may be continued with another value of: they say where and when, not what."""
_DISK_ERRORS = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR,
)  # fmt: skip
"""A full disk, a full quota, a disk or folder that is read-only, a file larger than allowed, a file in a folder's place."""


@contextmanager
def open_workdir(folder: Path, config: ConfigDict) -> Iterator[Path]:
    """`locked_folder` for the folder of a run. Raises UserError also if it was made with another config."""
    with suppress(OSError):  # told below
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it will hold patients' data; one that is there keeps its mode
    with locked_folder(folder, "--workdir"):
        _compare(folder, config)
        yield folder


@contextmanager
def locked_folder(folder: Path, flag: str) -> Iterator[None]:
    """Locks a folder, which the user named by `flag`, while the context lasts; makes it where it is not there.

    Raises UserError if another process works in it, or if it cannot be written to, now or at any time in the context.
    """
    with ExitStack() as held:
        try:
            held.enter_context(folder_lock(folder, waits=False))
        except Timeout as error:
            raise UserError(f"Another process is working in {folder}: wait for it, or choose another {flag}.") from error
        except OSError as error:
            raise UserError(f"Cannot write to {flag} {folder}: {error.strerror}; choose a folder that can be written.") from error
        try:
            yield
        except OSError as error:
            if error.errno not in _DISK_ERRORS:
                raise
            raise UserError(
                f"Cannot write to {error.filename or folder}: {error.strerror}; make room or mend the permissions, then run the "
                "same command again, which goes on from what is finished."
            ) from error


def claim(folder: Path, config: ConfigDict, data: str) -> None:
    """Writes down the config, and the fingerprint of the data, that a folder belongs to from now on.

    Raises UserError where it was made with other data.
    """
    config_file, data_file = folder / "config.json", folder / "data.sha256"
    if not data_file.exists():
        _refuse_finished(folder, data_file)
    if config_file.exists() and data_file.exists() and data_file.read_bytes() != data.encode():
        raise UserError(
            f"{folder} was made with other data: rows, photographs or the corpus have changed since; choose another --workdir."
        )
    if not data_file.exists():
        write_whole(data_file, data.encode())
    if not config_file.exists():  # written last: until then the folder belongs to nothing
        write_whole(config_file, json.dumps(config.to_dict(), indent=1, sort_keys=True, default=list).encode())


def load_config(folder: Path) -> ConfigDict:
    """The config that a workdir was made with."""
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(f"{folder} holds no run: expected {path}, which prima run --workdir={folder} writes.")
    advice = "put back what the run wrote there, or choose another --workdir."
    content = read_object(path, advice)
    if "study" not in content:
        raise UserError(f"{path} holds no config (it lacks the section study); {advice}")
    try:
        return ConfigDict(_tuples(content))
    except (TypeError, ValueError, KeyError) as error:  # a name with a dot, or a section's place taken
        raise UserError(f"{path} holds no config ({error}); {advice}") from error


def different_fields(first: ConfigDict, second: ConfigDict) -> list[str]:
    """The fields that bear on the results and are not the same in two configs, by name."""
    before, now = _flat(first), _flat(second)
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def config_hash(config: ConfigDict) -> str:
    """A hash of everything in a config that bears on the results."""
    return hashlib.sha256(json.dumps(_flat(config), sort_keys=True).encode()).hexdigest()[:16]


def _compare(folder: Path, config: ConfigDict) -> None:
    if not (folder / "config.json").exists():
        _refuse_finished(folder, folder / "config.json")
        return
    made_with = load_config(folder)
    different = different_fields(made_with, config)
    if different:
        before, now = _flat(made_with), _flat(config)
        told = "; ".join(f"{k} was {_shortened(before.get(k))} and is now {_shortened(now.get(k))}" for k in different[:5])
        more = f" (and {len(different) - 5} more)" if len(different) > 5 else ""
        raise UserError(f"{folder} was made with another config: {told}{more}; choose another --workdir.")


def _refuse_finished(folder: Path, lost: Path) -> None:
    """Raises UserError where a folder holds finished work: nobody knows of which config or data without the lost file."""
    if any(next(folder.glob(f"{part}/**/done.json"), None) for part in ("rows", "shared")):
        raise UserError(f"{folder} holds finished work, but not {lost.name}, which says of what: choose another --workdir.")


def _shortened(value: Any) -> str:
    """At most 200 characters of a value: a study's attributes are pages."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


def _flat(config: ConfigDict) -> dict[str, Any]:
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(f"{prefix}.{key}" if prefix else key, item)
        elif prefix not in _MAY_CHANGE:
            flat[prefix] = json.loads(json.dumps(value, default=list))

    walk("", config.to_dict())
    return flat


def _tuples(value: Any) -> Any:
    """JSON has lists where configs have tuples."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value

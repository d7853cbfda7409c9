"""Checkpoints by orbax: where training stands (state, data position) and what a finished stage leaves behind.

Orbax's interface lives in this file alone. Everything is restored into an abstract target, so that a checkpoint of
another shape is an error; types are cast to the target's.
"""

import hashlib
import logging
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.errors import JaxRuntimeError

from prima_jax.errors import UserError

__all__ = ["Progress", "load_tree", "save_tree"]

logging.getLogger("absl").setLevel(logging.CRITICAL)  # orbax narrates every save; what fails is raised here as well
# Where a folder cannot be made in the background, orbax's threads wait for it for minutes and keep the process from ending.
_FOLDERS_FIRST = ocp.AsyncOptions(create_directories_asynchronously=False)


class Progress:
    """The newest training checkpoint of one stage; a half-written one is never seen by `latest`.

    As a context it waits at its end for what is being saved, however it ends, and frees its threads.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        try:
            self._manager = ocp.CheckpointManager(
                self._folder,
                options=ocp.CheckpointManagerOptions(
                    max_to_keep=1, enable_async_checkpointing=True, async_options=_FOLDERS_FIRST
                ),
                item_names=("state", "data"),
            )
        except OSError as error:
            raise _disk_error(self._folder, error) from error

    def latest(self) -> int | None:
        """The step of the newest checkpoint, None where there is none."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any, data: dict[str, Any]) -> None:
        """Saves in the background; `data` is what the batch iterator returns as its position."""
        noted = ocp.args.JsonSave({"position": data, "sha256": _digest(state)})
        try:
            self._manager.save(step, args=ocp.args.Composite(state=ocp.args.StandardSave(state), data=noted))
        except (OSError, ValueError) as error:
            raise _disk_error(self._folder, error) from error

    def restore(self, step: int, target: Any) -> tuple[Any, dict[str, Any]]:
        """The state, laid out on devices as `target` is, and the data position. Raises UserError for what was not saved so."""
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, target)
        asked = ocp.args.Composite(state=ocp.args.StandardRestore(abstract), data=ocp.args.JsonRestore())
        try:
            restored = self._manager.restore(step, args=asked)
            whole = restored["data"]["sha256"] == _digest(restored["state"])
        except JaxRuntimeError:  # memory, or another process
            raise
        except Exception as error:  # what a damaged file raises has no type of its own
            raise _damaged(self._folder, _reason(error)) from error
        if not whole:
            raise _damaged(self._folder, "other values")
        return restored["state"], restored["data"]["position"]

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.wait()
        except UserError:
            if kind is None or not issubclass(kind, Exception):  # else what ended the block is what has to be told
                raise
        finally:
            self._manager.close()

    def wait(self) -> None:
        """Returns when what was saved is on disk."""
        try:
            self._manager.wait_until_finished()
        except (OSError, ValueError) as error:
            raise _disk_error(self._folder, error) from error


def save_tree(folder: Path, tree: Any) -> None:
    """Writes a tree of arrays, all or nothing."""
    try:
        with ocp.StandardCheckpointer(async_options=_FOLDERS_FIRST) as checkpointer:
            checkpointer.save(folder.absolute(), tree, force=True)
    except (OSError, ValueError) as error:
        raise _disk_error(folder, error) from error


def load_tree(folder: Path, target: Any) -> Any:
    """Reads what `save_tree` wrote into the shapes, types and devices of `target`. Raises UserError where that fails."""
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            return checkpointer.restore(folder.absolute(), jax.tree.map(ocp.utils.to_shape_dtype_struct, target))
    except JaxRuntimeError:
        raise
    except Exception as error:  # as above
        raise _damaged(folder, _reason(error)) from error


def _digest(tree: Any) -> str:
    """Returns the SHA-256 of a tree's names and values."""
    found = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(jax.device_get(tree)):
        values = np.ascontiguousarray(leaf)
        found.update(f"{jax.tree_util.keystr(path)} {values.dtype} {values.shape}".encode())
        found.update(values.view(np.uint8).data if values.size else b"")
    return found.hexdigest()


def _damaged(folder: Path, found: str) -> UserError:
    return UserError(
        f"{folder} is not as it was written ({found}): delete {folder.parent} and give the same command again, which trains this "
        "stage anew."
    )


def _disk_error(folder: Path, error: Exception) -> UserError:
    return UserError(f"Cannot write a checkpoint to {folder}: {_reason(error)}; free some space or choose another --workdir.")


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error).strip() else type(error).__name__

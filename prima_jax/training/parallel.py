"""One step, written for one device and the named axis `data`, mapped over all devices by pmap or by shard_map.

A batch is split along its first axis; the state and the frozen weights are the same on every device and stay unstacked.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from prima_jax.errors import UserError

__all__ = ["AXIS", "Parallel"]

AXIS = "data"
_EVERYWHERE, _SHARED = PartitionSpec(), PartitionSpec(AXIS)
Step = Callable[[Any, Any, Any], tuple[Any, Any]]


class Parallel:
    """How a batch is shared: by `kind`, over `devices` (by default all of them)."""

    def __init__(self, kind: Literal["pmap", "shard_map"] = "pmap", devices: Sequence[jax.Device] = ()) -> None:
        if kind not in ("pmap", "shard_map"):
            raise UserError(f'parallel is "pmap" or "shard_map", not {kind!r}.')
        self.kind = kind
        # Each process's devices side by side, as its part of a batch is one piece.
        self.devices = tuple(devices) or tuple(sorted(jax.devices(), key=lambda device: device.process_index))

    def map_step(self, step: Step) -> Step:
        """Maps step(state, frozen, batch) -> (state, metrics) over the devices; the old state's memory is reused."""
        if self.kind == "pmap":
            return jax.pmap(
                step,
                axis_name=AXIS,
                in_axes=(None, None, 0),
                out_axes=None,
                donate_argnums=(0,),
                devices=None if self.devices == tuple(jax.devices()) else self.devices,
            )
        mapped = jax.shard_map(
            step,
            mesh=self._mesh,
            in_specs=(_EVERYWHERE, _EVERYWHERE, _SHARED),
            out_specs=_EVERYWHERE,
            check_vma=False,
        )
        return jax.jit(mapped, donate_argnums=(0,))

    def map_inference(self, function: Callable[[Any, Any], Any]) -> Callable[[Any, dict[str, np.ndarray]], Any]:
        """Maps function(variables, batch) -> per-example outputs over the devices; of several processes each gets all of them.

        The batch's first axis has to be a multiple of the devices' number; each process hands over the whole batch, of which its
        own part is read. Variables that `replicate` has not placed are copied to the devices at every call.
        """
        everywhere, shared = NamedSharding(self._mesh, _EVERYWHERE), NamedSharding(self._mesh, _SHARED)
        if self._is_local:
            return jax.jit(function, in_shardings=(everywhere, shared), out_shardings=shared)
        mapped = jax.jit(function, in_shardings=(everywhere, shared), out_shardings=everywhere)
        return lambda variables, batch: mapped(variables, {name: _put(rows, shared) for name, rows in batch.items()})

    def replicate(self, tree: Any) -> Any:
        """Puts a tree on every device once, so that no step has to; the same tree in every process."""
        everywhere = NamedSharding(self._mesh, _EVERYWHERE)
        if self._is_local:
            return jax.device_put(tree, everywhere)
        return jax.tree.map(lambda leaf: _put(leaf, everywhere), tree)

    def share(self, batch: dict[str, np.ndarray]) -> dict[str, jax.Array]:
        """Puts this host's part of a batch on its devices. Raises UserError if it cannot be split evenly."""
        size, local = len(next(iter(batch.values()))), sum(d.process_index == jax.process_index() for d in self.devices)
        if size % local:
            raise UserError(
                f"A batch of {size} on this host cannot be shared evenly by its {local} devices: set batch_size to a "
                f"multiple of {len(self.devices)}."
            )
        if self.kind == "pmap":  # pmap wants one leading row per device
            batch = {k: v.reshape(local, size // local, *v.shape[1:]) for k, v in batch.items()}
        sharding = NamedSharding(self._mesh, _SHARED)
        return {k: jax.make_array_from_process_local_data(sharding, v) for k, v in batch.items()}

    def own(self, rows: np.ndarray) -> np.ndarray:
        """This process's piece of the rows of a whole batch, as `share` takes it."""
        return np.split(rows, jax.process_count())[jax.process_index()]

    @cached_property
    def _mesh(self) -> Mesh:
        """In the order of the devices, which is pmap's; jax.make_mesh reorders a TPU's, and pmap would copy everything over."""
        return Mesh(np.array(self.devices), (AXIS,), axis_types=(AxisType.Auto,))

    @cached_property
    def _is_local(self) -> bool:
        """Whether all devices are this process's own."""
        return all(device.process_index == jax.process_index() for device in self.devices)


def _put(leaf: Any, sharding: NamedSharding) -> jax.Array:
    """An array that every process holds whole, on the devices of all; device_put would compare it between them."""
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:  # it is there
        return leaf
    values = np.asarray(leaf)
    return jax.make_array_from_callback(values.shape, sharding, lambda where: values[where])

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
        self.devices = tuple(devices) or tuple(jax.devices())

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
        """Maps function(variables, batch) -> per-example outputs over this host's devices.

        The batch's first axis has to be a multiple of their number. Variables that `place` has not placed are copied
        to the devices at every call.
        """
        mesh = _mesh(self._local)
        everywhere, shared = NamedSharding(mesh, _EVERYWHERE), NamedSharding(mesh, _SHARED)
        return jax.jit(function, in_shardings=(everywhere, shared), out_shardings=shared)

    def place(self, variables: Any) -> Any:
        """Puts variables where `map_inference` reads them."""
        return jax.device_put(variables, NamedSharding(_mesh(self._local), _EVERYWHERE))

    def replicate(self, tree: Any) -> Any:
        """Puts a tree on every device once, so that no step has to."""
        return jax.device_put(tree, NamedSharding(self._mesh, _EVERYWHERE))

    def share(self, batch: dict[str, np.ndarray]) -> dict[str, jax.Array]:
        """Puts this host's part of a batch on its devices. Raises UserError if it cannot be split evenly."""
        size, local = len(next(iter(batch.values()))), len(self._local)
        if size % local:
            raise UserError(
                f"A batch of {size} on this host cannot be shared evenly by its {local} devices: set batch_size to a "
                f"multiple of {len(self.devices)}."
            )
        if self.kind == "pmap":  # pmap wants one leading row per device
            batch = {k: v.reshape(local, size // local, *v.shape[1:]) for k, v in batch.items()}
        sharding = NamedSharding(self._mesh, _SHARED)
        return {k: jax.make_array_from_process_local_data(sharding, v) for k, v in batch.items()}

    @cached_property
    def _mesh(self) -> Mesh:
        return _mesh(self.devices)

    @cached_property
    def _local(self) -> tuple[jax.Device, ...]:
        return tuple(d for d in self.devices if d.process_index == jax.process_index())


def _mesh(devices: Sequence[jax.Device]) -> Mesh:
    """In the order of the devices, which is pmap's; jax.make_mesh reorders a TPU's, and pmap would copy everything over."""
    return Mesh(np.array(devices), (AXIS,), axis_types=(AxisType.Auto,))

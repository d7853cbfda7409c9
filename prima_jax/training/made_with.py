"""What bears on a result besides its recipe and packages: this package's code, the devices, and whether JAX has 64 bits."""

from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp

from prima_jax.version import CODE

__all__ = ["joined", "made_with"]

_AND = " and "


def made_with() -> dict[str, str]:
    """Returns {"prima_jax", "devices", "jax_enable_x64"} of this process: its code, number and kind of devices, on or off."""
    kinds = dict.fromkeys(device.device_kind for device in jax.devices())
    devices = _AND.join(f"{sum(d.device_kind == kind for d in jax.devices())} {kind}" for kind in kinds)
    return {"prima_jax": CODE, "devices": devices, "jax_enable_x64": "on" if jnp.result_type(float) == jnp.float64 else "off"}


def joined(several: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Returns of each name every value that one of them has, joined by "and"; "not noted" where an older one lacks it."""
    several = list(several)
    found = {name: [one.get(name, "not noted").split(_AND) for one in several] for one in several for name in one}
    return {name: _AND.join(dict.fromkeys(value for values in every for value in values)) for name, every in found.items()}

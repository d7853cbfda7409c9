"""Reads a checkpoint's own config.json strictly: what is not implemented here is refused, all of it in one sentence."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from prima_jax.errors import UserError

__all__ = ["SLIDING", "FULL", "read_fields", "refuse", "require", "rope_theta"]

FULL, SLIDING = "full_attention", "sliding_attention"


def read_fields(config_class: Any, values: Mapping[str, Any], problems: list[str], **given: Any) -> Any:
    """The dataclass `config_class` from the fields that `values` holds, the others at their default or as `given`.

    Fields of another type, and sizes below one, are added to `problems`.
    """
    for field in fields(config_class):
        if field.name in given or field.name not in values:
            continue
        value = values[field.name]
        kind: Any = type(field.default)
        accepted = (int, float) if kind is float else kind
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            problems.append(f"{field.name} = {value!r} (expected {kind.__name__})")
        elif kind is int and value < (0 if field.name == "num_register_tokens" else 1):
            problems.append(f"{field.name} = {value} (expected at least 1)")
        else:
            given[field.name] = kind(value)
    return config_class(**given)


def require(values: Mapping[str, Any], problems: list[str], **expected: Any) -> None:
    """Adds to `problems` every key whose value is neither null nor implemented; a tuple lists several that are."""
    for name, value in expected.items():
        implemented = value if isinstance(value, tuple) else (value,)
        found = values.get(name)
        if found is not None and found not in implemented:
            problems.append(f"{name} = {found!r} (implemented: {' or '.join(repr(v) for v in implemented)})")


def rope_theta(
    values: Mapping[str, Any], problems: list[str], *, default: float, legacy: str = "rope_theta", layer_type: str = ""
) -> float:
    """The base of the rotary positions, from `rope_parameters` (of one layer type, if named) or from the key `legacy`.

    Any scaling of the positions is added to `problems`.
    """
    parameters = values.get("rope_parameters") or {}
    if any(isinstance(value, Mapping) for value in parameters.values()) != bool(layer_type) and parameters:
        problems.append(f"rope_parameters = {parameters} (expected {'those of each layer type' if layer_type else 'one set'})")
        return default
    if layer_type:
        parameters = parameters.get(layer_type) or {}
    for source in (parameters, values.get("rope_scaling") or {}):
        kind = source.get("rope_type", source.get("type", "default"))
        if kind != "default":
            problems.append(f"rope scaling {kind!r} (implemented: 'default')")
        if source.get("partial_rotary_factor", 1.0) != 1.0:
            problems.append(f"partial_rotary_factor = {source['partial_rotary_factor']} (implemented: 1.0)")
    found = parameters.get("rope_theta", values.get(legacy, default))
    if isinstance(found, bool) or not isinstance(found, int | float) or found <= 0:
        problems.append(f"{legacy} = {found!r} (expected a positive number)")
        return default
    return float(found)


def refuse(model_type: str, problems: list[str]) -> None:
    """Raises one UserError that lists every problem, if there is one."""
    if problems:
        found = "; ".join(dict.fromkeys(problems))
        raise UserError(f"This {model_type} config asks for what is not implemented: {found}; choose another checkpoint.")

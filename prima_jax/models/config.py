"""Strict reading of a checkpoint's config.json: settings that are not implemented are refused, all in one sentence."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from prima_jax.errors import UserError

__all__ = ["SLIDING", "FULL", "read_fields", "read_words", "refuse", "require", "rope_theta"]

FULL, SLIDING = "full_attention", "sliding_attention"
_LARGEST = 10**6
"""The upper bound of any size; beyond it a kernel's number of elements would not fit 64 bits."""
_MOST_LAYERS = 1000
_LARGEST_BASE = 1e30


def read_fields(config_class: Any, values: Mapping[str, Any], problems: list[str], **given: Any) -> Any:
    """Returns `config_class` with the fields in `values`; the others are `given` or have their defaults.

    Fields of another type, sizes below one or above any model's, and numbers below zero or not finite, are added to
    `problems`.
    """
    for field in fields(config_class):
        if field.name in given or field.name not in values:
            continue
        value = values[field.name]
        optional = field.default is None
        if optional and value is None:
            continue
        kind: Any = int if optional else type(field.default)
        accepted = (int, float) if kind is float else kind
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            problems.append(f"{field.name} = {value!r} (expected {kind.__name__})")
        elif kind is int and not optional and not _least(field.name) <= value <= _most(field.name):
            problems.append(f"{field.name} = {value} (expected {_least(field.name)} to {_most(field.name)})")
        elif kind is float and not 0 <= value < _LARGEST:
            problems.append(f"{field.name} = {value} (expected 0 or more, and finite)")
        else:
            given[field.name] = kind(value)
    return config_class(**given)


def read_words(values: Mapping[str, Any], name: str, problems: list[str]) -> tuple[str, ...]:
    """Returns the list of strings under `name`, () where it is absent or null; anything else is added to `problems`."""
    words = values.get(name)
    if words is None:
        return ()
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        problems.append(f"{name} = {words!r} (expected a list of words)")
        return ()
    return tuple(words)


def require(values: Mapping[str, Any], problems: list[str], **expected: Any) -> None:
    """Adds to `problems` every key whose value is neither null nor `expected`; a tuple lists several accepted values."""
    for name, accepted in expected.items():
        implemented = accepted if isinstance(accepted, tuple) else (accepted,)
        value = values.get(name)
        if value is not None and not any(value == v and isinstance(value, bool) == isinstance(v, bool) for v in implemented):
            problems.append(f"{name} = {value!r} (implemented: {' or '.join(repr(v) for v in implemented)})")


def rope_theta(
    values: Mapping[str, Any], problems: list[str], *, default: float, legacy: str = "rope_theta", layer_type: str = ""
) -> float:
    """Returns the base of the rotary positions, from `rope_parameters` (of one layer type, if named) or from the key `legacy`.

    Any scaling of the positions is added to `problems`.
    """
    parameters, scaling = values.get("rope_parameters") or {}, values.get("rope_scaling") or {}
    if not isinstance(parameters, Mapping) or not isinstance(scaling, Mapping):
        problems.append(f"rope_parameters = {parameters!r}, rope_scaling = {scaling!r} (expected objects)")
        return default
    if any(isinstance(value, Mapping) for value in parameters.values()) != bool(layer_type) and parameters:
        problems.append(f"rope_parameters = {parameters} (expected {'those of each layer type' if layer_type else 'one set'})")
        return default
    if layer_type:
        parameters = parameters.get(layer_type) or {}
    if not isinstance(parameters, Mapping):
        problems.append(f"rope_parameters of {layer_type} = {parameters!r} (expected an object)")
        return default
    for source in (parameters, scaling):
        kind = source.get("rope_type", source.get("type", "default"))
        if kind != "default":
            problems.append(f"rope scaling {kind!r} (implemented: 'default')")
        if source.get("partial_rotary_factor", 1.0) != 1.0:
            problems.append(f"partial_rotary_factor = {source['partial_rotary_factor']} (implemented: 1.0)")
    theta = parameters.get("rope_theta", values.get(legacy, default))
    if isinstance(theta, bool) or not isinstance(theta, int | float) or not 0 < theta < _LARGEST_BASE:
        problems.append(f"{legacy} = {theta!r} (expected a positive number)")
        return default
    return float(theta)


def _least(name: str) -> int:
    return 0 if name == "num_register_tokens" else 1


def _most(name: str) -> int:
    return _MOST_LAYERS if name == "num_hidden_layers" else _LARGEST


def refuse(model_type: str, problems: list[str]) -> None:
    """Raises one UserError that lists every problem, if there is one."""
    if problems:
        listed = "; ".join(dict.fromkeys(problems))
        raise UserError(f"This {model_type} config asks for what is not implemented: {listed}; choose another checkpoint.")

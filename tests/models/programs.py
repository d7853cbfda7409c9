"""What a traced function computes, operation by operation, those of inner functions included."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["Operation", "operations"]


class Operation(NamedTuple):
    """One primitive and the types of the floating-point numbers that go in and come out."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def operations(function: Any, *arguments: Any) -> list[Operation]:
    return list(_walk(jax.make_jaxpr(function)(*arguments).jaxpr))


def _walk(jaxpr: Any) -> Iterator[Operation]:
    for equation in jaxpr.eqns:
        inner = [value for value in equation.params.values() if hasattr(value, "eqns") or hasattr(value, "jaxpr")]
        for value in inner:
            yield from _walk(getattr(value, "jaxpr", value))
        if not inner:
            yield Operation(equation.primitive.name, _types(equation.invars), _types(equation.outvars))


def _types(variables: Any) -> tuple[str, ...]:
    kinds = [variable.aval.dtype for variable in variables]
    return tuple(kind.name for kind in kinds if jnp.issubdtype(kind, jnp.floating))

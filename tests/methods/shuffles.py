"""A bench whose records carry other metadata or other photographs, and which writes to a place of its own."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from prima_jax.data.prepare import Prepared
from prima_jax.methods.method import Bench
from prima_jax.studies.study import Record

__all__ = ["photographs_moved", "with_fields", "with_photographs", "with_prepared"]


def with_fields(bench: Bench, fields: Callable[[Record], dict]) -> Bench:
    """Each record gets the fields that the function gives it."""
    prepared = bench.context.prepared
    return with_prepared(bench, replace(prepared, records=tuple(replace(r, fields=fields(r)) for r in prepared.records)))


def with_photographs(bench: Bench, order: np.ndarray) -> Bench:
    """Record i gets the photograph of record order[i]."""
    return with_prepared(bench, photographs_moved(bench.context.prepared, order))


def photographs_moved(prepared: Prepared, order: np.ndarray) -> Prepared:
    return replace(prepared, source=[prepared.source[int(i)] for i in order], _decoded={})


def with_prepared(bench: Bench, prepared: Prepared) -> Bench:
    """The same bench on another study."""
    context = bench.context
    folder = context.folder / f"changed_{len(list(context.folder.glob('changed_*')))}"
    folder.mkdir()
    return bench._replace(context=replace(context, prepared=prepared, compiled={}, folder=folder))

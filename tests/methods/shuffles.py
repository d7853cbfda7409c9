"""A bench whose records carry others' metadata, or others' photographs, and whatever else the tests change in records."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from prima_jax.methods.method import Bench
from prima_jax.stages.cases import Case
from prima_jax.studies.study import Record

__all__ = ["with_fields", "with_labels", "with_other_metadata", "with_other_photographs", "with_photographs"]


def with_other_metadata(bench: Bench, seed: int = 0) -> Bench:
    """Each record gets another one's fields."""
    records = bench.context.prepared.records
    order = np.random.default_rng(seed).permutation(len(records))
    return with_records(bench, tuple(replace(r, fields=records[i].fields) for r, i in zip(records, order, strict=True)))


def with_fields(bench: Bench, fields: Callable[[Record], dict]) -> Bench:
    """Each record gets the fields that the function gives it."""
    return with_records(bench, tuple(replace(r, fields=fields(r)) for r in bench.context.prepared.records))


def with_other_photographs(bench: Bench, seed: int = 0) -> Bench:
    """Each record gets another one's photograph."""
    return with_photographs(bench, np.random.default_rng(seed).permutation(len(bench.context.prepared.records)))


def with_photographs(bench: Bench, order: np.ndarray) -> Bench:
    """Record i gets the photograph of record order[i]."""
    prepared = bench.context.prepared
    source = [prepared.source[int(i)] for i in order]
    return replace_prepared(bench, replace(prepared, source=source, _decoded={}))


def with_labels(cases: list[Case], labels: np.ndarray) -> list[Case]:
    return [replace(case, label=int(label)) for case, label in zip(cases, labels, strict=True)]


def with_records(bench: Bench, records: tuple[Record, ...]) -> Bench:
    return replace_prepared(bench, replace(bench.context.prepared, records=records))


def replace_prepared(bench: Bench, prepared) -> Bench:
    """The same bench, which writes to a place of its own."""
    context = bench.context
    folder = context.folder / f"changed_{len(list(context.folder.glob('changed_*')))}"
    folder.mkdir()
    changed = replace(context, prepared=prepared, compiled={}, folder=folder)
    return Bench(changed, bench.fold, bench.tokenizers)

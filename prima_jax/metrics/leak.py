"""Leaks between folds: units, subjects, photographs and identical photographs with records in more than one fold."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from prima_jax.studies.study import Record

__all__ = ["Leak", "find_leaks", "straddling"]


@dataclass(frozen=True)
class Leak:
    """Something with records in several folds, so that a model may have been trained on its test data."""

    kind: str
    """ "unit", "subject", "photograph" (one file named by several records), "identical photographs" or "record"."""
    name: str
    folds: tuple[int, ...]
    records: tuple[str, ...]


def find_leaks(records: Sequence[Record], folds: np.ndarray, identical: Iterable[Sequence[str]] = ()) -> list[Leak]:
    """Returns every unit, subject, photograph and group of identical photographs with records in more than one fold.

    `folds` `[N]` is the fold in which each record is held out, `identical` are groups of record ids that hold the same
    picture (`LoadedStudy.identical`). Identifiers that are not among the records are ignored. A split by unit
    allows subjects in several folds; they are returned here and reported (`straddling_subjects`). Raises ValueError for
    a number of folds other than that of the records.
    """
    folds = np.asarray(folds)
    if folds.shape != (len(records),):
        raise ValueError(f"expected a fold for each of {len(records)} records, found {folds.shape}")
    ids = [record.id for record in records]
    leaks = _leaks("record", ids, ids, folds)
    leaks += _leaks("unit", [record.unit for record in records], ids, folds)
    leaks += _leaks("subject", [record.subject for record in records], ids, folds)
    leaks += _leaks("photograph", [record.image for record in records], ids, folds)
    fold_of = dict(zip(ids, folds.tolist(), strict=True))
    for group in identical:
        known = [identifier for identifier in group if identifier in fold_of]
        inside = sorted({fold_of[identifier] for identifier in known})
        if len(inside) > 1:
            leaks.append(Leak("identical photographs", " = ".join(known), tuple(inside), tuple(known)))
    return leaks


def straddling(names: Sequence[str], folds: np.ndarray) -> dict[str, tuple[int, ...]]:
    """The names `[N]` that stand in more than one fold `[N]`, and in which."""
    inside = defaultdict(set)
    for name, fold in zip(names, np.asarray(folds).tolist(), strict=True):
        inside[name].add(fold)
    return {name: tuple(sorted(several)) for name, several in inside.items() if len(several) > 1}


def _leaks(kind: str, names: Sequence[str], ids: Sequence[str], folds: np.ndarray) -> list[Leak]:
    torn = straddling(names, folds)
    members = defaultdict(list)
    for name, identifier in zip(names, ids, strict=True):
        if name in torn:
            members[name].append(identifier)
    return [Leak(kind, name, inside, tuple(members[name])) for name, inside in torn.items()]

"""Does anything lie in two folds that should not? Units, subjects, photographs, and photographs that are the same."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from prima_jax.studies.study import Record

__all__ = ["Leak", "find_leaks", "straddling"]


@dataclass(frozen=True)
class Leak:
    """Something that lies in several folds, so that a model can have trained on what it is tested on."""

    kind: str
    """ "unit", "subject", "photograph" (one file named by several records), "identical photographs" or "record"."""
    name: str
    folds: tuple[int, ...]
    records: tuple[str, ...]


def find_leaks(records: Sequence[Record], folds: np.ndarray, identical: Iterable[Sequence[str]] = ()) -> list[Leak]:
    """Every unit, subject, photograph and group of identical photographs with records in more than one fold.

    `folds` `[N]` is the fold in which each record is held out, `identical` are groups of record ids that hold the same
    picture (`Reading.identical`). Identifiers that are not among the records are passed over. Subjects in several folds
    are what a split by unit allows; the report says so (`straddling_subjects`), and so does this. Raises ValueError for
    a number of folds other than that of the records.
    """
    folds = np.asarray(folds)
    if folds.shape != (len(records),):
        raise ValueError(f"expected a fold for each of {len(records)} records, found {folds.shape}")
    ids = [record.id for record in records]
    found = _leaks("record", ids, ids, folds)
    found += _leaks("unit", [record.unit for record in records], ids, folds)
    found += _leaks("subject", [record.subject for record in records], ids, folds)
    found += _leaks("photograph", [record.image for record in records], ids, folds)
    fold_of = dict(zip(ids, folds.tolist(), strict=True))
    for group in identical:
        known = [identifier for identifier in group if identifier in fold_of]
        inside = sorted({fold_of[identifier] for identifier in known})
        if len(inside) > 1:
            found.append(Leak("identical photographs", " = ".join(known), tuple(inside), tuple(known)))
    return found


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

"""Folds: stratified by class, grouped by unit or subject, one fold for photographs that are the same (section 3)."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.cluster.hierarchy import DisjointSet
from sklearn.model_selection import StratifiedGroupKFold

from prima_jax.errors import UserError
from prima_jax.studies.study import Record

__all__ = ["assign_folds", "folds_without_class", "small_classes", "straddling_subjects"]


def assign_folds(
    records: Sequence[Record],
    *,
    folds: int,
    group: Literal["unit", "subject"],
    identical: Sequence[Sequence[str]],
    seed: int,
    class_names: Sequence[str] = (),
) -> np.ndarray:
    """Returns the fold `[N]` (0 to folds - 1) in which each record is validated.

    Records of one unit (or subject) share a fold, and so do those of groups that hold the same photograph
    (`identical`, record ids). Raises UserError for a class with fewer groups than folds, by name with `class_names`.
    """
    if group not in ("unit", "subject"):
        raise UserError(f"split.group should be 'unit' or 'subject', not {group!r}.")
    for sentence in small_classes(records, folds=folds, group=group, identical=identical, class_names=class_names):
        raise UserError(sentence)
    groups = _groups(records, group, identical)
    labels = np.array([record.label for record in records])
    assigned = np.empty(len(records), np.int64)
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    for fold, (_, validation) in enumerate(splitter.split(labels, labels, groups)):
        assigned[validation] = fold
    return assigned


def small_classes(
    records: Sequence[Record], *, folds: int, group: str, identical: Sequence[Sequence[str]], class_names: Sequence[str] = ()
) -> list[str]:
    """Returns a sentence for each class with fewer groups than folds."""
    groups = _groups(records, group, identical)
    labels = np.array([record.label for record in records])
    told = []
    for label in range(len(class_names)) if class_names else np.unique(labels):
        count = len(np.unique(groups[labels == label]))
        if count < folds:
            name = class_names[label] if class_names else f"number {label}"
            told.append(
                f"The class {name} has {count} {group}s that share no photograph, fewer than the {folds} folds; "
                f"ask for fewer folds or add data."
            )
    return told


def folds_without_class(
    records: Sequence[Record], assigned: np.ndarray, folds: int, class_names: Sequence[str]
) -> dict[str, list[int]]:
    """Returns class -> the folds in which no case of it is held out, where there are such; `assigned` `[N]` as above."""
    labels = np.array([record.label for record in records])
    found = {name: [k for k in range(folds) if c not in labels[assigned == k]] for c, name in enumerate(class_names)}
    return {name: absent for name, absent in found.items() if absent}


def straddling_subjects(records: Sequence[Record], folds: np.ndarray) -> int:
    """Returns the number of subjects with records in more than one fold."""
    folds_of = defaultdict(set)
    for record, fold in zip(records, folds, strict=True):
        folds_of[record.subject].add(int(fold))
    return sum(len(several) > 1 for several in folds_of.values())


def _groups(records: Sequence[Record], group: str, identical: Sequence[Sequence[str]]) -> np.ndarray:
    """Returns a group number for each record, with groups joined where they hold the same photograph."""
    names = {record.id: getattr(record, group) for record in records}
    joined = DisjointSet(dict.fromkeys(names.values()))
    for ids in identical:
        # An identical photograph may stand in a record that is not among these.
        known = [names[identifier] for identifier in ids if identifier in names]
        for name in known[1:]:
            joined.merge(known[0], name)
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(joined[names[record.id]], len(numbers)) for record in records])

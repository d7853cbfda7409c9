"""Folds: stratified by class, grouped by unit or subject, one fold for photographs that are the same (section 3)."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.cluster.hierarchy import DisjointSet
from sklearn.model_selection import StratifiedGroupKFold

from prima_jax.errors import UserError
from prima_jax.studies.study import Record

__all__ = ["assign_folds", "fold_problems", "folds_without_class", "some_of", "straddling_subjects"]


def assign_folds(
    records: Sequence[Record],
    *,
    folds: int,
    group: Literal["unit", "subject", "site"],
    identical: Sequence[Sequence[str]],
    seed: int,
    class_names: Sequence[str] = (),
) -> np.ndarray:
    """Returns the fold `[N]` (0 to folds - 1) in which each record is validated.

    Records of one unit (or subject) share a fold, and so do those of groups that hold the same photograph
    (`identical`, record ids). With the group "site" each fold is one site, in the order of their names. Raises UserError for
    the first of `fold_problems`.
    """
    for sentence in fold_problems(records, folds=folds, group=group, identical=identical, class_names=class_names):
        raise UserError(sentence)
    if group == "site":
        return np.unique([record.site for record in records], return_inverse=True)[1]
    groups = _groups(records, group, identical)
    labels = np.array([record.label for record in records])
    assigned = np.empty(len(records), np.int64)
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    for fold, (_, validation) in enumerate(splitter.split(labels, labels, groups)):
        assigned[validation] = fold
    return assigned


def some_of(records: Sequence[Record], train: np.ndarray, share: float, *, seed: int) -> np.ndarray:
    """Returns those positions of `train` whose units are chosen: the share of each class's units, at least one.

    Units are chosen in an order that the seed draws, the same in every fold, so that a larger share holds a smaller one.
    """
    if share == 1:
        return train
    of_class: dict[int, list[str]] = {}
    label_of = {records[position].unit: records[position].label for position in train.tolist()}
    units = sorted({record.unit for record in records})
    for place in np.random.default_rng(seed).permutation(len(units)).tolist():
        if units[place] in label_of:
            of_class.setdefault(label_of[units[place]], []).append(units[place])
    chosen = {unit for ordered in of_class.values() for unit in ordered[: max(1, round(share * len(ordered)))]}
    return np.array([position for position in train.tolist() if records[position].unit in chosen], train.dtype)


def fold_problems(
    records: Sequence[Record], *, folds: int, group: str, identical: Sequence[Sequence[str]], class_names: Sequence[str] = ()
) -> list[str]:
    """Returns a sentence for each class with fewer groups than folds, or in one site alone, and for sites that are no folds."""
    if group not in ("unit", "subject", "site"):
        return [f"split.group should be 'unit', 'subject' or 'site', not {group!r}."]
    groups = _groups(records, group, identical)
    labels = np.array([record.label for record in records])
    told = _site_problems(records, folds, len(np.unique(groups))) if group == "site" else []
    for label in range(len(class_names)) if class_names else np.unique(labels):
        count = len(np.unique(groups[labels == label]))
        name = class_names[label] if class_names else f"number {label}"
        if group == "site" and count < 2:
            told.append(
                f"The class {name} is at {count} sites, and not learnt where that one is held out; leave it out, or set "
                "--config.split.group=subject."
            )
        if group != "site" and count < folds:
            told.append(
                f"The class {name} has {count} {group}s that share no photograph, fewer than the {folds} folds; "
                f"ask for fewer folds or add data."
            )
    return told


def _site_problems(records: Sequence[Record], folds: int, apart: int) -> list[str]:
    """Returns why the sites are no folds; apart: the number of those that share no photograph."""
    sites = len({record.site for record in records})
    if sites < 2:
        return ["split.group=site needs two sites or more: set the study's site_columns, or --config.split.group=subject."]
    if apart < sites:
        return [
            f"{sites} sites are {apart} if those with the same photograph count as one, so that none can be held out alone: keep "
            "one of the copies, or set --config.split.group=subject."
        ]
    if folds != sites:
        return [f"split.group=site holds out each of the {sites} sites once, and folds is {folds}: set --config.folds={sites}."]
    return []


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

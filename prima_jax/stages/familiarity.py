"""Whether a photograph is like those that were trained on: the Mahalanobis distance of its image tokens.

The class token and the mean patch token, from the nearest of the training photographs' means by class and image type, under one
shrunk covariance (Lee et al. 2018, arXiv 1807.03888; Ledoit & Wolf 2004, doi 10.1016/S0047-259X(03)00096-4). What is kept are
means of FEWEST_SUBJECTS subjects or more, a matrix and the distances of held-out photographs: no photograph's tokens.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.covariance import ledoit_wolf

from prima_jax.errors import UserError
from prima_jax.files import digest, whole_file, write_whole
from prima_jax.hosts import is_first
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.frozen_tokens import frozen_tokens

__all__ = ["FAMILIARITY", "Familiarity", "keep_familiarity", "load_familiarity"]

FAMILIARITY = "familiarity.npz"
FEWEST_SUBJECTS = 5
"""Below, the mean of a group would tell much of one photograph, and be a poor mean."""


@dataclass(frozen=True)
class Familiarity:
    """G groups of training photographs, d numbers each, and the distances of photographs that were held out."""

    image_types: np.ndarray
    """The image type of each group: text [G]."""
    means: np.ndarray
    """[G, d]."""
    precision: np.ndarray
    """The inverse of the covariance within groups: [d, d]."""
    held_out: np.ndarray
    """The distance of every photograph from those of the other folds, in rising order: [M]."""

    @classmethod
    def fit(
        cls, tokens: np.ndarray, labels: np.ndarray, image_types: Sequence[str] | np.ndarray, subjects: Sequence[str] | np.ndarray
    ) -> "Familiarity":
        """Returns that of training photographs, none held out yet: tokens [N, d], labels, image types and subjects [N].

        Groups of fewer than FEWEST_SUBJECTS are left out; where all are, all photographs are one.
        """
        tokens, types, subjects = np.asarray(tokens, np.float64), np.array(image_types), np.asarray(subjects)
        groups = sorted({(image_type, label) for image_type, label in zip(types.tolist(), labels.tolist(), strict=True)})
        members = [(types == image_type) & (labels == label) for image_type, label in groups]
        large = [n for n, of_group in enumerate(members) if len(np.unique(subjects[of_group])) >= FEWEST_SUBJECTS]
        groups, members = [groups[n] for n in large] or [("", 0)], [members[n] for n in large] or [np.ones(len(types), bool)]
        means = np.stack([tokens[of_group].mean(axis=0) for of_group in members])
        within = np.concatenate([tokens[of_group] - mean for of_group, mean in zip(members, means, strict=True)])
        covariance, _ = ledoit_wolf(within, assume_centered=True)
        scale = np.trace(covariance) / len(covariance)
        precision = np.linalg.pinv(covariance + 1e-6 * scale * np.eye(len(covariance)))  # constant dimensions stay finite
        return cls(np.array([image_type for image_type, _ in groups]), means, precision, np.zeros(0))

    def distances(self, tokens: np.ndarray, image_types: Sequence[str] | np.ndarray) -> np.ndarray:
        """The Mahalanobis distance of photographs, tokens [N, d], from the nearest group of their image type: [N].

        Where no training photograph had that type, from the nearest group of all.
        """
        tokens, types = np.asarray(tokens, np.float64), np.array(image_types)
        squares = np.empty((len(tokens), len(self.means)))
        for group, mean in enumerate(self.means):
            apart = tokens - mean
            squares[:, group] = np.einsum("nd,nd->n", apart @ self.precision, apart)
        other = (self.image_types[None] != types[:, None]) & np.isin(types, self.image_types)[:, None]
        return np.sqrt(np.where(other, np.inf, np.maximum(squares, 0)).min(axis=1))

    def nearer(self, tokens: np.ndarray, image_types: Sequence[str] | np.ndarray) -> np.ndarray:
        """The share of held-out photographs that were nearer than each of these: [N]."""
        return np.searchsorted(self.held_out, self.distances(tokens, image_types), side="left") / len(self.held_out)


def keep_familiarity(context: Context, folds: Sequence[Fold]) -> None:
    """Writes that of a run's photographs into its folder, by the image encoder as it starts out, which no fold has trained."""
    path, records, tokens = context.folder / FAMILIARITY, context.prepared.records, frozen_tokens(context)
    if not is_first():
        return
    types, labels, subjects = (np.array([getattr(one, name) for one in records]) for name in ("image_type", "label", "subject"))
    held_out = []
    for fold in folds:
        of_others = Familiarity.fit(*(values[fold.train] for values in (tokens, labels, types, subjects)))
        held_out.append(of_others.distances(tokens[fold.test], types[fold.test]))
    found = replace(Familiarity.fit(tokens, labels, types, subjects), held_out=np.sort(np.concatenate(held_out)))
    with whole_file(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **asdict(found))
    write_whole(path.with_suffix(".sha256"), digest(path).encode())


def load_familiarity(folder: Path) -> Familiarity | None:
    """What `keep_familiarity` wrote; None of a run of an earlier version. Raises UserError where it has changed."""
    path = folder / FAMILIARITY
    if not path.exists():
        return None
    try:
        whole = path.with_suffix(".sha256").read_bytes() == digest(path).encode()
    except OSError:
        whole = False
    if not whole:
        raise UserError(f"{path} is not as it was written: put it back, or delete it, and no answer tells of unlike photographs.")
    with np.load(path) as stored:
        return Familiarity(**{name: stored[name] for name in stored.files})

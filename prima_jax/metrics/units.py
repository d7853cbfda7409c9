"""One verdict for each unit, for tests that take their rows to be independent."""

import numpy as np

__all__ = ["per_unit"]


def per_unit(labels: np.ndarray, probabilities: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Units by name `[U]`, their labels `[U]`, and the mean `[U, C]` of their cases' probabilities.

    `labels` `[N]` are class positions, `probabilities` `[N, C]`, `units` `[N]` names. Raises ValueError for shapes that
    do not fit and for a unit whose cases have different labels.
    """
    labels, probabilities, units = np.asarray(labels), np.asarray(probabilities, float), np.asarray(units)
    if labels.ndim != 1 or units.shape != labels.shape or probabilities.ndim != 2 or len(probabilities) != len(labels):
        raise ValueError(
            f"expected labels [N], probabilities [N, C] and units [N], found {labels.shape}, {probabilities.shape} and "
            f"{units.shape}"
        )
    names, first, positions, cases = np.unique(units, return_index=True, return_inverse=True, return_counts=True)
    of_units = labels[first]
    if (of_units[positions] != labels).any():
        torn = names[positions[of_units[positions] != labels][0]]
        raise ValueError(f"expected one label for all cases of a unit, found several for {torn}")
    sums = np.zeros((len(names), probabilities.shape[1]))
    np.add.at(sums, positions, probabilities)
    return names, of_units, sums / cases[:, None]

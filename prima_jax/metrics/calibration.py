"""Calibration metrics and cross-fitted temperature scaling."""

from typing import Literal

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

__all__ = [
    "SMALLEST",
    "apply_temperature",
    "brier_score",
    "calibration_error",
    "cross_fitted_temperatures",
    "expected_calibration_error",
    "fit_temperature",
    "negative_log_likelihood",
    "reliability",
]

SMALLEST = 5e-7
"""The lower bound of a probability before its logarithm: predictions.csv has six decimals and writes less than this as 0."""

_LARGEST_TEMPERATURE = 100.0

Reliability = tuple[np.ndarray, np.ndarray, np.ndarray]


def reliability(
    right: np.ndarray, confidence: np.ndarray, bins: int = 15, spacing: Literal["width", "count"] = "width"
) -> Reliability:
    """The reliability diagram: cases, mean confidence and share right of each bin, `[bins]` each, NaN in empty bins.

    `right` `[N]` (0 or 1) is the outcome of each `confidence` `[N]`. Bins are (0, 1/bins], ... of equal width, 0 being in
    the first (Guo et al. 2017, eqs. 1 and 2, https://proceedings.mlr.press/v70/guo17a.html), or of as equal counts as
    can be, by rank (Nguyen & O'Connor 2015, doi 10.18653/v1/D15-1182). Raises ValueError for shapes that differ, no
    cases, or confidences outside [0, 1].
    """
    right, confidence = np.asarray(right, float), np.asarray(confidence, float)
    if right.ndim != 1 or right.shape != confidence.shape or not len(right):
        raise ValueError(f"expected two arrays [N], N above 0, found {right.shape} and {confidence.shape}")
    # A sum of probabilities read from a file can pass 1 by rounding.
    if not ((confidence >= 0) & (confidence <= 1 + 1e-5)).all():
        raise ValueError("expected confidences from 0 to 1")
    if spacing == "width":
        position = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")
    else:
        position = np.empty(len(confidence), int)
        position[np.argsort(confidence, kind="stable")] = np.arange(len(confidence)) * bins // len(confidence)
    cases = np.bincount(position, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(position, values, bins) / cases for values in (confidence, right)]
    return cases, means[0], means[1]


def calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, bins: int = 15, spacing: Literal["width", "count"] = "width"
) -> float:
    """ECE of the most probable class: the mean over cases of |share right - confidence| of their bin, in [0, 1].

    Naeini et al. 2015 (doi 10.1609/aaai.v29i1.9602), Guo et al. 2017, eq. 3. `labels` `[N]` are class positions,
    `probabilities` `[N, C]`. Chance alone lifts it above 0, the more the fewer cases stand in a bin; `spacing` "count"
    (adaptive ECE) does not hang on nearly empty ones.
    """
    labels, probabilities = _checked(labels, probabilities)
    right = probabilities.argmax(axis=1) == labels
    return _gap(*reliability(right, probabilities.max(axis=1), bins, spacing))


def expected_calibration_error(
    probabilities: np.ndarray, units: np.ndarray | None = None, bins: int = 15, draws: int = 200, seed: int = 0
) -> float:
    """The mean `calibration_error` of labels drawn from `probabilities` `[N, C]` themselves: the error
    of a perfectly calibrated model with as many cases and the same confidences, by chance alone.

    Cases of one of the `units` `[N]`, names, share a label, so they are drawn by one random number.
    """
    generator, cumulated = np.random.default_rng(seed), np.cumsum(probabilities, axis=1)
    positions = np.arange(len(probabilities)) if units is None else np.unique(np.asarray(units), return_inverse=True)[1]
    drawn = generator.random((draws, int(positions.max()) + 1, 1))[:, positions] * cumulated[:, -1:]
    errors = [calibration_error((below > cumulated[:, :-1]).sum(axis=1), probabilities, bins) for below in drawn]
    return float(np.mean(errors))


def negative_log_likelihood(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of -log(probability of the label) in nats, probabilities at least SMALLEST and summing to 1."""
    labels, probabilities = _checked(labels, probabilities)
    return _loss(labels, _logarithms(probabilities), 1.0)


def brier_score(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared distance from the one-hot label, in [0, 2] (Brier 1950, doi 10.1175/1520-0493(1950)078<0001>2.0.CO;2)."""
    labels, probabilities = _checked(labels, probabilities)
    return float(np.mean(np.sum((probabilities - np.eye(probabilities.shape[1])[labels]) ** 2, axis=1)))


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The T above 0 under which softmax(log(p) / T) has the least negative log-likelihood (Guo et al. 2017, eq. 9).

    Logarithms of probabilities are logits but for a constant per case, which the softmax takes away. The likelihood is
    convex in 1 / T, so there is one minimum; it is searched between 1/100 and 100, and comes near one of
    these where every case, or none, is right. Raises ValueError for shapes that do not fit.
    """
    labels, probabilities = _checked(labels, probabilities)
    logarithms = _logarithms(probabilities)
    edge = np.log(_LARGEST_TEMPERATURE)
    fit = minimize_scalar(
        lambda log_t: _loss(labels, logarithms, np.exp(log_t)), bounds=(-edge, edge), method="bounded", options={"xatol": 1e-7}
    )
    return float(np.exp(fit.x))


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log(p) / T) `[N, C]`; the order of the classes, and so every prediction, stays as it is."""
    return softmax(_logarithms(np.asarray(probabilities, float)) / temperature, axis=1)


def cross_fitted_temperatures(labels: np.ndarray, probabilities: np.ndarray, folds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A temperature for each fold `[K]`, in the order of their names, and the probabilities `[N, C]` calibrated with them.

    Give one method's held-out predictions of all folds. Fold k's temperature is fitted on the held-out predictions of
    the other folds: on cases that are not in fold k, each predicted by a model that had not seen it. So neither labels
    nor predictions of fold k's cases enter the fit, and its calibration error is measured on fresh cases. Two things to
    know. The models of the other folds did train on fold k's cases, as any model of cross-validation does; what reaches
    the temperature by that way is one number for how sure such models are. And the temperature is that of those models,
    carried over to fold k's own, which was trained in the same way. Raises ValueError where there is but one fold.
    """
    labels, probabilities = _checked(labels, probabilities)
    folds = np.asarray(folds)
    names = np.unique(folds)
    if folds.shape != labels.shape or len(names) < 2:
        raise ValueError("expected a fold for each case, and at least two folds")
    calibrated, temperatures = np.empty_like(probabilities), np.empty(len(names))
    for n, fold in enumerate(names):
        held_out = folds == fold
        temperatures[n] = fit_temperature(labels[~held_out], probabilities[~held_out])
        calibrated[held_out] = apply_temperature(probabilities[held_out], temperatures[n])
    return temperatures, calibrated


def _gap(cases: np.ndarray, confidence: np.ndarray, right: np.ndarray) -> float:
    filled = cases > 0
    return float(np.sum(cases[filled] * np.abs(right[filled] - confidence[filled])) / cases.sum())


def _logarithms(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.clip(probabilities, SMALLEST, None))


def _loss(labels: np.ndarray, logarithms: np.ndarray, temperature: float) -> float:
    scaled = logarithms / temperature
    top = scaled.max(axis=1)
    sums = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
    return float(np.mean(sums - scaled[np.arange(len(labels)), labels]))


def _checked(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, float)
    if labels.ndim != 1 or not len(labels) or probabilities.ndim != 2 or len(probabilities) != len(labels):
        raise ValueError(f"expected labels [N] and probabilities [N, C], N above 0, found {labels.shape}, {probabilities.shape}")
    if np.isnan(probabilities).any() or not np.isin(labels, np.arange(probabilities.shape[1])).all():
        raise ValueError(f"expected probabilities without NaN and labels from 0 to {probabilities.shape[1] - 1}")
    return labels, probabilities

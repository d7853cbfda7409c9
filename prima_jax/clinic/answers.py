"""A model's answers for new cases: probabilities, prediction sets, and warnings; as text, JSON and rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prima_jax.errors import UserError

__all__ = ["Answer", "Answers", "Unanswered"]


@dataclass(frozen=True)
class Answer:
    """The answer for one case. Arrays [C] are in the order of `class_names`."""

    name: str
    class_names: tuple[str, ...]
    probabilities: np.ndarray
    """The mean over the folds' models, calibrated by the run's temperature where it has one."""
    spread: np.ndarray
    """The standard deviation over the folds' models."""
    p_values: np.ndarray | None
    """The p-value of each class (metrics/conformal.py); None where not all folds are trained."""
    error_rate: float
    sentence: str
    """The sentence of the metadata, as the models read it."""
    missing: tuple[str, ...]
    """Attributes without a value."""
    never_seen: tuple[str, ...] | None
    """Fields with a value that no training record had; None where the run did not note them."""
    unlike: tuple[float, ...]
    """For each photograph the share of held-out ones that were nearer to the training photographs; empty where not all folds are
    trained."""
    notes: tuple[str, ...]
    """Sentences on how this case was treated, say that photographs were averaged."""

    @property
    def predicted(self) -> str:
        """The most probable class."""
        return self.class_names[int(self.probabilities.argmax())]

    @property
    def prediction_set(self) -> tuple[str, ...] | None:
        """The classes that cannot be ruled out at the error rate; empty: none fits. None without calibration."""
        if self.p_values is None:
            return None
        return tuple(name for name, p in zip(self.class_names, self.p_values, strict=True) if p > self.error_rate)

    @property
    def unlike_training(self) -> tuple[int, ...]:
        """The numbers, from 1, of photographs that are farther from those trained on than 95% of held-out ones."""
        return tuple(number for number, share in enumerate(self.unlike, start=1) if share > 0.95)


@dataclass(frozen=True)
class Answers(Sequence[Answer]):
    """The answers for many cases, and what is the same for all of them."""

    title: str
    synthetic: bool
    models: int
    base_rates: dict[str, float]
    """Class -> its share of the training cases; empty where the run has no calibration."""
    warnings: tuple[str, ...]
    """The warnings of the run."""
    answers: tuple[Answer, ...]

    def __getitem__(self, index: Any) -> Any:
        return self.answers[index]

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def probabilities(self) -> np.ndarray:
        """The class probabilities, [cases, C]."""
        return np.stack([answer.probabilities for answer in self.answers])

    def as_json(self) -> dict[str, Any]:
        """Plain values: what holds for all, and "cases"."""
        return {
            "study": self.title,
            "synthetic": self.synthetic,
            "models": self.models,
            "base_rates": {name: round(rate, 6) for name, rate in self.base_rates.items()},
            "warnings": list(self.warnings),
            "cases": [_plain(answer) for answer in self.answers],
        }

    def as_rows(self) -> list[list[str]]:
        """A table: headings, then a row for each case."""
        names = self.answers[0].class_names
        headings = ["case", "predicted", *(f"p_{name}" for name in names), *(f"spread_{name}" for name in names)]
        headings += ["prediction_set", "error_rate", "missing", "never_seen", "unlike_training", "notes"]
        rows = []
        for one in self.answers:
            in_set = one.prediction_set
            numbers = [f"{value:.6f}" for value in (*one.probabilities, *one.spread)]
            said = [
                "not calibrated" if in_set is None else "; ".join(in_set),
                "" if in_set is None else f"{one.error_rate:.6g}",
                "; ".join(one.missing),
                "not noted" if one.never_seen is None else "; ".join(one.never_seen),
                "; ".join(f"photograph {number}" for number in one.unlike_training) if one.unlike else "not noted",
                " ".join(one.notes),
            ]
            rows.append([one.name, one.predicted, *numbers, *said])
        return [headings, *rows]

    def as_text(self) -> str:
        """For the terminal, case after case."""
        synthetic = " (SYNTHETIC)" if self.synthetic else ""
        head = [f"{self.title}{synthetic}, mean of {self.models} model{'s' * (self.models > 1)}"]
        said = [self._case_text(answer) for answer in self.answers]
        return "\n".join([*head, *said, *self.warnings])

    def _case_text(self, one: Answer) -> str:
        lines = [one.name] if len(self.answers) > 1 else []
        for position in np.argsort(-one.probabilities, kind="stable"):
            name = one.class_names[position]
            rate = f"   base rate {100 * self.base_rates[name]:.1f} %" if name in self.base_rates else ""
            spread = f" +- {100 * one.spread[position]:.1f}" if self.models > 1 else ""
            lines.append(f"{name:>12}  {100 * one.probabilities[position]:5.1f}{spread} %{rate}")
        in_set = one.prediction_set
        if in_set is not None:
            said = ", ".join(in_set) or "none: no class fits this case, the model does not know"
            lines.append(f"Not ruled out at an error rate of {100 * one.error_rate:.3g} %: {said}.")
        lines.append(f"Read: {one.sentence or '(no metadata)'}")
        if one.missing:
            lines.append(f"Not given: {', '.join(one.missing)}.")
        if one.never_seen:
            lines.append(
                f"NEVER SEEN IN TRAINING: the values of {', '.join(one.never_seen)}; what they do to this answer was not learnt."
            )
        if one.never_seen is None:
            lines.append("This run did not note what it was trained on: values that it never saw are not told.")
        for number in one.unlike_training:
            share = 100 * one.unlike[number - 1]
            lines.append(
                f"UNLIKE THE TRAINING PHOTOGRAPHS: photograph {number} is farther from them than {share:.1f} % of held-out ones."
            )
        return "\n".join([*lines, *one.notes])


class Unanswered(UserError):
    """Some cases of many have a photograph that cannot be read; the others are answered."""

    def __init__(self, unread: Mapping[int, UserError], answers: Answers) -> None:
        """unread: what is wrong, by the case's position; answers: those of the other cases."""
        position, why = next(iter(unread.items()))
        super().__init__(
            f"Of {len(unread) + len(answers):,} cases {len(unread):,} have no answer, since a photograph cannot be read; the "
            f"first is case {position + 1}: {why}"
        )
        self.answers = answers


def _plain(one: Answer) -> dict[str, Any]:
    in_set = one.prediction_set
    return {
        "case": one.name,
        "predicted": one.predicted,
        "probabilities": _by_class(one, one.probabilities),
        "spread": _by_class(one, one.spread),
        "p_values": None if one.p_values is None else _by_class(one, one.p_values),
        "error_rate": None if in_set is None else one.error_rate,
        "prediction_set": None if in_set is None else list(in_set),
        "sentence": one.sentence,
        "missing": list(one.missing),
        "never_seen": None if one.never_seen is None else list(one.never_seen),
        "unlike": [round(share, 4) for share in one.unlike],
        "unlike_training": list(one.unlike_training),
        "notes": list(one.notes),
    }


def _by_class(one: Answer, values: np.ndarray) -> dict[str, float]:
    return {name: round(float(value), 6) for name, value in zip(one.class_names, values, strict=True)}

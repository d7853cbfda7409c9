"""The form as the study makes it, and the case and error rate that were sent with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prima_jax.clinic.cases import NewCase
from prima_jax.clinic.serve.uploads import Sent
from prima_jax.errors import UserError
from prima_jax.experiment.calibration import Calibration
from prima_jax.json_text import parse_json
from prima_jax.metrics.conformal import smallest_error_rate
from prima_jax.studies.study import Study

__all__ = ["OF", "PHOTOGRAPH", "Question", "case_of_api", "case_of_form", "error_rates", "questions", "sent_error_rate"]

OF, PHOTOGRAPH = "of:", "photograph:"
"""What the names of fields begin with: of:ATTRIBUTE and photograph:KIND."""
NAME = "case 1"
"""As `prima predict` calls a case that stands alone."""


@dataclass(frozen=True)
class Question:
    """What the form asks about one attribute."""

    name: str
    label: str
    kind: str
    """As the attribute's: number, category or yes_no."""
    hint: str = ""
    """Of a number: the range seen in training."""
    choices: tuple[tuple[str, str], ...] = ()
    """Of a category: the value and its word."""


def questions(study: Study, seen: Mapping[str, Any] | None) -> list[Question]:
    """One for each attribute that models may see; seen: the values of training (data/seen.py)."""
    asked = []
    for attribute in study.shown():
        values = (seen or {"fields": {}})["fields"].get(attribute.name, [])
        hint, choices = "", tuple(attribute.values.items())
        if attribute.kind == "number" and values:
            hint = f"{values[0]:g} to {values[1]:g} in training"
        if attribute.kind == "category" and not choices:
            choices = tuple((value, value) for value in values)
        label = attribute.name.replace("_", " ")
        asked.append(Question(attribute.name, label[:1].upper() + label[1:], attribute.kind, hint, choices))
    return asked


def error_rates(calibration: Calibration | None) -> tuple[float, ...]:
    """The choices of the form: 10% and 20%, or the least that the run can promise; none without calibration."""
    if calibration is None:
        return ()
    least = float(smallest_error_rate(calibration.held_out.subjects).max())
    return tuple(rate for rate in (0.1, 0.2) if rate >= least) or (least,)


def case_of_form(study: Study, sent: Sent) -> NewCase:
    """The case that the page's form sends. Raises UserError where it has no photograph."""
    known = {name.removeprefix(OF): text for name, text in sent.texts if name.startswith(OF) and text.strip()}
    numbers = {attribute.name for attribute in study.shown() if attribute.kind == "number"}
    known |= {name: text.replace(".", study.decimal) for name, text in known.items() if name in numbers}  # browsers send points
    images = [(name.removeprefix(PHOTOGRAPH), data) for name, data in sent.files if name.startswith(PHOTOGRAPH)]
    return _case(images, known)


def case_of_api(study: Study, sent: Sent) -> NewCase:
    """The case of `metadata`, `images` and `views`. Raises UserError where they do not fit."""
    texts = [text for name, text in sent.texts if name == "metadata"]
    if len(texts) > 1:
        raise UserError("metadata: given more than once; give one object with all keys.")
    found = parse_json(texts[0] if texts else "{}", "metadata", "give one object of keys and values.", once=True)
    if not isinstance(found, dict):
        raise UserError(f"metadata holds a {type(found).__name__} (expected an object); give one object of keys and values.")
    files = [data for name, data in sent.files if name == "images"]
    return _case(list(zip(_views(study, sent, len(files)), files, strict=True)), found)


def sent_error_rate(sent: Sent) -> float | None:
    """The error rate that was chosen; None: the run's own. Raises UserError for what is no number."""
    text = next((text for name, text in sent.texts if name == "error_rate"), "")
    try:
        return float(text) if text.strip() else None
    except ValueError as error:
        raise UserError("error_rate: expected a number between 0 and 1; write for example 0.1.") from error


def _case(images: Sequence[tuple[str, bytes]], known: Mapping[str, Any]) -> NewCase:
    if not images:
        raise UserError("The case has no photograph: add one or more.")
    return NewCase(images, known, NAME)


def _views(study: Study, sent: Sent, count: int) -> list[str]:
    """The kind of each photograph, in their order; all in one text with commas, or a text for each."""
    views = [view.strip() for name, text in sent.texts if name == "views" for view in text.split(",") if view.strip()]
    if len(study.image_types) <= 1:
        return [""] * count
    known = ", ".join(study.image_types)
    if len(views) != count:
        raise UserError(f"views: expected one for each of {count} images, found {len(views)}; give each one of {known}.")
    if not set(views) <= set(study.image_types):
        raise UserError(f"views: there is a view that the study does not have; give each image one of {known}.")
    return views

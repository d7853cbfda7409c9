"""What the page's routes work with: the model, one call of it at a time, the templates, and counts."""

import base64
import io
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from prima_jax.clinic.answers import Answers
from prima_jax.clinic.cases import NewCase
from prima_jax.clinic.explain import Explanation, explain
from prima_jax.clinic.explanation_files import pictures
from prima_jax.clinic.model import DEVICE, Model
from prima_jax.clinic.serve.door import Door
from prima_jax.clinic.serve.form import OF, PHOTOGRAPH, error_rates, questions
from prima_jax.clinic.serve.uploads import LARGEST_PHOTOGRAPH, MOST_PHOTOGRAPHS
from prima_jax.errors import device_error

__all__ = ["Busy", "Desk"]

MOST_INSIDE = 4
"""Requests that are read, answered or wait for it: each may hold its photographs in memory."""
T = TypeVar("T")


class Busy(Exception):
    """There are as many requests as the page takes at once."""


class Desk:
    """Everything of one model's page."""

    def __init__(self, model: Model, door: Door | None) -> None:
        self.model = model
        self.door = door
        self.counts: Counter[str] = Counter()
        """How often something was done: all that is kept of what passes here."""
        self._inside = 0
        self._lock = threading.Lock()
        self._one_call = threading.Lock()
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    @contextmanager
    def place(self) -> Iterator[None]:
        """Holds one of the few places. Raises Busy where there is none."""
        with self._lock:
            if self._inside >= MOST_INSIDE:
                self.counts["refused"] += 1
                raise Busy
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1

    def answer(self, case: NewCase, error_rate: float | None) -> Answers:
        """Raises UserError as `Model.predict`."""
        found = self._call(lambda: self.model.predict([case], error_rate=error_rate))
        self._count("answers")
        return found

    def explain(self, case: NewCase) -> tuple[Explanation, dict[str, str]]:
        """The explanation, and its pictures as base64. Raises UserError as `Model.predict`."""

        def work() -> tuple[Explanation, dict[str, bytes]]:
            found = explain(self.model, case)
            return found, pictures(found, synthetic=self.model.synthetic)

        found, drawn = self._call(work)
        self._count("explanations")
        return found, {name: base64.b64encode(picture).decode() for name, picture in drawn.items()}

    def warm_up(self) -> None:
        """Answers a grey photograph, so that nobody waits for the models to be read and compiled."""
        grey = io.BytesIO()
        Image.new("RGB", (256, 256), "grey").save(grey, "PNG")
        kind = next(iter(self.model.study.image_types), "")
        self._call(lambda: self.model.predict([NewCase([(kind, grey.getvalue())])]))

    def render(self, template: str, **values: Any) -> str:
        """A page, or a part of one."""
        study = self.model.study
        return self._templates.get_template(template).render(
            study=study, synthetic=self.model.synthetic, device=DEVICE, signs_in=self.door is not None, **values
        )

    def form(self) -> dict[str, Any]:
        """What the page with the form shows."""
        return {
            "questions": questions(self.model.study, self.model.seen),
            "kinds": self.model.study.image_types or {"": ""},
            "error_rates": error_rates(self.model.calibration),
            "of": OF,
            "photograph": PHOTOGRAPH,
            "most": MOST_PHOTOGRAPHS,
            "largest": LARGEST_PHOTOGRAPH // 10**6,
        }

    def _call(self, work: Callable[[], T]) -> T:
        with self._one_call:
            try:
                return work()
            except (RuntimeError, AssertionError) as error:  # XLA's own among them
                raise device_error(error, "end what else uses the device, or ask with fewer photographs") from error

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

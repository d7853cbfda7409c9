"""Tiny checkpoints saved by transformers, with the answers that transformers + torch gave (scripts/make_golden.py)."""

import functools
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from prima_jax.models import pretrained
from tests.strict import standard_promotion, strict_promotion

__all__ = ["standard_promotion", "strict_promotion"]

GOLDEN = Path(__file__).parent / "golden"


class Case(NamedTuple):
    """A model of ours, its inputs, and what the reference answered."""

    module: Any
    variables: Any
    inputs: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]

    def apply(self, variables: Any) -> dict[str, jax.Array]:
        """Our answers, under the reference's names."""
        inputs = dict(self.inputs)
        first = inputs.pop("pixel_values" if "pixel_values" in inputs else "input_ids")
        options = {"output_logits": True} if hasattr(self.module, "class_logits") else {}
        output = self.module.apply(variables, first, **inputs, **options, output_hidden_states=True)
        answer = {"hidden_states": jax.numpy.stack(output.hidden_states), "last_hidden_state": output.last_hidden_state}
        return answer | ({} if output.logits is None else {"logits": output.logits})

    def seen(self, array: Any) -> Any:
        """`array` [..., B, T, d] without what stands at padding, which means nothing in either model."""
        mask = self.inputs.get("attention_mask")
        return array if mask is None else array[..., mask, :]

    def differences(self) -> dict[str, float]:
        """The largest absolute difference from the reference, for each answer."""
        ours = jax.jit(self.apply)(self.variables)
        assert ours.keys() == self.expected.keys()
        return {name: float(np.abs(self.seen(ours[name] - value)).max()) for name, value in self.expected.items()}


@functools.cache
def load_golden(case: str) -> Case:
    arrays = load_file(GOLDEN / case / "expected.safetensors")
    inputs = {name.removeprefix("input."): a for name, a in arrays.items() if name.startswith("input.")}
    expected = {name: a for name, a in arrays.items() if not name.startswith("input.")}
    return Case(*pretrained.from_pretrained(GOLDEN / case), inputs, expected)


def load_reference() -> ModuleType:
    """scripts/make_golden.py, which needs torch."""
    pytest.importorskip("torch")
    path = Path(__file__).parents[2] / "scripts" / "make_golden.py"
    spec = importlib.util.spec_from_file_location("make_golden", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def golden():
    return load_golden


@pytest.fixture(scope="module")
def apply(case):
    """The model of a file's own `case`, compiled."""
    return jax.jit(case.module.apply)


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    return load_reference()


@pytest.fixture
def remat_count():
    """How many layers of a module are recomputed in the backward pass."""

    def count(module, variables, *inputs):
        equations = jax.make_jaxpr(module.apply)(variables, *inputs).eqns
        return sum(e.primitive.name.startswith(("remat", "checkpoint")) for e in equations)

    return count


@pytest.fixture
def new_case():
    return Case


@pytest.fixture
def published():
    """The published config.json files: name -> content."""
    folder = Path(__file__).parents[2].parent / "shared" / "configs_hf"
    if not folder.is_dir():
        pytest.skip(f"no published configs at {folder}")
    return lambda name: json.loads((folder / name / "config.json").read_text())

"""Models of published sizes against transformers + torch, with random weights: float32, and bfloat16 within its budget."""

import pytest

from scripts.comparison import bfloat16
from scripts.comparison.full_size import MODELS, folder
from scripts.comparison.ours import QUICK
from scripts.comparison.page import LIMIT

pytestmark = [pytest.mark.slow, pytest.mark.torch, pytest.mark.nightly, pytest.mark.usefixtures("standard_promotion")]
SIZES = [pytest.param(name, id=published) for name, (_, published) in MODELS.items()]


@pytest.fixture
def measured():
    """scripts.comparison.measure_full_size, which imports torch."""
    pytest.importorskip("torch")
    from scripts.comparison import measure_full_size

    return measure_full_size


def published(name: str) -> str:
    path = folder() / MODELS[name][1] / "config.json"
    if not path.is_file():
        pytest.skip(f"NOT COMPARED: the published config of {name} is not at shared/configs_hf beside the repository")
    return name


@pytest.mark.parametrize("name", SIZES)
def test_states_logits_and_gradients(name, measured):
    found = measured.in_float32(published(name), QUICK, double=False)["ours to torch"]
    print(name, {quantity: f"{value:.1e}" for quantity, value in found.items()})
    assert {"states", "adapter gradients", "input gradients"} <= set(found)
    assert all(difference < LIMIT for difference in found.values()), found


@pytest.mark.parametrize("name", SIZES)
def test_errors_of_bfloat16_are_within_the_budget_of_each_layer(name, measured):
    found = measured.in_bfloat16(published(name), QUICK, torch=False)["ours"]
    print(name, found / bfloat16.ROUNDING)
    assert (found < bfloat16.allowed(len(found) - 1)).all()

"""A published checkpoint, where PRIMA_REAL_WEIGHTS names a folder that holds it: its answers and its bytes.

Random weights have no outliers; those that were trained have.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from prima_jax.models import pretrained
from scripts.comparison.page import LIMIT

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("standard_promotion")]


@pytest.fixture(scope="module")
def dinov2() -> Path:
    weights = os.environ.get("PRIMA_REAL_WEIGHTS", "")
    folder = Path(weights) / "dinov2-small"
    if not weights or not (folder / "model.safetensors").is_file():
        pytest.skip(f"NOT COMPARED: no published DINOv2 at {folder}; set PRIMA_REAL_WEIGHTS to the folder of dinov2-small")
    return folder


@pytest.mark.torch
@pytest.mark.parametrize("size", (224, 154, 518))
def test_last_tokens_of_photographs(size, dinov2):
    pytest.importorskip("torch")
    from scripts.comparison import real_weights

    if not real_weights.PHOTOGRAPHS.is_dir():
        pytest.skip(f"NOT COMPARED: no photographs at {real_weights.PHOTOGRAPHS}")
    found = real_weights.measure(dinov2, size)
    print(size, found)
    assert found["ours to torch"] < LIMIT
    assert found["ours to float64"] < LIMIT


def test_every_tensor_is_written_to_the_byte(dinov2, tmp_path):
    pretrained.save_pretrained(tmp_path, *pretrained.from_pretrained(dinov2))
    written, original = (load_file(folder / "model.safetensors") for folder in (tmp_path, dinov2))
    assert written.keys() == original.keys()
    for name, tensor in original.items():
        assert written[name].dtype == tensor.dtype and written[name].shape == tensor.shape, name
        np.testing.assert_array_equal(written[name].view(np.uint8), tensor.view(np.uint8), err_msg=name)

"""A function over photographs gives each its own row, whatever the batches and devices."""

import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.data.images import center_view
from prima_jax.stages.inference import predict_images
from tests.stages.tiny import ONE_LAYER


def sums(variables, batch):
    image = batch["image"].astype(jnp.float32).sum(axis=(1, 2))
    return {"image": variables["factor"] * image, "beside": batch["number"] + 0.0}


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("count", [1, 16, 21])
def test_every_photograph_has_its_row_and_padding_has_none(study, tmp_path, devices, count):
    context = study.context(tmp_path, devices=devices, **ONE_LAYER)  # batches of 16
    positions = np.random.default_rng(count).permutation(len(context.prepared.records))[:count]
    numbers = np.arange(count, dtype=np.float32)
    found = predict_images(context, "sums", sums, {"factor": np.float32(2)}, positions, {"number": numbers})
    expected = [2 * center_view(context.prepared.image(p), 32).astype(np.float64).sum(axis=(0, 1)) for p in positions]
    np.testing.assert_allclose(found["image"], expected, rtol=1e-6)
    np.testing.assert_array_equal(found["beside"], numbers)

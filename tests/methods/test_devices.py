"""Two devices that share the batches train a method as one does."""

import numpy as np
import pytest

from prima_jax.methods.registry import METHODS
from tests.methods.benches import make_bench
from tests.stages.tiny import ONE_LAYER, losses


@pytest.mark.slow
@pytest.mark.parametrize("name", ["metadata_mlp", "metablock", "text_llm", "medblip", "mlrg"])
def test_two_devices_give_the_losses_of_one(study, tmp_path, name):
    found = []
    for devices in (1, 2):
        bench, train, _ = make_bench(study, tmp_path / str(devices), devices=devices, **ONE_LAYER)
        METHODS[name].fit(bench, train)
        place = bench.context.place(name, bench.fold.index)
        parts = (place / "align", place) if name == "mlrg" else (place,)
        found.append(np.concatenate([losses(part) for part in parts]))
    assert np.ptp(found[0]) > 1e-3, "nothing was trained"
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)

"""PRIMA and its image encoder alone can learn 32 records by heart; the other methods' own tests show it of them."""

import pytest

from prima_jax.methods.registry import METHODS
from tests.methods.benches import by_heart, make_bench, training_accuracy

LONGER = {
    "image_only": {"image_only__epochs": 120.0, "image_only__batch_size": 16, "image_only__learning_rate": 2e-3},
    "prima": {"diagnose__epochs": 40.0, "diagnose__batch_size": 16, "diagnose__learning_rate": 3e-3, "features__views": 1},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONGER)
def test_it_learns_32_records_by_heart(study, tmp_path, name):
    still = {key: value for key, value in by_heart(name, epochs=1.0, learning_rate=1.0).items() if "baselines__" not in key}
    bench, train, _ = make_bench(study, tmp_path, **still, **LONGER[name])
    assert training_accuracy(bench, METHODS[name], train[:32]) == 1.0

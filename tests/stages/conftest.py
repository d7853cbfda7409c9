"""One prepared study for all tests of the stages."""

import pytest

from prima_jax.data.prepare import prepare
from prima_jax.experiment import opening
from tests.quick import compiled_quickly
from tests.stages.tiny import ONE_LAYER, Study, tiny_config

__all__ = ["compiled_quickly", "study", "tokenizers"]


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder, config = tmp_path_factory.mktemp("tiny"), tiny_config()
    reading = opening.read_study(config, folder)
    return Study(prepare(reading, folder / "prepared", size=config.data.size), reading)


@pytest.fixture(scope="session")
def tokenizers(study: Study, tmp_path_factory: pytest.TempPathFactory):
    """Those of the first fold."""
    from prima_jax.stages.pipeline import make_tokenizers

    context = study.context(tmp_path_factory.mktemp("tokenizers"), **ONE_LAYER)
    return make_tokenizers(context, study.fold(context))

"""The study that a config asks for."""

from ml_collections import ConfigDict

from prima_jax.errors import UserError
from prima_jax.studies.pad_ufes_20 import PAD_UFES_20
from prima_jax.studies.study import Study
from prima_jax.studies.study_config import study_from_config

__all__ = ["load_study"]


def load_study(config: ConfigDict) -> Study:
    """The study of a config, with the block hidden that the config hides."""
    definition = config.study.definition
    if definition == "pad_ufes_20":
        study = PAD_UFES_20
    elif isinstance(definition, str):
        raise UserError(f"study.definition is 'pad_ufes_20' or a description like configs/aqua_study.py, not {definition!r}.")
    else:
        study = study_from_config(definition)
    return study.hide(config.study.hide)

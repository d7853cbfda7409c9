"""PAD-UFES-20 as tests read it: the study that configs/pad_ufes_20_study.py describes."""

from configs.pad_ufes_20_study import get_study
from prima_jax.studies.study_config import study_from_config

__all__ = ["PAD_UFES_20"]

PAD_UFES_20 = study_from_config(get_study())

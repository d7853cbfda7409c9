"""AQUA: slit-lamp photographs of bacterial and fungal keratitis in three illuminations (section 3; private data)."""

from collections.abc import Mapping
from typing import Any

from prima_jax.studies.study import Study
from prima_jax.studies.study_config import study_from_config

__all__ = ["aqua_study"]


def aqua_study(config: Mapping[str, Any]) -> Study:
    """The AQUA study; its columns, risk factors and sentences are those of `configs/aqua_study.py`, or of a copy.

    Raises UserError for a key that it does not know.
    """
    return study_from_config(config)

"""The settings of the baselines of Tables 1 and 2: config.baselines.NAME is that of prima_jax/baselines/NAME.py.

Where the original repository has a number it stands here (../shared/reference is not part of the repository: see each file's
docstring); what is ours is marked. `small` is what runs without weights train, at the budget of the other small rows.
"""

from ml_collections import ConfigDict


def published() -> ConfigDict:
    """For pre-trained encoders."""
    return ConfigDict({})


def small(*, epochs: float, batch_size: int) -> ConfigDict:
    """For small encoders from random weights; `epochs` and `batch_size` are those of the image-only row."""
    return published()

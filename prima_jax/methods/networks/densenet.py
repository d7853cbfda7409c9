"""DenseNet (Huang et al. 2017, arXiv 1608.06993): every layer of a block reads all that the layers before it wrote.

The defaults are DenseNet-121 as torchvision has it: 6,953,856 parameters without a classifier.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from prima_jax.models.layers import maybe_remat

__all__ = ["DenseNet", "TwoHeads"]

_INITIAL = nn.initializers.variance_scaling(2.0, "fan_in", "normal")  # He's, as torchvision


class DenseNet(nn.Module):
    """Images [B, H, W, 3], normalised -> features [B, channels], the mean over the picture.

    In training, batch normalisation uses the statistics of the whole batch over all devices of `axis_name`, and leaves
    them in the collection `batch_stats` as they are: a running average is for the caller to take. Otherwise it uses those
    that it finds there.
    """

    blocks: Sequence[int] = (6, 12, 24, 16)
    growth: int = 32
    stem: int = 64
    axis_name: str | None = None
    remat: bool = False

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        norm = partial(
            nn.BatchNorm,
            use_running_average=not train,
            momentum=0.0,
            epsilon=1e-5,
            use_fast_variance=False,
            axis_name=self.axis_name,
        )
        dense_layer = maybe_remat(DenseLayer, self.remat)
        x = _conv(self.stem, 7, "stem_conv", strides=2)(images)
        x = nn.relu(norm(name="stem_norm")(x))
        x = nn.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        for block, layers in enumerate(self.blocks):
            if block:
                x = nn.relu(norm(name=f"transition_{block}_norm")(x))
                x = _conv(x.shape[-1] // 2, 1, f"transition_{block}_conv")(x)
                x = nn.pool(x, 0.0, jax.lax.add, (2, 2), (2, 2), "VALID") / 4  # the mean
            for layer in range(layers):
                x = jnp.concatenate([x, dense_layer(self.growth, norm, name=f"block_{block}_layer_{layer}")(x)], axis=-1)
        return nn.relu(norm(name="norm")(x)).mean(axis=(1, 2))


class DenseLayer(nn.Module):
    """Norm, ReLU, 1 x 1 convolution to four times the growth; norm, ReLU, 3 x 3 convolution to the growth."""

    growth: int
    norm: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = _conv(4 * self.growth, 1, "conv_1")(nn.relu(self.norm(name="norm_1")(x)))
        return _conv(self.growth, 3, "conv_2")(nn.relu(self.norm(name="norm_2")(x)))


class TwoHeads(nn.Module):
    """Two linear layers side by side over the same features: logits of a coarse and of a fine level."""

    backbone: DenseNet
    coarse: int
    fine: int

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        """Images [B, H, W, 3], normalised -> [B, coarse], [B, fine]."""
        features = self.backbone(images, train=train)
        return nn.Dense(self.coarse, name="coarse_head")(features), nn.Dense(self.fine, name="fine_head")(features)


def _conv(features: int, size: int, name: str, *, strides: int = 1) -> nn.Conv:
    padding = size // 2  # as torch pads, which "SAME" does not where there are strides
    return nn.Conv(features, (size, size), strides=strides, padding=padding, use_bias=False, kernel_init=_INITIAL, name=name)

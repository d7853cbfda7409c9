"""Each photograph as one vector, its class token beside its mean patch token, by an encoder that is trained no further."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prima_jax.stages.context import Context, tree_hash
from prima_jax.stages.encoder import encode
from prima_jax.stages.feature_table import stored_table
from prima_jax.stages.inference import predict_images

__all__ = ["class_and_mean_tokens", "frozen_tokens"]


def frozen_tokens(context: Context) -> np.ndarray:
    """The class token and the mean patch token of every record, by the encoder as it starts out: float32 [R, 2d].

    Nothing of the study has trained it, also where it has no published weights: there it is as it was drawn at random. So
    all folds have one file.
    """
    backbone, folder = context.image_encoder, context.place("frozen_tokens")
    path = folder / f"tokens-{tree_hash(backbone.variables, _seen(context))}.npy"
    shape = (len(context.prepared.records), 2 * backbone.module.config.hidden_size)

    def parts() -> Iterator[tuple[Any, np.ndarray]]:
        yield slice(None), class_and_mean_tokens(context, backbone.variables)

    return np.asarray(stored_table(path, shape, "float32", parts, shape[0], "image", context.costs))


def class_and_mean_tokens(context: Context, encoder: dict[str, Any], *, pixels: bool = False) -> np.ndarray:
    """The class token and the mean patch token of every record, by an image encoder's variables: float32 [R, 2d].

    pixels: nothing is stored, also where the encoder's first blocks are frozen: for cases that come once.
    """
    module = context.image_encoder.module

    def function(variables: Any, batch: dict[str, jax.Array]) -> jax.Array:
        tokens = encode(module, variables, batch["image"], context.frozen_blocks).astype(jnp.float32)
        return jnp.concatenate([tokens[:, 0], tokens[:, 1:].mean(axis=1)], axis=1)

    everyone = np.arange(len(context.prepared.records))
    name = f"{'adapted' if 'lora' in encoder else 'frozen'}_tokens{'_of_pixels' if pixels else ''}"
    return np.asarray(predict_images(context, name, function, encoder, everyone, pixels=pixels))


def _seen(context: Context) -> np.ndarray:
    """What the tokens of a photograph depend on beside the weights: its size, and its views where there are several."""
    views = context.config.features.test_views
    if views == 1:
        return np.array([context.config.image.size])
    drawn = np.frombuffer(repr(context.augmentation).encode(), np.uint8)
    return np.concatenate([[context.config.image.size, views, context.seed("frozen blocks")], drawn])

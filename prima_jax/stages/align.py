"""Stage 2, alignment (section 2.2): projection heads and LoRA in the image encoder, under Eq. 7.

The text encoder is frozen, so each unit's sentence is encoded once, before training, and batches read it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from prima_jax.losses import alignment_loss
from prima_jax.models.dual_encoder import SharedSpace
from prima_jax.stages.backbones import Adapted, adapt, join
from prima_jax.stages.batches import pair_batches
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.encoder import encode
from prima_jax.stages.stage import Stage, Training, load_stage, train_stage
from prima_jax.stages.text_features import TextTokens
from prima_jax.training.microbatches import in_pieces
from prima_jax.training.parallel import AXIS

__all__ = ["Aligned", "alignment", "load", "run"]


class Aligned(NamedTuple):
    """The image encoder's variables after stage 2, and the parameters of both projection heads."""

    image_encoder: dict[str, Any]
    heads: dict[str, Any]


def run(context: Context, fold: Fold, texts: TextTokens, y: np.ndarray) -> Aligned:
    """Image encoder and heads after alignment, as they were drawn or read where `align.epochs` is 0.

    texts: the tokens of every record's visible attributes; y [R, C]: one-hot metadata with labels. Both are empty for
    held-out records.
    """
    settings = context.config.align
    module = context.image_encoder.module
    stage, adapted = _start(context, fold.index)

    def training() -> Training:
        units = training_units(context, fold)
        first = pad_rows(np.array([positions[0] for positions in units]), len(context.units))
        return Training(
            loss=alignment(module, SharedSpace(settings.projection_width), settings, context.frozen_blocks),
            frozen={
                "image_encoder": adapted.frozen,
                "y": pad_columns(y),
                "first": first,
            },
            steps=stage.steps(len(context.units)),
            batches=pair_batches(context, stage, units, lambda batch: batch | texts.of(first[batch["unit"]])),
        )

    trained = train_stage(stage, training) if settings.epochs else stage.initial()
    return Aligned(join(adapted.frozen, trained["image_encoder"]), trained["heads"])


def load(context: Context, fold: int) -> Aligned:
    """What `run` returned, of a finished stage. Raises UserError where it is not finished."""
    stage, adapted = _start(context, fold)
    trained = load_stage(stage) if context.config.align.epochs else stage.initial()
    return Aligned(join(adapted.frozen, trained["image_encoder"]), trained["heads"])


def alignment(module: Any, space: Any, settings: Any, frozen_blocks: int = 0) -> Any:
    """Eq. 7 over a batch of units: batch["views"] uint8 [N, 2, S, S, 3] or frozen tokens [N, 2, T, d], batch["unit"] [N], and
    their sentences as `TextTokens.of` gives them.
    """
    options = {
        "temperature": settings.temperature,
        "label_temperature": settings.label_temperature,
        "weights": tuple(settings.weights),
        "anchors": settings.image.anchors,
        "negatives": settings.local.negatives,
        "pooling": settings.local.pooling,
        "normalizer": settings.soft.normalizer,
    }

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        views = batch["views"]
        encoder = join(frozen["image_encoder"], trainable["image_encoder"])
        photographs = views.reshape(-1, *views.shape[2:])
        tokens = in_pieces(lambda part: encode(module, encoder, part, frozen_blocks), photographs, settings.microbatches)
        records = frozen["first"][batch["unit"]]
        image_tokens = tokens.reshape(*views.shape[:2], *tokens.shape[1:])
        p, q = space.apply({"params": trainable["heads"]}, image_tokens, batch["text_tokens"])
        return alignment_loss(
            p[:, :, 0], p[:, :, 1:], q[:, 0], q[:, 1:], batch["text_words"], frozen["y"][records], axis_name=AXIS, **options
        )

    return loss


def _start(context: Context, fold: int) -> tuple[Stage, Adapted]:
    settings, encoder = context.config.align, context.image_encoder
    adapted = adapt(settings, encoder, context.key("align", fold), last_blocks=context.config.image.blocks)

    def initial() -> dict[str, Any]:
        image = jnp.zeros((1, 2, 1, encoder.module.config.hidden_size))
        text = jnp.zeros((1, 1, context.text_encoder.module.config.hidden_size))
        heads = SharedSpace(settings.projection_width).init(context.key("align", "heads", fold), image, text)
        return {"image_encoder": adapted.trainable, "heads": heads["params"]}

    return Stage("align", context, fold, settings, initial), adapted


def training_units(context: Context, fold: Fold) -> list[list[int]]:
    """The positions of each training unit's records."""
    train = set(fold.train.tolist())
    return [positions for positions in context.units.values() if positions[0] in train]


def pad_columns(y: np.ndarray, multiple: int = 64) -> np.ndarray:
    """Zero columns change no inner product, and the same width in every fold means one compilation."""
    return np.pad(y, ((0, 0), (0, -y.shape[1] % multiple)))


def pad_rows(values: np.ndarray, rows: int) -> np.ndarray:
    """The same length in every fold, for the same reason."""
    return np.pad(values, (0, rows - len(values))).astype(np.int32)

"""Stage 3, diagnosis (section 2.3): projectors, special tokens and LoRA in the LLM; softmax over the class tokens only."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from transformers import PreTrainedTokenizerBase

from prima_jax.data.text import class_token_ids
from prima_jax.models.diagnoser import Features, Projector, special_tokens
from prima_jax.stages.answers import answer_logits, classify, phrase_embeddings
from prima_jax.stages.backbones import Adapted, adapt, join
from prima_jax.stages.batches import class_balanced, index_batches
from prima_jax.stages.cases import Case, Sitting, all_cases, case_views, gather, sittings_of, training_sitting
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.refine import class_weights, weighted_cross_entropy
from prima_jax.stages.stage import Stage, Training, load_stage, train_stage
from prima_jax.stages.statistics import standardisation
from prima_jax.stages.text_features import TextTokens

__all__ = [
    "Diagnoser",
    "class_logits",
    "diagnosis",
    "initial_projector",
    "load",
    "make_projector",
    "predict",
    "predict_sittings",
    "projector_parameters",
    "run",
    "training_on",
]

Diagnoser = dict[str, Any]
"""{"llm": variables of the LLM, "projector": parameters, "class_ids": [C]}."""


def run(
    context: Context,
    fold: Fold,
    tokenizer: PreTrainedTokenizerBase,
    cases: list[Case],
    images: np.ndarray,
    texts: TextTokens,
    *,
    name: str = "diagnose",
) -> Diagnoser:
    """Trains on `cases` (all of the training fold); images [R, V, 1 + K, d] and texts as `frozen_features` gives them.

    name: the stage's folder.
    """
    width = texts.tokens.shape[-1]
    stage, adapted = _start(context, fold.index, tokenizer, width, lambda: standardisation(images, texts, cases), name)
    class_ids = class_token_ids(tokenizer, list(context.prepared.study.classes))

    def training() -> Training:
        loss = diagnosis(context.llm.module, make_projector(context))
        return training_on(context, stage, loss, {"llm": adapted.frozen, "class_ids": class_ids}, cases, images, texts)

    trained = train_stage(stage, training, llm=context.config.diagnose.adapter_learning_rate, standardisation=0.0)
    return _diagnoser(adapted, trained, class_ids)


def training_on(
    context: Context, stage: Stage, loss: Any, frozen: dict[str, Any], cases: list[Case], images: np.ndarray, texts: TextTokens
) -> Training:
    """Returns a training with stage 3's settings on the tokens of `cases`, the weights of their classes added to `frozen`."""
    settings = stage.settings
    labels = np.array([case.label for case in cases], np.int32)

    def read(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        pairs = zip(batch["index"], batch["draw"], strict=True)
        views = images.shape[1], texts.index.shape[1]
        sittings = [training_sitting(cases[i], int(draw), *views, settings.scan_dropout) for i, draw in pairs]
        return {**gather(images, texts, sittings)._asdict(), "label": labels[batch["index"]]}

    weights = class_weights(settings.class_weights, labels, len(context.prepared.study.classes))
    return Training(
        loss=loss,
        frozen={**frozen, "class_weights": weights},
        steps=stage.steps(len(all_cases(context))),
        batches=index_batches(stage, len(cases), class_balanced(labels, read) if settings.class_weights == "sampled" else read),
        microbatches=settings.microbatches,
    )


def load(context: Context, fold: int, tokenizer: PreTrainedTokenizerBase) -> Diagnoser:
    """What `run` returned, of a finished stage. Raises UserError where it is not finished."""
    stage, adapted = _start(context, fold, tokenizer, context.text_encoder.module.config.hidden_size, dict)
    return _diagnoser(adapted, load_stage(stage), class_token_ids(tokenizer, list(context.prepared.study.classes)))


def diagnosis(module: Any, projector: Projector) -> Any:
    """Cross-entropy over the class tokens for a batch of Features with "label" [B]."""

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        model = {
            "llm": join(frozen["llm"], trainable["llm"]),
            "projector": projector_parameters(trainable),
            "class_ids": frozen["class_ids"],
        }
        logits = class_logits(module, projector, model, batch)
        return weighted_cross_entropy(logits, batch["label"], frozen["class_weights"])

    return loss


def class_logits(module: Any, projector: Any, model: Diagnoser, batch: dict[str, jax.Array]) -> jax.Array:
    """The logits z_k of the class tokens: [B, C], float32."""
    features = Features(*(batch[name] for name in Features._fields))
    sequence = projector.apply({"params": model["projector"]}, features)
    return answer_logits(module, model["llm"], sequence.embeddings, sequence.mask, model["class_ids"])


def predict(context: Context, model: Diagnoser, cases: list[Case], images: np.ndarray, texts: TextTokens) -> np.ndarray:
    """Class probabilities [len(cases), C]: the mean over a case's sittings, on so many stored views of its photographs."""
    sittings, owners = sittings_of(cases, context.config.features.test_views)
    return predict_sittings(context, model, sittings, owners, images, texts)


def predict_sittings(
    context: Context,
    model: Diagnoser,
    sittings: Sequence[Sitting],
    owners: Sequence[int],
    images: np.ndarray,
    texts: TextTokens,
) -> np.ndarray:
    """The mean class probabilities over the sittings of each owner, 0, 1, ...: [owners, C]."""
    module, projector = context.llm.module, make_projector(context)
    return classify(
        context,
        "predict",
        lambda variables, batch: class_logits(module, projector, variables, batch),
        model,
        sittings,
        owners,
        lambda chosen: gather(images, texts, chosen)._asdict(),
        context.config.diagnose.batch_size,
    )


def blank_features(context: Context, text_width: int) -> Features:
    """Features of one case, all zero, in the shapes that this run uses."""
    side, scans, words = patch_side(context), len(case_views(context)), context.config.text.max_length - 1
    return Features(
        jnp.zeros((1, scans, 1 + side * side, context.image_encoder.module.config.hidden_size)),
        jnp.ones((1, scans), bool),
        jnp.zeros((1, 1 + words, text_width)),
        jnp.ones((1, words), bool),
    )


def patch_side(context: Context) -> int:
    return context.config.image.size // context.image_encoder.module.config.patch_size


def make_projector(context: Context) -> Projector:
    """The projector between this run's encoders and its LLM."""
    settings, side = context.config.diagnose, patch_side(context)
    return Projector(
        width=context.llm.module.config.hidden_size,
        hidden=settings.projector_width,
        grid=(side, side),
        image_stride=settings.image_stride,
        text_stride=settings.text_stride,
        standardized=settings.standardized,
    )


def _start(
    context: Context,
    fold: int,
    tokenizer: PreTrainedTokenizerBase,
    text_width: int,
    standardised: Callable[[], dict[str, np.ndarray]],
    name: str = "diagnose",
) -> tuple[Stage, Adapted]:
    settings = context.config.diagnose
    adapted = adapt(settings, context.llm, context.key("diagnose", fold))

    def initial() -> dict[str, Any]:
        return {"llm": adapted.trainable, **initial_projector(context, fold, tokenizer, text_width, standardised)}

    return Stage(name, context, fold, settings, initial), adapted


def initial_projector(
    context: Context,
    fold: int,
    tokenizer: PreTrainedTokenizerBase,
    text_width: int,
    standardised: Callable[[], dict[str, np.ndarray]],
) -> dict[str, Any]:
    """Returns {"projector": parameters}, of a standardising projector with its "standardisation" beside.

    text_width: of the text tokens; standardised: returns the mean and scale of each input dimension over the training cases.
    """
    key = context.key("diagnose", "projector", fold)
    parameters = make_projector(context).init(key, blank_features(context, text_width))["params"]
    parameters["special_tokens"] = phrase_embeddings(context.llm, tokenizer, special_tokens(case_views(context)).values())
    if not context.config.diagnose.standardized:
        return {"projector": parameters}
    parameters |= standardised()
    moments = [name for name in parameters if name.endswith(("_mean", "_scale"))]
    # A part of its own, at a rate of zero: weight decay leaves it alone too.
    return {"standardisation": {name: parameters.pop(name) for name in moments}, "projector": parameters}


def _diagnoser(adapted: Adapted, trained: dict[str, Any], class_ids: Any) -> Diagnoser:
    return {"llm": join(adapted.frozen, trained["llm"]), "projector": projector_parameters(trained), "class_ids": class_ids}


def projector_parameters(trained: dict[str, Any]) -> dict[str, Any]:
    """Returns the projector's parameters, with the standardisation that training keeps apart."""
    return trained["projector"] | trained.get("standardisation", {})

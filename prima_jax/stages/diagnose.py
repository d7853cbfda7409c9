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
from prima_jax.stages.batches import index_batches
from prima_jax.stages.cases import Case, Sitting, all_cases, case_views, gather, sittings_of, training_sitting
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.refine import class_weights, weighted_cross_entropy
from prima_jax.stages.stage import Stage, Training, load_stage, train_stage
from prima_jax.stages.statistics import standardisation
from prima_jax.stages.text_features import TextTokens

__all__ = ["Diagnoser", "class_logits", "diagnosis", "load", "predict", "predict_sittings", "run"]

Diagnoser = dict[str, Any]
"""{"llm": variables of the LLM, "projector": parameters, "class_ids": [C]}."""


def run(
    context: Context,
    fold: Fold,
    tokenizer: PreTrainedTokenizerBase,
    cases: list[Case],
    images: np.ndarray,
    texts: TextTokens,
) -> Diagnoser:
    """Trains on `cases` (all of the training fold); images [R, V, 1 + K, d] and texts as `frozen_features` gives them."""
    settings = context.config.diagnose
    stage, adapted = _start(context, fold.index, tokenizer, lambda: standardisation(images, texts, cases))
    class_ids = class_token_ids(tokenizer, list(context.prepared.study.classes))

    def training() -> Training:
        labels = np.array([case.label for case in cases], np.int32)

        def read(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            pairs = zip(batch["index"], batch["draw"], strict=True)
            views = images.shape[1], texts.index.shape[1]
            sittings = [training_sitting(cases[i], int(draw), *views, settings.scan_dropout) for i, draw in pairs]
            return {**gather(images, texts, sittings)._asdict(), "label": labels[batch["index"]]}

        return Training(
            loss=diagnosis(context.llm.module, make_projector(context)),
            frozen={
                "llm": adapted.frozen,
                "class_ids": class_ids,
                "class_weights": class_weights(settings.class_weights, labels, len(class_ids)),
            },
            steps=stage.steps(len(all_cases(context))),
            batches=index_batches(stage, len(cases), read),
            microbatches=settings.microbatches,
        )

    trained = train_stage(stage, training, llm=settings.adapter_learning_rate, standardisation=0.0)
    return _diagnoser(adapted, trained, class_ids)


def load(context: Context, fold: int, tokenizer: PreTrainedTokenizerBase) -> Diagnoser:
    """What `run` returned, of a finished stage. Raises UserError where it is not finished."""
    stage, adapted = _start(context, fold, tokenizer, dict)
    return _diagnoser(adapted, load_stage(stage), class_token_ids(tokenizer, list(context.prepared.study.classes)))


def diagnosis(module: Any, projector: Projector) -> Any:
    """Cross-entropy over the class tokens for a batch of Features with "label" [B]."""

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        model = {
            "llm": join(frozen["llm"], trainable["llm"]),
            "projector": _projector_parameters(trainable),
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


def blank_features(context: Context) -> Features:
    """Features of one case, all zero, in the shapes that this run uses."""
    side, scans, words = patch_side(context), len(case_views(context)), context.config.text.max_length - 1
    return Features(
        jnp.zeros((1, scans, 1 + side * side, context.image_encoder.module.config.hidden_size)),
        jnp.ones((1, scans), bool),
        jnp.zeros((1, 1 + words, context.text_encoder.module.config.hidden_size)),
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
    context: Context, fold: int, tokenizer: PreTrainedTokenizerBase, standardised: Callable[[], dict[str, np.ndarray]]
) -> tuple[Stage, Adapted]:
    """standardised: returns the mean and scale of a standardising projector over the training cases."""
    settings = context.config.diagnose
    adapted = adapt(settings, context.llm, context.key("diagnose", fold))

    def initial() -> dict[str, Any]:
        key = context.key("diagnose", "projector", fold)
        parameters = make_projector(context).init(key, blank_features(context))["params"]
        parameters["special_tokens"] = phrase_embeddings(context.llm, tokenizer, special_tokens(case_views(context)).values())
        trainable = {"llm": adapted.trainable, "projector": parameters}
        if settings.standardized:  # a part of its own, at a rate of zero: weight decay leaves it alone too
            parameters |= standardised()
            moments = [name for name in parameters if name.endswith(("_mean", "_scale"))]
            trainable["standardisation"] = {name: parameters.pop(name) for name in moments}
        return trainable

    return Stage("diagnose", context, fold, settings, initial), adapted


def _diagnoser(adapted: Adapted, trained: dict[str, Any], class_ids: Any) -> Diagnoser:
    return {"llm": join(adapted.frozen, trained["llm"]), "projector": _projector_parameters(trained), "class_ids": class_ids}


def _projector_parameters(trained: dict[str, Any]) -> dict[str, Any]:
    """Returns the projector's parameters, with the standardisation that training keeps apart."""
    return trained["projector"] | trained.get("standardisation", {})

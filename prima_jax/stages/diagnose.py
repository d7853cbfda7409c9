"""Stage 3, diagnosis (section 2.3): projectors, special tokens and LoRA in the LLM; softmax over the class tokens only."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from transformers import PreTrainedTokenizerBase

from prima_jax.data.text import class_token_ids
from prima_jax.models.diagnoser import Features, Projector, positions, special_tokens
from prima_jax.stages.batches import index_batches
from prima_jax.stages.cases import Case, all_cases, case_views, gather, training_sitting, whole_sittings
from prima_jax.stages.context import Context, Fold, Stage, adapt, join
from prima_jax.stages.features import TextTokens
from prima_jax.stages.refine import class_weights, weighted_cross_entropy
from prima_jax.stages.statistics import standardisation
from prima_jax.training.loop import Objective

__all__ = ["Diagnoser", "class_logits", "diagnosis", "predict", "run"]

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
    """Trains on `cases` (all of the training fold); images [R, V, 1 + K, d] and texts as features.py gives them."""
    settings = context.config.diagnose
    module = context.llm.module
    adapted = adapt(context, settings, context.llm, "diagnose", fold.index)
    projector = make_projector(context)
    stage = Stage("diagnose", context, context.place(fold, "diagnose"), settings)
    class_ids = class_token_ids(tokenizer, list(context.prepared.study.classes))

    def initial() -> dict[str, Any]:
        example = blank_features(context)
        parameters = projector.init(context.key("diagnose", "projector", fold.index), example)["params"]
        parameters["special_tokens"] = semantic_embeddings(context, tokenizer)
        if settings.standardized and cases:
            parameters |= standardisation(images, texts, cases)
        return {"llm": adapted.trainable, "projector": parameters}

    def prepare() -> Objective:
        total = len(all_cases(context))
        steps = context.steps(settings.epochs, settings.batch_size, total)
        labels = np.array([case.label for case in cases], np.int32)

        def read(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            pairs = zip(batch["index"], batch["draw"], strict=True)
            views = images.shape[1], texts.index.shape[1]
            sittings = [training_sitting(cases[i], int(draw), *views, settings.scan_dropout) for i, draw in pairs]
            return {**gather(images, texts, sittings)._asdict(), "label": labels[batch["index"]]}

        return Objective(
            name=f"3 diagnose fold {fold.index}",
            loss=diagnosis(module, projector),
            trainable=initial(),
            frozen={
                "llm": adapted.frozen,
                "class_ids": class_ids,
                "class_weights": class_weights(settings.class_weights, labels, len(class_ids)),
            },
            optimizer=stage.optimizer(steps, llm=settings.adapter_learning_rate),
            steps=steps,
            batches=index_batches(stage, fold, len(cases), read),
        )

    trained = stage.run(prepare, initial)
    llm = join(adapted.frozen, trained["llm"])
    return {"llm": llm, "projector": trained["projector"], "class_ids": class_ids}


def diagnosis(module: Any, projector: Projector) -> Any:
    """Cross-entropy over the class tokens for a batch of Features with "label" [B]."""

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        model = {
            "llm": join(frozen["llm"], trainable["llm"]),
            "projector": trainable["projector"],
            "class_ids": frozen["class_ids"],
        }
        logits = class_logits(module, projector, model, batch)
        return weighted_cross_entropy(logits, batch["label"], frozen["class_weights"])

    return loss


def class_logits(module: Any, projector: Any, model: Diagnoser, batch: dict[str, jax.Array]) -> jax.Array:
    """The logits z_k of the class tokens: [B, C], float32."""
    features = Features(*(batch[name] for name in Features._fields))
    sequence = projector.apply({"params": model["projector"]}, features)
    hidden = module.apply(
        model["llm"],
        inputs_embeds=sequence.embeddings.astype(module.dtype),
        attention_mask=sequence.mask,
        positions=positions(sequence.mask),
    ).last_hidden_state
    return module.apply(model["llm"], hidden[:, -1], model["class_ids"], method="class_logits")


def predict(context: Context, model: Diagnoser, cases: list[Case], images: np.ndarray, texts: TextTokens) -> np.ndarray:
    """Class probabilities [len(cases), C]: the mean over a case's sittings, on so many stored views of its photographs."""
    module, projector = context.llm.module, make_projector(context)

    def function(variables: Diagnoser, batch: dict[str, jax.Array]) -> jax.Array:
        return jax.nn.softmax(class_logits(module, projector, variables, batch))

    mapped = context.compiled.setdefault("predict", context.parallel.map_inference(function))
    placed = context.parallel.place(model)
    size = context.config.diagnose.batch_size
    views = context.config.features.test_views
    sittings = [(i, sitting) for i, case in enumerate(cases) for sitting in whole_sittings(case, views)]
    total, counts = np.zeros((len(cases), len(model["class_ids"]))), np.zeros((len(cases), 1))
    for start in range(0, len(sittings), size):
        part = sittings[start : start + size]
        padded = part + part[-1:] * (size - len(part))
        features = gather(images, texts, [sitting for _, sitting in padded])
        probabilities = np.asarray(mapped(placed, features._asdict()), np.float64)[: len(part)]
        owners = [i for i, _ in part]
        np.add.at(total, owners, probabilities)
        np.add.at(counts, owners, 1)
    return total / counts


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


def semantic_embeddings(context: Context, tokenizer: PreTrainedTokenizerBase) -> jax.Array:
    """Where the special tokens start: the mean embedding, in the LLM, of the words that say what each one is."""
    module, variables = context.llm
    rows = []
    for words in special_tokens(case_views(context)).values():
        ids = jnp.array(tokenizer(words, add_special_tokens=False)["input_ids"])
        rows.append(module.apply(variables, ids[None], method="embed")[0].astype(jnp.float32).mean(axis=0))
    return jnp.stack(rows)

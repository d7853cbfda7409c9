"""MLRG (Liu et al. 2025, arXiv 2502.20056; https://github.com/mk-runner/MLRG), adapted to classify with metadata.

The original writes reports of chest X-rays from several views, the previous study and its report. Stage 1 aligns images and
reports (mlrg_align.py). Stage 2: the tokens of a view and those fused with the other views read the indication and the
previous report by cross-attention, and a language model writes the report.

Every adaptation is ours. Views are the photographs of a unit (also where a case is one photograph: its lesion's others are
its views); the indication is the metadata sentence; the answer is the softmax over the first tokens of the classes'
names, and a case is the mean over its photographs. The image encoder is the run's, frozen as the original's is; the text
encoder is the run's and frozen, where the original trains its own. The language model is the run's LLM with the adapters of
stage 3, and reads the tokens as a prefix, where the original fine-tunes DistilGPT-2 with cross-attention. Both projections are
LayerNorm and two linear layers, without the original's batch normalisation; one learning rate serves loaded and new parts.

Left out: the previous study and its report, which the cohorts do not have, with the temporal embedding; the plateau schedule,
gradient clipping at 0.1, accumulation and early stopping, where this project's cosine stands.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prima_jax.data.text import class_token_ids
from prima_jax.methods import frozen_encoders, mlrg_align
from prima_jax.methods.method import Bench, Method
from prima_jax.methods.mlrg_align import Views
from prima_jax.methods.networks.view_fusion import IndicationReader
from prima_jax.stages.answers import answer_logits, classify, embedded
from prima_jax.stages.backbones import adapt, join
from prima_jax.stages.batches import index_batches
from prima_jax.stages.cases import Case
from prima_jax.stages.context import Context
from prima_jax.stages.refine import class_weights, weighted_cross_entropy
from prima_jax.stages.stage import Stage, Training, train_stage
from prima_jax.stages.text_features import TextTokens

__all__ = ["METHOD", "answer", "make_reader", "objective", "read_anchors"]

QUESTION = "The diagnosis is"


def fit(bench: Bench, train: list[Case]) -> Any:
    """Stage 1, then the encoder of views, the reader and the LLM's adapters on every photograph of the training cases."""
    context, fold, tokenizers = bench
    settings, module = context.config.baselines.mlrg, context.llm.module
    views, texts = mlrg_align.unit_views(bench), frozen_encoders.text_tokens(bench)
    aligned = mlrg_align.fit(bench, train, views)
    encoder, reader = mlrg_align.make_encoder(context), make_reader(context)
    adapted = adapt(context.config.diagnose, context.llm, context.key("mlrg", fold.index))
    class_ids = class_token_ids(tokenizers.llm, list(context.prepared.study.classes))
    question = np.array(tokenizers.llm(QUESTION, add_special_tokens=False)["input_ids"], np.int32)
    anchors = anchors_of(train)

    def initial() -> dict[str, Any]:
        batch = read_anchors(views, texts, anchors[:1])
        own, fused, text = encoder.apply({"params": aligned}, *mlrg_align.encoder_arrays(batch), 1)
        mask = np.ones(text.shape[:2], bool)
        parameters = reader.init(context.key("mlrg", "reader", fold.index), own[:, 0], fused[:, 0], text, mask)["params"]
        return {"encoder": aligned, "reader": parameters, "llm": adapted.trainable}

    def training() -> Training:
        labels = np.array([train[case].label for case, _, _ in anchors], np.int32)

        def training_batch(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            chosen = [anchors[i] for i in batch["index"]]
            return {**read_anchors(views, texts, chosen, batch["draw"]), "label": labels[batch["index"]]}

        return Training(
            loss=objective(module, encoder, reader),
            frozen={
                "llm": adapted.frozen,
                "class_ids": class_ids,
                "question": question,
                "class_weights": class_weights(settings.class_weights, labels, len(class_ids)),
            },
            steps=stage.steps(len(context.prepared.records)),
            batches=index_batches(stage, len(anchors), training_batch),
        )

    stage = Stage("mlrg", context, fold.index, settings, initial)
    trained = train_stage(stage, training)
    llm = join(adapted.frozen, trained["llm"])
    return {**trained, "llm": llm, "class_ids": class_ids, "question": question}, views, texts


def predict(bench: Bench, state: Any, test: list[Case]) -> np.ndarray:
    """[len(test), C]: the mean over a case's photographs, each whole and with the unit's others beside it."""
    model, views, texts = state
    context, anchors = bench.context, anchors_of(test)
    module, encoder, reader = context.llm.module, mlrg_align.make_encoder(context), make_reader(context)
    return classify(
        context,
        "mlrg",
        lambda variables, batch: answer(module, encoder, reader, variables, batch),
        model,
        anchors,
        [case for case, _, _ in anchors],
        lambda chosen: read_anchors(views, texts, chosen),
        context.config.baselines.mlrg.batch_size,
    )


Anchor = tuple[int, int, int]
"""A case's number, one of its photographs, and the record whose metadata speak for it."""


def anchors_of(cases: list[Case]) -> list[Anchor]:
    """Every photograph of every case."""
    photographs = frozen_encoders.photographs(cases)
    return [(i, p, case.row) for i, case in enumerate(cases) for p in photographs[i]]


def read_anchors(views: Views, texts: TextTokens, anchors: Any, draws: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Each anchor's photograph first, then its unit's others, and the metadata sentence: a batch of mlrg_align.read_views.

    With `draws` stored views of photographs and sentence are drawn, without them everything is whole.
    """
    batch = mlrg_align.read_views(views, [p for _, p, _ in anchors], draws)
    versions = np.zeros(len(anchors), int) if draws is None else draws % texts.index.shape[1]
    sentences = texts.index[[row for _, _, row in anchors], versions]
    return {**batch, "text_tokens": texts.tokens[sentences], "text_mask": texts.words[sentences]}


def objective(module: Any, encoder: Any, reader: Any) -> Any:
    """Cross-entropy over the class tokens for a batch of `read_anchors` with "label" [B]."""

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        model = {**frozen, **trainable, "llm": join(frozen["llm"], trainable["llm"])}
        logits = answer(module, encoder, reader, model, batch)
        return weighted_cross_entropy(logits, batch["label"], frozen["class_weights"])

    return loss


def answer(module: Any, encoder: Any, reader: Any, model: dict[str, Any], batch: dict[str, jax.Array]) -> jax.Array:
    """The logits of the classes after [what was read of the anchor ; question]: [B, C]."""
    own, fused, text = encoder.apply({"params": model["encoder"]}, *mlrg_align.encoder_arrays(batch), 1)
    mask = jnp.pad(batch["text_mask"], ((0, 0), (1, 0)), constant_values=True)  # the class token is always there
    prefix = reader.apply({"params": model["reader"]}, own[:, 0], fused[:, 0], text, mask)
    question = embedded(module, model["llm"], model["question"])
    question = jnp.broadcast_to(question, (len(prefix), *question.shape))
    embeddings = jnp.concatenate([prefix, question], axis=1)
    return answer_logits(module, model["llm"], embeddings, jnp.ones(embeddings.shape[:2], bool), model["class_ids"])


def make_reader(context: Context) -> Any:
    """The reader of the indication before this run's LLM."""
    return IndicationReader(context.config.baselines.mlrg.heads, context.llm.module.config.hidden_size, context.config.remat)


METHOD = Method(
    "mlrg",
    frozenset({"images", "metadata"}),
    fit,
    predict,
    batches="photographs",
    note="sees a photograph together with others of its unit, also where the other rows see one at a time",
)

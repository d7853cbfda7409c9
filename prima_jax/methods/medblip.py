"""MedBLIP (Chen and Hong 2023, arXiv 2305.10799; https://github.com/Qybc/MedBLIP), adapted to classify with metadata.

The original answers questions on 3-D brain scans: a query former reads the tokens of an image encoder, frozen but for its
3-D patch embedding; the outputs of its 32 queries go through a linear layer into a frozen LLM, after the record's text and the
question and before the answer. An image-text contrast (ITC) is trained beside the language loss.

Every adaptation is ours. The images are 2-D: the tokens of the run's frozen image encoder, those of a case's photographs
one after the other with a learnt embedding of the view. The text is the metadata sentence. The LLM is the run's, and the
answer is the softmax over the first tokens of the classes' names, as PRIMA's, so that what is compared is the bridge and not
the LLM. The query former starts from scratch where the original starts from BERT. ITC takes the mean over the sentence's
words by the run's frozen text encoder, standardised over the training cases, where the original takes the class token of what
the query former makes of the text. The LLM is frozen, but in a run without weights: a frozen random LLM cannot answer, so
there it gets the adapters of stage 3.

Left out: the language loss on the tokens of text and question, and the second ITC, against question and answer, which holds
the label and takes equal labels for negatives.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from prima_jax.data.text import class_token_ids
from prima_jax.methods import frozen_encoders
from prima_jax.methods.contrastive import query_text_loss
from prima_jax.methods.language import Prompts, prompt_tokens
from prima_jax.methods.method import Bench, Method
from prima_jax.methods.networks.query_former import Bridge, Bridged
from prima_jax.stages.answers import answer_logits, classify, embedded
from prima_jax.stages.backbones import Adapted, adapt, join
from prima_jax.stages.batches import index_batches
from prima_jax.stages.cases import Case, Sitting, all_cases, gather_images, sittings_of, training_sitting, whole_sittings
from prima_jax.stages.context import Context
from prima_jax.stages.pipeline import record_sentences
from prima_jax.stages.refine import class_weights, weighted_cross_entropy
from prima_jax.stages.stage import Stage, Training, train_stage
from prima_jax.training.parallel import AXIS

__all__ = ["METHOD", "Inputs", "frozen_inputs", "objective", "read"]

QUESTION = "Question: What is the diagnosis? Answer:"
SMOOTHING = 0.1


class Inputs(NamedTuple):
    """What the frozen encoders say of every record, and its sentences in the LLM's tokens."""

    images: np.ndarray
    sentences: np.ndarray
    """[R, V]: which of the distinct sentences each record has."""
    vectors: np.ndarray
    """[S + 1, d]: of these, by frozen_encoders.sentence_vectors."""
    prompts: Prompts


def frozen_inputs(bench: Bench, train: list[Case]) -> Inputs:
    """Computed once, and read back; standardised by the training cases."""
    context = bench.context
    prompts = prompt_tokens(bench.tokenizers.llm, record_sentences(context), QUESTION, context.config.text.max_length)
    texts = frozen_encoders.text_tokens(bench)
    return Inputs(frozen_encoders.image_tokens(bench), texts.index, frozen_encoders.sentence_vectors(texts, train), prompts)


def fit(bench: Bench, train: list[Case]) -> Any:
    """Trains the bridge, and in a run without weights the LLM's adapters."""
    context, fold, tokenizers = bench
    settings, module = context.config.baselines.medblip, context.llm.module
    inputs, bridge = frozen_inputs(bench, train), make_bridge(context)
    adapted = adapted_llm(context, fold.index)
    class_ids = class_token_ids(tokenizers.llm, list(context.prepared.study.classes))
    labels = np.array([case.label for case in train], np.int32)

    def initial() -> dict[str, Any]:
        batch = read(inputs, [whole_sittings(train[0])[0]])
        arrays = (batch[name] for name in ("image_tokens", "scan_mask", "text"))
        parameters = bridge.init(context.key("medblip", "bridge", fold.index), *arrays)["params"]
        return {"bridge": parameters, **({"llm": adapted.trainable} if adapted.trainable else {})}

    def training() -> Training:
        views = inputs.images.shape[1], inputs.sentences.shape[1]
        dropout = context.config.diagnose.scan_dropout

        def training_batch(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            pairs = zip(batch["index"], batch["draw"], strict=True)
            sittings = [training_sitting(train[i], int(draw), *views, dropout) for i, draw in pairs]
            return {**read(inputs, sittings), "label": labels[batch["index"]]}

        return Training(
            loss=objective(module, bridge),
            frozen={
                "llm": adapted.frozen,
                "class_ids": class_ids,
                "class_weights": class_weights(settings.class_weights, labels, len(class_ids)),
            },
            steps=stage.steps(len(all_cases(context))),
            batches=index_batches(stage, len(train), training_batch),
        )

    stage = Stage("medblip", context, fold.index, settings, initial)
    trained = train_stage(stage, training)
    llm = join(adapted.frozen, trained.get("llm", {}))
    return {"bridge": trained["bridge"], "llm": llm, "class_ids": class_ids}, inputs


def predict(bench: Bench, state: Any, test: list[Case]) -> np.ndarray:
    """[len(test), C]: the mean over a case's sittings, on whole photographs and all that is known."""
    model, inputs = state
    context = bench.context
    module, bridge = context.llm.module, make_bridge(context)
    sittings, owners = sittings_of(test, context.config.features.test_views)
    return classify(
        context,
        "medblip",
        lambda variables, batch: answer(module, bridge, variables, batch)[0],
        model,
        sittings,
        owners,
        lambda chosen: read(inputs, chosen),
        context.config.baselines.medblip.batch_size,
    )


def read(inputs: Inputs, sittings: Sequence[Sitting]) -> dict[str, np.ndarray]:
    """The inputs of B sittings: Features' "image_tokens" and "scan_mask", "text" [B, d], "ids" and "mask" [B, L]."""
    tokens, present = gather_images(inputs.images, sittings)
    rows = [s.row for s in sittings], [s.text_view for s in sittings]
    prompts = inputs.prompts.index[rows]
    return {
        "image_tokens": tokens,
        "scan_mask": present,
        "text": inputs.vectors[inputs.sentences[rows]],
        "ids": inputs.prompts.ids[prompts],
        "mask": inputs.prompts.mask[prompts],
    }


def objective(module: Any, bridge: Any) -> Any:
    """ITC plus the cross-entropy of the answer's token, for a batch of `read` with "label" [B]."""

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        llm = join(frozen["llm"], trainable.get("llm", {}))
        model = {"bridge": trainable["bridge"], "llm": llm, "class_ids": frozen["class_ids"]}
        logits, bridged = answer(module, bridge, model, batch)
        contrast = query_text_loss(
            bridged.images, bridged.texts, temperature=bridged.temperature, smoothing=SMOOTHING, axis_name=AXIS
        )
        language, parts = weighted_cross_entropy(logits, batch["label"], frozen["class_weights"])
        return contrast + language, {"contrast": contrast, "language": language, **parts}

    return loss


def answer(module: Any, bridge: Any, model: dict[str, Any], batch: dict[str, jax.Array]) -> tuple[jax.Array, Bridged]:
    """The logits of the classes [B, C] after [sentence and question ; visual tokens], and what the bridge made."""
    bridged = bridge.apply({"params": model["bridge"]}, batch["image_tokens"], batch["scan_mask"], batch["text"])
    words = embedded(module, model["llm"], batch["ids"])
    embeddings = jnp.concatenate([words, bridged.tokens], axis=1)
    mask = jnp.concatenate([batch["mask"], jnp.ones(bridged.tokens.shape[:2], bool)], axis=1)
    return answer_logits(module, model["llm"], embeddings, mask, model["class_ids"]), bridged


def make_bridge(context: Context) -> Any:
    """The bridge between this run's image encoder and its LLM."""
    settings = context.config.baselines.medblip
    return Bridge(
        queries=settings.queries,
        layers=settings.layers,
        width=settings.width,
        heads=settings.heads,
        shared_width=settings.shared_width,
        llm_width=context.llm.module.config.hidden_size,
        remat=context.config.remat,
    )


def adapted_llm(context: Context, fold: int) -> Adapted:
    """Frozen as in the original; with the adapters of stage 3 where the LLM is random."""
    if context.config.models.llm.weights:
        return Adapted({}, context.llm.variables)
    return adapt(context.config.diagnose, context.llm, context.key("medblip", fold))


METHOD = Method(
    "medblip",
    frozenset({"images", "metadata"}),
    fit,
    predict,
    note="its query former starts from scratch, where the original starts from BERT; a published LLM stays frozen",
)

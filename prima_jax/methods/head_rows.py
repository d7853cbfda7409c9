"""Two methods that exchange a part of stage 3: one-hot columns take the place of sentences, or a perceptron that of the LLM.

Both train on what stage 3 trains on, with its settings, so that the difference to PRIMA's row is that of the part.
"""

from typing import Any

import jax
import numpy as np
from flax import linen as nn

from prima_jax.data.metadata import OneHot
from prima_jax.methods import prima
from prima_jax.methods.method import Bench, Method
from prima_jax.models.diagnoser import Features, Sequence
from prima_jax.stages import diagnose, pipeline
from prima_jax.stages.answers import classify
from prima_jax.stages.cases import Case, gather, sittings_of
from prima_jax.stages.refine import weighted_cross_entropy
from prima_jax.stages.stage import Stage, train_stage
from prima_jax.stages.statistics import standardisation
from prima_jax.stages.text_features import TextTokens

__all__ = ["METHODS", "Perceptron", "one_hot_tokens"]

PERCEPTRON, ONE_HOT = "perceptron", "one_hot"


def fit_one_hot(bench: Bench, train: list[Case]) -> Any:
    """Stage 3 on the tokens of the photographs and one token of the metadata."""
    context, fold, tokenizers = bench
    images = pipeline.record_images(context, fold, pipeline.train_encoders(context, fold, tokenizers))
    texts = one_hot_tokens(bench, train)
    return diagnose.run(context, fold, tokenizers.llm, train, images, texts, name=ONE_HOT), images, texts


def one_hot_tokens(bench: Bench, train: list[Case]) -> TextTokens:
    """Returns the columns of Eq. 6 without the label, whose meaning is learnt from the training cases, as the class token of a
    sentence without words; in the versions that sentences have.
    """
    context = bench.context
    study, records = context.prepared.study, context.prepared.records
    one_hot = OneHot.fit(study, [records[case.row] for case in train])
    columns = one_hot.encode_fields([fields for of_record in pipeline.record_fields(context) for fields in of_record])
    tokens = np.zeros((len(columns) + 1, 2, columns.shape[1]), np.float32)
    tokens[:-1, 0] = columns
    index = np.arange(len(columns)).reshape(len(records), -1)
    return TextTokens(tokens, np.zeros((len(tokens), 1), bool), index)


class Perceptron(nn.Module):
    """Two dense layers on all tokens of the projected sequence side by side: the LLM's input, [B, T, D] -> logits [B, C]."""

    hidden: int
    classes: int

    @nn.compact
    def __call__(self, sequence: Sequence) -> jax.Array:
        seen = (sequence.embeddings * sequence.mask[..., None]).reshape(len(sequence.mask), -1)
        hidden = nn.gelu(nn.Dense(self.hidden, name="hidden")(seen), approximate=False)
        return nn.Dense(self.classes, name="output")(hidden)


def fit_perceptron(bench: Bench, train: list[Case]) -> Any:
    """The projector and the perceptron behind it."""
    context, fold, tokenizers = bench
    encoders = pipeline.train_encoders(context, fold, tokenizers)
    images, texts = pipeline.frozen_features(context, fold, tokenizers, encoders)

    def initial() -> dict[str, Any]:
        width = texts.tokens.shape[-1]
        projector = diagnose.initial_projector(
            context, fold.index, tokenizers.llm, width, lambda: standardisation(images, texts, train)
        )
        sitting = sittings_of(train[:1], 1)[0]
        sequence = _sequence(bench, projector, gather(images, texts, sitting)._asdict())
        head = _perceptron(bench).init(context.key(PERCEPTRON, fold.index), sequence)["params"]
        return {"head": head, **projector}

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        return weighted_cross_entropy(_logits(bench, trainable, batch), batch["label"], frozen["class_weights"])

    stage = Stage(PERCEPTRON, context, fold.index, context.config.diagnose, initial)
    trained = train_stage(
        stage, lambda: diagnose.training_on(context, stage, loss, {}, train, images, texts), standardisation=0.0
    )
    return trained, images, texts


def predict_perceptron(bench: Bench, state: Any, test: list[Case]) -> np.ndarray:
    """[len(test), C], as stage 3 answers."""
    (trained, images, texts), context = state, bench.context
    sittings, owners = sittings_of(test, context.config.features.test_views)
    return classify(
        context,
        PERCEPTRON,
        lambda variables, batch: _logits(bench, variables, batch),
        trained,
        sittings,
        owners,
        lambda chosen: gather(images, texts, chosen)._asdict(),
        context.config.diagnose.batch_size,
    )


def _logits(bench: Bench, trained: dict[str, Any], batch: dict[str, jax.Array]) -> jax.Array:
    return _perceptron(bench).apply({"params": trained["head"]}, _sequence(bench, trained, batch))


def _sequence(bench: Bench, trained: dict[str, Any], batch: dict[str, Any]) -> Sequence:
    features = Features(*(batch[name] for name in Features._fields))
    projector: Any = diagnose.make_projector(bench.context)
    return projector.apply({"params": diagnose.projector_parameters(trained)}, features)


def _perceptron(bench: Bench) -> Any:
    return Perceptron(bench.context.config.diagnose.projector_width, len(bench.context.prepared.study.classes))


METHODS = (
    Method(ONE_HOT, frozenset({"images", "metadata"}), fit_one_hot, prima.predict, reads_corpus=True),
    Method(PERCEPTRON, frozenset({"images", "metadata"}), fit_perceptron, predict_perceptron, reads_corpus=True),
)

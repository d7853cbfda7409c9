"""KnoBo: a linear classifier over concepts that are read off the photograph, its weights pulled to what the literature holds.

Yang et al., "A textbook remedy for domain shifts: knowledge priors for medical image analysis" (NeurIPS 2024);
https://github.com/YueYANG1996/KnoBo. There a language model writes yes/no questions from documents, logistic regressions on
CLIP features answer them (trained on what another model reads in captions), and logits = W s + b over the answers s is trained
under CE + sum |tanh(W) - P| / (K C), where P in {-1, 0, 1} says what a language model believes.

Our adaptation: there are no captions, so the concepts are the study's own attribute values, answered by the training fold's
metadata (concepts.py): metadata are supervision, and at test time the photograph is all that is seen. Features are the class
token of the frozen image encoder (frozen_encoders.py), of length one; without weights that encoder has learnt the fold's labels.
P comes from the claims of the knowledge corpus, zero where there is none; where no claim bears on any concept the term is left
out, since it would pull every weight to zero. A case's s is the mean over its photographs, in training of augmented views of
them, as of any row's. AdamW without decay and a cosine for Adam; trained to the last epoch, where the original keeps the best
one on a set whose accuracy it then reports. The original's concepts were learnt on other images; here four fifths of the
photographs that train W also taught the concepts, which are surer of them than of new ones. Left out: metadata as concepts of
their own.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from prima_jax.data.statements import Statements
from prima_jax.files import write_whole
from prima_jax.hosts import is_first
from prima_jax.methods.concepts import Concepts, ground, prior
from prima_jax.methods.frozen_encoders import case_mean, image_tokens, photographs
from prima_jax.methods.method import Bench, Method
from prima_jax.stages import knowledge
from prima_jax.stages.batches import index_batches
from prima_jax.stages.cases import Case, all_cases
from prima_jax.stages.refine import class_weights, weighted_cross_entropy
from prima_jax.stages.stage import Stage, Training, train_stage

__all__ = ["METHOD", "Explanation", "State", "bottleneck_loss", "diagnose", "explain", "prior_loss", "readable"]

NAME = "knobo"


class State(NamedTuple):
    """The concepts, their prior [K, C], and the classifier {"weights": [K, C], "bias": [C]}."""

    concepts: Concepts
    prior: np.ndarray
    classifier: dict[str, Any]


class Explanation(NamedTuple):
    """A case's diagnosis, to be read: class probabilities are softmax(probabilities @ weights + bias)."""

    concepts: tuple[str, ...]
    """K sentences."""
    probabilities: np.ndarray
    """[K]: that each is true, by the photographs."""
    weights: np.ndarray
    """[K, C]: what each, if true, adds to the logit of each class."""
    bias: np.ndarray
    """[C]."""


def fit(bench: Bench, train: list[Case]) -> State:
    """Grounds the concepts in the training cases' photographs and trains the classifier."""
    context, fold, _ = bench
    settings, study = context.config.baselines[NAME], context.prepared.study
    concepts = grounded(bench, train)
    corpus = knowledge.corpus(context)
    table = prior(concepts.names, study, corpus.claims if corpus else ()).astype(np.float32)

    def initial() -> dict[str, Any]:
        return {"weights": jnp.zeros(table.shape), "bias": jnp.zeros(table.shape[1])}

    def training() -> Training:
        views = range(image_tokens(bench).shape[1])
        scores = np.stack([concept_scores(bench, concepts, train, view) for view in views]).astype(np.float32)
        labels = np.array([case.label for case in train], np.int32)

        def read(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {"concepts": scores[batch["draw"] % len(views), batch["index"]], "label": labels[batch["index"]]}

        return Training(
            loss=bottleneck_loss,
            frozen={
                "prior": table,
                # Of this fold, as the prior is: the step is compiled once for all folds.
                "prior_weight": np.float32(settings.prior_weight if table.any() else 0.0),
                "class_weights": class_weights(settings.class_weights, labels, len(study.classes)),
            },
            steps=stage.steps(len(all_cases(context))),
            batches=index_batches(stage, len(train), read),
        )

    stage = Stage(NAME, context, fold.index, settings, initial)
    state = State(concepts, table, train_stage(stage, training))
    text = json.dumps(readable(state, study.class_names), indent=1, ensure_ascii=False)
    if is_first():
        write_whole(stage.folder / "concepts.json", f"{text}\n".encode())
    return state


def readable(state: State, classes: Sequence[str]) -> list[dict[str, Any]]:
    """What concepts.json in the stage's folder says of each concept, the best answered first: its sentence, its accuracy on
    subjects of the training fold (`Concepts.accuracy`), what the literature holds and what was learnt, class by class.
    """
    concepts, weights = state.concepts, np.asarray(state.classifier["weights"], np.float64)
    return [
        {
            "concept": sentence,
            "held_out_accuracy": round(float(concepts.accuracy[k]), 4),
            "prior": dict(zip(classes, state.prior[k].astype(int).tolist(), strict=True)),
            "weights": dict(zip(classes, weights[k].round(4).tolist(), strict=True)),
        }
        for k, sentence in enumerate(concepts.sentences)
    ]


def predict(bench: Bench, state: State, test: list[Case]) -> np.ndarray:
    """[len(test), C]."""
    return diagnose(state.classifier, concept_scores(bench, state.concepts, test))


def explain(bench: Bench, state: State, case: Case) -> Explanation:
    """The concepts behind one case's diagnosis."""
    classifier = jax.tree.map(np.asarray, state.classifier)
    scores = concept_scores(bench, state.concepts, [case])[0]
    return Explanation(state.concepts.sentences, scores, classifier["weights"], classifier["bias"])


def diagnose(classifier: dict[str, Any], scores: np.ndarray) -> np.ndarray:
    """Concept probabilities [N, K] -> class probabilities [N, C]; changing one concept of a case is an intervention."""
    logits = scores @ np.asarray(classifier["weights"], np.float64) + np.asarray(classifier["bias"], np.float64)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def bottleneck_loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
    """Cross-entropy and prior over batch["concepts"] [B, K], batch["label"] [B]; frozen["prior_weight"] is a scalar."""
    logits = batch["concepts"] @ trainable["weights"] + trainable["bias"]
    error, parts = weighted_cross_entropy(logits, batch["label"], frozen["class_weights"])
    distance = prior_loss(trainable["weights"], frozen["prior"])
    return error + frozen["prior_weight"] * distance, {**parts, "prior": distance}


def prior_loss(weights: jax.Array, table: jax.Array) -> jax.Array:
    """sum |tanh(W) - P| / (K C): [K, C] -> scalar."""
    return jnp.abs(jnp.tanh(weights) - table).mean()


def grounded(bench: Bench, train: list[Case]) -> Concepts:
    """The concepts that the training cases' photographs answer best."""
    context, fold, _ = bench
    records = [context.prepared.records[case.row] for case in train]
    statements = Statements.fit(context.prepared.study, records)
    counts = [len(p) for p in photographs(train)]
    answers = np.repeat(statements.labels(records), counts, axis=0)
    subjects = np.repeat([case.subject for case in train], counts)
    keep, seed = context.config.baselines[NAME].concepts, context.seed(NAME, "held out", fold.index)
    return ground(statements, _features(bench, train), answers, subjects, keep=keep, seed=seed)


def concept_scores(bench: Bench, concepts: Concepts, cases: list[Case], view: int = 0) -> np.ndarray:
    """The probability of each concept, a mean over the case's photographs: [len(cases), K]."""
    return case_mean(concepts.probabilities(_features(bench, cases, view)), cases)


def _features(bench: Bench, cases: list[Case], view: int = 0) -> np.ndarray:
    """The class token of a stored view of each photograph, 0 for the whole of it: [photographs, d]."""
    return np.asarray(image_tokens(bench)[np.concatenate(photographs(cases)), view, 0])


METHOD = Method(
    NAME,
    frozenset({"images"}),
    fit,
    predict,
    note="its concepts are learnt on the photographs that then train its classifier, where the original has others; without "
    "claims of a corpus it has no prior",
)

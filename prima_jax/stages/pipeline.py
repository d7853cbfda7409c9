"""The stages in the order of the paper, for one fold: what each hands to the next."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerBase

from prima_jax.data import text
from prima_jax.data.metadata import OneHot, soft_label_vectors
from prima_jax.errors import UserError
from prima_jax.hosts import in_turn
from prima_jax.stages import align, image_features, knowledge, refine, text_features
from prima_jax.stages.cases import all_cases
from prima_jax.stages.context import Context, Fold, Workspace
from prima_jax.stages.text_features import TextTokens

__all__ = [
    "Encoders",
    "Tokenizers",
    "aligned_encoders",
    "check_sentences",
    "fitting_tokenizer",
    "frozen_features",
    "load_encoders",
    "load_tokenizers",
    "make_tokenizers",
    "record_fields",
    "record_images",
    "record_sentences",
    "record_texts",
    "train_encoders",
    "training_sentences",
]


class Tokenizers(NamedTuple):
    """The text encoder's and the LLM's; one and the same in runs without weights."""

    text: PreTrainedTokenizerBase
    llm: PreTrainedTokenizerBase


class Encoders(NamedTuple):
    """Both encoders' variables after stages 1 to 2b."""

    text: dict[str, Any]
    image: dict[str, Any]


def make_tokenizers(context: Context, fold: Fold) -> Tokenizers:
    """The published tokenizers that stand beside the weights, or a small one trained on this fold's training texts."""
    models, folder = context.config.models, context.place("tokenizer", fold.index)

    def made() -> Tokenizers:
        if not (models.text.weights and models.llm.weights) and not folder.is_dir():
            texts = training_sentences(context, fold) + knowledge.corpus_texts(context)
            answers = tuple(context.prepared.study.classes)
            text.train_tokenizer(texts, folder, vocabulary_size=context.config.text.vocabulary_size, answers=answers)
        return load_tokenizers(context, fold.index)

    return in_turn(made)


def load_tokenizers(context: Context, fold: int) -> Tokenizers:
    """What `make_tokenizers` returned. Raises UserError where one that was to be trained is not there."""
    models, folder = context.config.models, context.place("tokenizer", fold)
    return Tokenizers(*(fitting_tokenizer(context, name, models[name].weights or folder) for name in ("text", "llm")))


def fitting_tokenizer(context: Workspace, name: str, folder: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer in `folder`, of the model `name`. Raises UserError where it has ids beyond that model's embeddings."""
    tokenizer, rows = text.load_tokenizer(folder), context.vocabulary_size(name)
    ids = max(tokenizer.get_vocab().values()) + 1
    if ids > rows:
        raise UserError(
            f"The tokenizer in {folder} has {ids} ids, where models.{name} has embeddings for {rows}: use the tokenizer that was "
            "published with the weights."
        )
    return tokenizer


def check_sentences(context: Context, tokenizers: Tokenizers) -> None:
    """Raises UserError where a sentence is longer than a model is shown, for then its last attributes would be missing."""
    study, most = context.prepared.study, context.config.text.max_length
    sentences = sorted({text.sentence(study, record.fields) for record in context.prepared.records})
    for tokenizer, special in ((tokenizers.text, True), (tokenizers.llm, False)):
        lengths = [len(ids) for ids in text.encode(tokenizer, sentences, add_special_tokens=special)]
        longer = sum(length > most for length in lengths)
        if longer:
            raise UserError(
                f"{longer} of {len(sentences)} sentences of the metadata are longer than text.max_length = {most} tokens and "
                f"would lose their last attributes: set --config.text.max_length={max(lengths)}, with another --workdir."
            )


def train_encoders(context: Context, fold: Fold, tokenizers: Tokenizers) -> Encoders:
    """Stages 1, 2 and 2b: the text encoder reads the corpus, the image encoder is aligned with it and refined."""
    text_variables, (image_variables, _) = aligned_encoders(context, fold, tokenizers)
    if context.config.refine.epochs:
        image_variables, _ = refine.run(context, fold, image_variables)
    return Encoders(text_variables, image_variables)


def aligned_encoders(context: Context, fold: Fold, tokenizers: Tokenizers) -> tuple[dict[str, Any], align.Aligned]:
    """Stages 1 and 2: the text encoder's variables, and the image encoder's with the heads of the shared space."""
    settings = context.config.knowledge
    texts = knowledge.corpus_texts(context)
    if settings.include_sentences:
        texts = texts + training_sentences(context, fold)
    text_variables = knowledge.run(context, fold, tokenizers.text, texts)
    visible = [text.sentence(context.prepared.study, r.fields, visual_only=True) for r in context.prepared.records]
    tokens = text_features.text_tokens(context, text_variables, tokenizers.text, visible, **_place_of_sentences(context))
    tokens = tokens.only(fold.train)
    return text_variables, align.run(context, fold, tokens, metadata_vectors(context, fold))


def load_encoders(context: Context, fold: int) -> Encoders:
    """What `train_encoders` left on disk. Raises UserError where a stage is not finished."""
    image_variables = align.load(context, fold).image_encoder
    if context.config.refine.epochs:
        image_variables, _ = refine.load(context, fold, image_variables)
    return Encoders(knowledge.load(context, fold), image_variables)


def frozen_features(context: Context, fold: Fold, tokenizers: Tokenizers, encoders: Encoders) -> tuple[np.ndarray, TextTokens]:
    """What both encoders say of every record: image tokens [R, V, 1 + K, d], and those of its sentences."""
    return record_images(context, fold, encoders), record_texts(context, encoders, tokenizers)


def record_images(context: Context, fold: Fold, encoders: Encoders) -> np.ndarray:
    """Every record's photograph, in all its stored copies, through the image encoder: [R, V, 1 + K, d]."""
    folder = context.place("features", fold.index)
    return image_features.image_tokens(context, encoders.image, folder, seed=context.seed("features", fold.index))


def record_texts(context: Context, encoders: Encoders, tokenizers: Tokenizers) -> TextTokens:
    """Every record's sentence, in all versions of `record_sentences`, through the text encoder."""
    sentences, place = record_sentences(context), _place_of_sentences(context)
    return text_features.text_tokens(context, encoders.text, tokenizers.text, sentences, **place)


def record_sentences(context: Context) -> list[list[str]]:
    """Every record's sentence, of all attributes that a model may see, in the V versions of `record_fields`."""
    study = context.prepared.study
    return [[text.sentence(study, fields) for fields in versions] for versions in record_fields(context)]


def record_fields(context: Context) -> list[list[Mapping[str, Any]]]:
    """Every record's fields in V versions.

    Version 0 has all that is known; versions 1 to V - 1, for training, leave out each attribute at random, more of them
    from one version to the next, up to `features.text_dropout`. A record whose metadata speak for no case has none.
    """
    settings = context.config.features
    spoken = {case.row for case in all_cases(context)}
    versions: list[list[Mapping[str, Any]]] = []
    for position, record in enumerate(context.prepared.records):
        if position not in spoken:
            versions.append([{}] * settings.text_views)
            continue
        generator = np.random.default_rng([context.seed("text views"), position])
        kept = [
            {name: value for name, value in record.fields.items() if generator.random() >= rate}
            for rate in np.linspace(0, settings.text_dropout, settings.text_views)[1:]
        ]
        versions.append([record.fields, *kept])
    return versions


def training_sentences(context: Context, fold: Fold) -> list[str]:
    """The distinct sentences of the fold's training records, in the order of the study's file."""
    study, records = context.prepared.study, context.prepared.records
    sentences = (text.sentence(study, records[i].fields) for i in sorted(fold.train.tolist()))
    return list(dict.fromkeys(s for s in sentences if s))


def metadata_vectors(context: Context, fold: Fold) -> np.ndarray:
    """y of Eq. 6 for every record, zero for those held out: [R, C]. With "labels" its metadata part is left out (sup_con)."""
    study, records = context.prepared.study, context.prepared.records
    train = [records[i] for i in fold.train]
    one_hot = OneHot.fit(study, train)
    vectors = soft_label_vectors(one_hot, train, len(study.classes), label_weight=context.config.align.label_weight)
    if context.config.align.soft.vectors == "labels":
        vectors = vectors[:, -len(study.classes) :]
    y = np.zeros((len(records), vectors.shape[1]), np.float32)
    y[fold.train] = vectors
    return y


def _place_of_sentences(context: Context) -> dict[str, Any]:
    """Where encoded sentences lie: a text encoder that no fold's sentences train is the same in every fold, which share them."""
    keep = bool(context.config.models.text.weights) and not context.config.knowledge.include_sentences
    return {"folder": context.place("text_tokens") if keep else context.folder, "keep": keep}

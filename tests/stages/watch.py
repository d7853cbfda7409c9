"""Sees everything that reaches training in one fold, and tells which held-out records are among it."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from prima_jax.data import metadata, text
from prima_jax.data.prepare import Prepared
from prima_jax.experiment import opening
from prima_jax.methods import plain
from prima_jax.stages import diagnose
from prima_jax.stages import stage as stage_module
from prima_jax.stages.cases import all_cases
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.text_features import TextTokens

PLACES = {
    "tokenizer",
    "knowledge batches",
    "OneHot.fit",
    "metadata_logistic",
    "align y",
    "align text index",
    "align text rows",
    "align units",
    "align batches",
    "align photographs",
    "refine labels",
    "refine batches",
    "refine photographs",
    "diagnose batches",
    "metadata_only",
    "majority",
    "missingness_only",
    "frozen tokens",
    "image_only labels",
    "image_only batches",
    "image_only photographs",
}
"""Wherever something of a record could enter training."""


class Watch:
    """`reached`: place -> positions of the records that got there."""

    def __init__(self, context: Context, fold: Fold) -> None:
        self.reached: dict[str, set[int]] = defaultdict(set)
        self.context, self.fold, self.stage = context, fold, ""
        self.records = context.prepared.records
        self.sentences = [text.sentence(context.prepared.study, r.fields) for r in self.records]
        self.position = {record.id: n for n, record in enumerate(self.records)}

    def leaks(self, fold: Fold, group: str) -> dict[str, set[str]]:
        """Place -> held-out units (or subjects) that got there."""
        held_out = {getattr(self.records[p], group) for p in fold.test.tolist()}
        found = {k: {getattr(self.records[p], group) for p in v} & held_out for k, v in self.reached.items()}
        return {place: names for place, names in found.items() if names}

    def add(self, place: str, positions: Any) -> None:
        self.reached[place] |= {int(p) for p in positions}

    def add_contents(self, place: str, seen: set, contents: list) -> None:
        """Positions by what stands there; where several records say the same, one of the training fold is meant."""
        train = set(self.fold.train.tolist())
        owners = defaultdict(list)
        for position, content in enumerate(contents):
            owners[content].append(position)
        for content in seen & owners.keys():
            self.add(place, [p for p in owners[content] if p in train] or owners[content])

    def frozen(self, stage: str, frozen: dict[str, Any]) -> None:
        """What the step of a stage holds besides its batches."""
        if stage == "align":
            self.add("align y", np.flatnonzero(np.abs(frozen["y"]).sum(axis=1)))
            self.add("align units", frozen["first"])
        elif stage in ("refine", "image_only"):
            self.add(f"{stage} labels", np.flatnonzero(frozen["labels"] >= 0))

    def batch(self, stage: str, frozen: dict[str, Any], batch: dict[str, np.ndarray]) -> None:
        if stage == "align":
            self.add("align batches", frozen["first"][batch["unit"]])
            said = {self.sentence_numbers.get(tokens.tobytes()) for tokens in batch["text_tokens"]}
            self.add_contents("align text rows", said, self.visible.index.tolist())
        elif stage in ("refine", "image_only"):
            self.add(f"{stage} batches", batch["index"])
        elif stage == "knowledge":
            tokenizer = text.load_tokenizer(self.context.place("tokenizer", self.fold.index))
            rows = text.tokenize(tokenizer, self.sentences, self.context.config.knowledge.max_length).ids
            self.add_contents("knowledge batches", {r.tobytes() for r in batch["labels"]}, [r.tobytes() for r in rows])


class Batches:
    """An iterator of batches that shows each one to `see` first."""

    def __init__(self, batches: Any, see: Any) -> None:
        self._batches, self._see = batches, see

    def __next__(self) -> dict[str, np.ndarray]:
        batch = next(self._batches)
        self._see(batch)
        return batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batches, name)


@contextmanager
def watching(context: Context, fold: Fold) -> Iterator[Watch]:
    """Listens at every place of PLACES while a fold is run; `fold` is the one that is run."""
    watch = Watch(context, fold)
    with pytest.MonkeyPatch.context() as patch:
        _watch_references(watch, patch)  # first: it makes columns of its own
        _watch_data(watch, patch)
        _watch_training(watch, patch)
        yield watch


def _watch_data(watch: Watch, patch: pytest.MonkeyPatch) -> None:
    image, fit, only, train_tokenizer = Prepared.image, metadata.OneHot.fit, TextTokens.only, text.train_tokenizer

    def watched_image(prepared, position):
        if watch.stage:
            watch.add(f"{watch.stage} photographs", [position])
        return image(prepared, position)

    def watched_fit(cls, study, records):
        watch.add("OneHot.fit", [watch.position[r.id] for r in records])
        return fit(study, records)

    def watched_only(texts, records):
        kept = only(texts, records)
        watch.add("align text index", np.flatnonzero(kept.index < len(kept.tokens) - 1))
        watch.visible = texts
        watch.sentence_numbers = {tokens.tobytes(): number for number, tokens in enumerate(texts.tokens[:-1])}
        return kept

    def watched_train_tokenizer(texts, *arguments, **options):
        texts = list(texts)
        watch.add_contents("tokenizer", set(texts), watch.sentences)
        return train_tokenizer(texts, *arguments, **options)

    patch.setattr(Prepared, "image", watched_image)
    patch.setattr(metadata.OneHot, "fit", classmethod(watched_fit))
    patch.setattr(TextTokens, "only", watched_only)
    patch.setattr(text, "train_tokenizer", watched_train_tokenizer)


def _watch_training(watch: Watch, patch: pytest.MonkeyPatch) -> None:
    train, gather = stage_module.train, diagnose.gather

    def watched_train(objective, folder, **options):
        stage = watch.stage = folder.name.partition("-")[0]
        watch.frozen(stage, objective.frozen)
        batches = Batches(objective.batches, lambda batch: watch.batch(stage, objective.frozen, batch))
        trained = train(dataclasses.replace(objective, batches=batches), folder, **options)
        watch.stage = ""
        return trained

    def watched_gather(images, texts, sittings):
        if watch.stage == "diagnose":
            watch.add("diagnose batches", [p for s in sittings for p in (s.row, *s.scans) if p >= 0])
        return gather(images, texts, sittings)

    patch.setattr(stage_module, "train", watched_train)
    patch.setattr(diagnose, "gather", watched_gather)


def _watch_references(watch: Watch, patch: pytest.MonkeyPatch) -> None:
    study = watch.context.prepared.study
    cases = all_cases(watch.context)
    train = [c.row for c in opening.split_cases(watch.context, watch.fold)[0]]
    records = [watch.records[c.row] for c in cases]
    rows = dict(zip((c.row for c in cases), metadata.tabular(study, records)[0], strict=True))
    in_training = [watch.records[p] for p in train]
    filled = metadata.filled_in(study, in_training)
    one_hot = metadata.OneHot.fit(study, in_training).encode(in_training)
    labels = np.array([watch.records[p].label for p in train])

    def expecting(place, positions, *pairs):
        """The arrays are those of these records, row by row: whoever they are has reached the place."""
        for found, expected in pairs:
            np.testing.assert_array_equal(found, expected)
        watch.add(place, positions)

    majority, metadata_only, missingness_only = plain.majority, plain.metadata_only, plain.missingness_only
    logistic_regression = plain.logistic_regression

    def watched_majority(train_labels, *arguments):
        expecting("majority", train, (train_labels, labels))
        return majority(train_labels, *arguments)

    def watched_metadata_only(x, y, *arguments, **options):
        expecting("metadata_only", train, (x, np.stack([rows[p] for p in train])), (y, labels))
        return metadata_only(x, y, *arguments, **options)

    def watched_missingness_only(x, y, *arguments, **options):
        expecting("missingness_only", train, (x, filled), (y, labels))
        return missingness_only(x, y, *arguments, **options)

    def watched_logistic_regression(x, y, *arguments, **options):
        if x.shape == one_hot.shape:
            expecting("metadata_logistic", train, (x, one_hot), (y, labels))
        else:
            standardised = (x.mean(axis=0).round(6), np.zeros(x.shape[1]))  # over y's
            expecting("frozen tokens", train, standardised, (y, labels))
        return logistic_regression(x, y, *arguments, **options)

    patch.setattr(plain, "majority", watched_majority)
    patch.setattr(plain, "metadata_only", watched_metadata_only)
    patch.setattr(plain, "missingness_only", watched_missingness_only)
    patch.setattr(plain, "logistic_regression", watched_logistic_regression)

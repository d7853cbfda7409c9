"""Statements about a record, one sentence for each value that an attribute can take: true of it, false, or not known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from prima_jax.data.metadata import OneHot
from prima_jax.data.text import band
from prima_jax.studies.study import Attribute, Record, Study

__all__ = ["Statements"]


@dataclass(frozen=True)
class Statements:
    """S statements in the words of the study; the possible values come from training records alone."""

    one_hot: OneHot
    sentences: tuple[str, ...]
    columns: tuple[int, ...]
    """The column of `one_hot` that is 1 where the statement is true."""
    attributes: tuple[str, ...]
    """The attribute of each statement; if it is missing, the statement is unknown."""

    @classmethod
    def fit(cls, study: Study, records: Sequence[Record]) -> "Statements":
        """The values seen among the records, of the attributes that a model may see. A yes/no attribute makes one statement,
        a category one for each value, a number one for each of its bands (without bins of the study: tertiles)."""
        one_hot = OneHot.fit(study, records)
        written = [s for s in _written(one_hot) if s[0]]  # an attribute whose template is empty says nothing
        sentences, columns, attributes = zip(*written, strict=True) if written else ((), (), ())
        return cls(one_hot, sentences, columns, attributes)

    @property
    def names(self) -> tuple[str, ...]:
        """`attribute=value` of each statement."""
        return tuple(self.one_hot.columns[column] for column in self.columns)

    def labels(self, records: Sequence[Record]) -> np.ndarray:
        """int32 `[N, S]`: 1 true, 0 false, -1 not known."""
        true = self.one_hot.encode(records)[:, list(self.columns)]
        known = [[name in record.fields for name in self.attributes] for record in records]
        return np.where(np.array(known, bool).reshape(true.shape), true, -1).astype(np.int32)


def _written(one_hot: OneHot) -> Iterator[tuple[str, int, str]]:
    """A sentence, its column and its attribute's name for every value, in the order of the columns."""
    column = 0
    for attribute, categories, edges in zip(one_hot.attributes, one_hot.categories, one_hot.edges, strict=True):
        for sentence in _sentences(attribute, categories, edges):
            yield sentence, column, attribute.name
            column += 1


def _sentences(attribute: Attribute, categories: Sequence[str], edges: Sequence[float]) -> list[str]:
    """One for each column of the attribute; empty where the column makes no statement."""
    if attribute.kind == "yes_no":
        # The sentence of a "no" negates that of a "yes", and would be the same question twice.
        return [attribute.sentence, "" if attribute.sentence else attribute.negative]
    if attribute.kind == "category":
        return [attribute.sentence.format(value=value) for value in categories]
    if not edges:
        return [""]
    bands = [band(value, edges) for value in (-np.inf, *edges)]
    return [attribute.sentence.format(value=words, band=words) for words in bands]

"""Metadata as numbers: the one-hot vector y of Eq. 6, and tables for models that see nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prima_jax.studies.study import Attribute, Record, Study, Value

__all__ = ["OneHot", "filled_in", "soft_label_vectors", "tabular"]

TERTILES = (1 / 3, 2 / 3)


@dataclass(frozen=True)
class OneHot:
    """Encodes fields as one-hot columns, whose categories and bins come from training records alone."""

    attributes: tuple[Attribute, ...]
    categories: tuple[tuple[str, ...], ...]
    """Per attribute the categories of the training records; empty for numbers and yes/no."""
    edges: tuple[tuple[float, ...], ...]
    """Per attribute the bin edges of a number; k edges make k + 1 columns."""

    @classmethod
    def fit(cls, study: Study, records: Sequence[Record]) -> "OneHot":
        """Fits the categories, and where the study gives no bins the tertiles, of the attributes a model may see."""
        attributes = study.shown()
        present = [[r.fields[a.name] for r in records if a.name in r.fields] for a in attributes]
        return cls(
            attributes,
            tuple(
                tuple(sorted({str(value) for value in values})) if a.kind == "category" else ()
                for a, values in zip(attributes, present, strict=True)
            ),
            tuple(_edges(a, values) if a.kind == "number" else () for a, values in zip(attributes, present, strict=True)),
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Returns the names of the columns, `attribute=value`."""
        names = []
        for attribute, categories, edges in zip(self.attributes, self.categories, self.edges, strict=True):
            if attribute.kind == "category":
                values = categories
            elif attribute.kind == "yes_no":
                values = ("yes", "no")
            else:
                values = tuple(f"bin{n}" for n in range(len(edges) + 1))
            names += [f"{attribute.name}={value}" for value in values]
        return tuple(names)

    def encode(self, records: Sequence[Record]) -> np.ndarray:
        """Returns float32 `[N, C]`: one 1 per known field; a missing field, or a category never seen in training, is all 0."""
        return self.encode_fields([record.fields for record in records])

    def encode_fields(self, records: Sequence[Mapping[str, Value]]) -> np.ndarray:
        """Returns the same of the fields alone."""
        position = {name: n for n, name in enumerate(self.columns)}
        encoded = np.zeros((len(records), len(position)), np.float32)
        for row, fields in enumerate(records):
            for attribute, edges in zip(self.attributes, self.edges, strict=True):
                if attribute.name in fields:
                    column = f"{attribute.name}={_column(attribute, fields[attribute.name], edges)}"
                    if column in position:
                        encoded[row, position[column]] = 1.0
        return encoded


def soft_label_vectors(one_hot: OneHot, records: Sequence[Record], classes: int, label_weight: float = 3.0) -> np.ndarray:
    """Returns the y of Eq. 6, float32 `[N, C + classes]`: metadata, then the one-hot label times `label_weight`."""
    labels = np.eye(classes, dtype=np.float32)[[record.label for record in records]]
    return np.concatenate([one_hot.encode(records), label_weight * labels], axis=1)


def tabular(study: Study, records: Sequence[Record]) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Returns the shown fields as a float matrix `[N, A]` with NaN for missing, the column names, and which are categories.

    A category's number is its place among the sorted categories of these records: give all records at once and split
    the rows afterwards. Nothing else is learnt from them.
    """
    attributes = study.shown()
    table = np.full((len(records), len(attributes)), np.nan)
    for column, attribute in enumerate(attributes):
        values = {row: r.fields[attribute.name] for row, r in enumerate(records) if attribute.name in r.fields}
        if attribute.kind == "category":
            words = sorted({str(value) for value in values.values()})
            values = {row: words.index(str(value)) for row, value in values.items()}
        for row, value in values.items():
            table[row, column] = float(value)
    names = tuple(attribute.name for attribute in attributes)
    return table, names, np.array([attribute.kind == "category" for attribute in attributes], bool)


def filled_in(study: Study, records: Sequence[Record]) -> np.ndarray:
    """Returns the missingness indicators of the shown fields: float32 `[N, A]`, 1 where filled in, else 0."""
    names = [attribute.name for attribute in study.shown()]
    rows = [[name in record.fields for name in names] for record in records]
    return np.array(rows, np.float32).reshape(len(records), len(names))


def _edges(attribute: Attribute, values: Sequence) -> tuple[float, ...]:
    if attribute.bins or not values:
        return attribute.bins
    return tuple(float(edge) for edge in np.unique(np.quantile(np.array(values, np.float64), TERTILES)))


def _column(attribute: Attribute, value: Value, edges: Sequence[float]) -> str:
    if attribute.kind == "yes_no":
        return "yes" if value else "no"
    if attribute.kind == "number":
        return f"bin{np.searchsorted(edges, float(value), side='right')}"
    return str(value)

"""Builds a Study from plain values, so that a new cohort needs a config file only."""

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from ml_collections import ConfigDict

from prima_jax.errors import UserError
from prima_jax.studies.study import YES_NO, Attribute, DiseaseTerms, Join, Study, as_said
from prima_jax.studies.table import DELIMITERS

__all__ = ["load_study", "study_from_config"]

KINDS = ("category", "number", "yes_no")
ONLY_READ_BY = {"values": "category", "bins": "number", "negative": "yes_no"}
"""Keys of an attribute that mean something for one kind alone."""
_RENAMED = {"views": "image_types", "view_column": "image_type_column"}
"""Former keys of a study, which configs and finished runs may still have."""


def load_study(config: ConfigDict) -> Study:
    """Returns the study of a recipe, without the block of attributes that the recipe hides."""
    return study_from_config(config.study.definition).hide(config.study.hide)


def study_from_config(config: Mapping[str, Any]) -> Study:
    """Builds a study from a mapping (or ConfigDict) with the keys of `Study`; `attributes` is a sequence of mappings.

    `classes`, `image_types` and `values` are mappings or, since a ConfigDict sorts its keys, sequences of pairs. An
    attribute's `column` is its name unless said otherwise. Raises UserError for unknown and missing keys (it lists the
    known ones), a value or template that cannot be meant, and a shown attribute that gives the diagnosis away.
    """
    values = _checked(config, Study, "study", given={})
    described = _sequence(values["attributes"], "study.attributes", "a tuple of mappings")
    values["attributes"] = tuple(_attribute(item, n) for n, item in enumerate(described))
    for key in ("classes", "image_types", "label_columns"):
        values[key] = _pairs(values.get(key, {}), f"study.{key}")
    for key in ("subject_columns", "unit_columns", "site_columns", "image_folders", "image_suffixes", "missing", "yes", "no"):
        if key in values:
            values[key] = _texts(values[key], f"study.{key}")
    if values.get("join"):
        values["join"] = Join(**_checked(values["join"], Join, "study.join", given={}))
    values["sides"] = _sides(values.get("sides", {}))
    values["window"] = _edges(values.get("window", ()), "study.window")
    values["terms"] = _terms(values.get("terms", {}), values["classes"])
    study = Study(**values)
    _check(study)
    return study


def _check(study: Study) -> None:
    if len(study.classes) < 2:
        raise UserError(f"study.classes should name two classes or more, not {len(study.classes)}.")
    if bool(study.image_type_column) != bool(study.image_types):
        pair = ("image_type_column", "image_types")
        given, absent = pair if study.image_type_column else pair[::-1]
        raise UserError(f"study.{given} is given without study.{absent}; give both, or neither.")
    _check_file(study)
    names = [attribute.name for attribute in study.attributes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"study.attributes names {', '.join(twice)} twice; give each attribute its own name.")
    label = "label_columns" if study.label_columns else "label_column"
    _check_label(study, label)
    for key, columns in ((label, study.label_sources), ("image_column", (study.image_column,))):
        also = [side[column] for side in study.sides.values() for column in columns if column in side]
        for attribute in study.shown():
            if attribute.column in (*columns, *also):
                raise UserError(
                    f"study.attributes[{attribute.name}] reads {attribute.column}, which is study.{key} and would give the "
                    f"diagnosis away; leave it out, or set its shown to False."
                )


def _check_label(study: Study, key: str) -> None:
    if bool(study.label_column) == bool(study.label_columns):
        given = "both" if study.label_column else "neither"
        raise UserError(f"study has {given} of label_column and label_columns; give one of them.")
    if study.label_columns and set(study.label_columns.values()) != set(study.classes):
        raise UserError(f"study.label_columns should name each class of study.classes and no other: {', '.join(study.classes)}.")
    for name, side in study.sides.items():
        if study.image_column not in side:
            raise UserError(f"study.sides[{name}] has no {study.image_column}, which is study.image_column; name its column.")
        if set(side) != {column for other in study.sides.values() for column in other}:
            raise UserError(f"study.sides[{name}] lacks a column that another side has; give all of them the same.")


def _check_file(study: Study) -> None:
    """Raises UserError for what no CSV file and no photograph is written with."""
    for key, known in (("delimiter", ("", *DELIMITERS)), ("decimal", (".", ","))):
        if getattr(study, key) not in known:
            raise UserError(f"study.{key} should be one of {', '.join(map(repr, known))}, not {getattr(study, key)!r}.")
    if len(study.window) not in (0, 2):
        raise UserError(f"study.window should be the two levels (low, high), not {study.window!r}.")
    if study.encoding:
        try:
            "a".encode(study.encoding)
        except (LookupError, ValueError, TypeError) as error:
            raise UserError(f"study.encoding is no encoding that Python knows ({study.encoding!r}); use cp1252, say.") from error
    both = {as_said(word) for word in study.yes} | {word for word, yes in YES_NO.items() if yes}
    both &= {as_said(word) for word in study.no} | {word for word, yes in YES_NO.items() if not yes}
    if both:
        raise UserError(f"study.yes and study.no both have {', '.join(sorted(both))}; a word means one of them.")


def _attribute(config: Any, number: int) -> Attribute:
    name = config.get("name", number) if hasattr(config, "items") else number
    where = f"study.attributes[{name}]"
    values = _checked(config, Attribute, where, given={"column": name})
    if values["kind"] not in KINDS:
        raise UserError(f"{where}.kind should be one of {', '.join(KINDS)}, not {values['kind']!r}.")
    for key, kind in ONLY_READ_BY.items():
        if values.get(key) and values["kind"] != kind:
            raise UserError(f"{where}.{key} is only for the kind {kind}, not for {values['kind']}; leave it out.")
    values["values"] = _pairs(values.get("values", {}), f"{where}.values")
    values["bins"] = _edges(values.get("bins", ()), f"{where}.bins")
    values["terms"] = _texts(values.get("terms", ()), f"{where}.terms")
    known = () if values["kind"] == "yes_no" else ("value", "band") if values["bins"] else ("value",)
    for key in ("sentence", "negative"):
        _check_template(values.get(key, ""), known, f"{where}.{key}")
    return Attribute(**values)


def _edges(value: Any, where: str) -> tuple[float, ...]:
    expected = "a tuple of numbers that rise"
    try:
        edges = tuple(float(edge) for edge in _sequence(value, where, expected))
    except (TypeError, ValueError):
        edges = (math.nan,)
    if not all(map(math.isfinite, edges)) or list(edges) != sorted(set(edges)):
        raise UserError(f"{where} should be {expected}, not {value!r}.")
    return edges


def _check_template(template: Any, known: Sequence[str], where: str) -> None:
    """Raises UserError for a template with unknown placeholders or format specifiers: values are inserted as words."""
    try:
        placeholders = [part[1:] for part in string.Formatter().parse(template) if part[1] is not None]
    except (TypeError, ValueError) as error:
        raise UserError(f"{where} is no template ({error}); write {{value}} where the value goes.") from error
    for name, form, conversion in placeholders:
        if name not in known or form or conversion:
            written = (name or "") + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            allowed = f"only {' and '.join(f'{{{one}}}' for one in known)}" if known else "none at all"
            raise UserError(f"{where} holds the placeholder {{{written}}}; it may hold {allowed}.")


def _checked(config: Any, kind: type, where: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the mapping as a dict; raises UserError for unknown or missing keys."""
    if not hasattr(config, "items"):
        raise UserError(
            f"{where} should be a mapping with the keys of {kind.__name__}, not {config!r}; configs/aqua_study.py has an example."
        )
    config = {_RENAMED.get(key, key): config[key] for key in config}
    known = {field.name: field for field in fields(kind)}
    unknown = [str(key) for key in config if key not in known]
    if unknown:
        raise UserError(f"{where} has no key {', '.join(unknown)}; known are {', '.join(known)}.")
    values = {**given, **config}
    absent = [
        key for key, field in known.items() if key not in values and field.default is MISSING and field.default_factory is MISSING
    ]
    if absent:
        raise UserError(f"{where} lacks the key(s) {', '.join(absent)}; add them.")
    return values


def _pairs(value: Any, where: str) -> dict[str, str]:
    expected = "a mapping or pairs (value in the file, its words)"
    return {raw: str(words) for raw, words in _items(value, where, expected)}


def _sides(value: Any) -> dict[str, dict[str, str]]:
    expected = "a mapping or pairs (name of the side, pairs (column of the study, column of the file))"
    return {name: _pairs(columns, f"study.sides[{name}]") for name, columns in _items(value, "study.sides", expected)}


def _terms(value: Any, classes: Mapping[str, str]) -> dict[str, DiseaseTerms]:
    expected = "a mapping or pairs (value in the file, a tuple of names or a mapping with names, context, excluded)"
    terms = {raw: _disease_terms(given, f"study.terms[{raw}]") for raw, given in _items(value, "study.terms", expected)}
    unknown = [raw for raw in terms if raw not in classes]
    if unknown:
        raise UserError(f"study.terms names {', '.join(unknown)}, but study.classes has {', '.join(classes)}; name those.")
    return terms


def _disease_terms(given: Any, where: str) -> DiseaseTerms:
    if not isinstance(given, Mapping | ConfigDict):
        return DiseaseTerms(_texts(given, where))
    values = _checked(given, DiseaseTerms, where, given={})
    return DiseaseTerms(**{key: _texts(words, f"{where}.{key}") for key, words in values.items()})


def _items(value: Any, where: str, expected: str) -> list[tuple[str, Any]]:
    """Returns a mapping, or pairs, as pairs."""
    pairs = list(value.items()) if hasattr(value, "items") else _sequence(value, where, expected)
    if not all(isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2 for pair in pairs):
        raise UserError(f"{where} should be {expected}, not {value!r}.")
    return [(str(key), item) for key, item in pairs]


def _texts(value: Any, where: str) -> tuple[str, ...]:
    return tuple(str(item) for item in _sequence(value, where, "a tuple of texts"))


def _sequence(value: Any, where: str, expected: str) -> Sequence[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise UserError(f"{where} should be {expected}, not {value!r}.")
    return value

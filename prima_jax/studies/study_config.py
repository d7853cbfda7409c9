"""Builds a Study from plain values, so that a cohort of one's own is a config file and no Python elsewhere."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from prima_jax.errors import UserError
from prima_jax.studies.study import Attribute, Study

__all__ = ["study_from_config"]

KINDS = ("category", "number", "yes_no")


def study_from_config(config: Mapping[str, Any]) -> Study:
    """A study from a mapping (or ConfigDict) with the keys of `Study`; `attributes` is a sequence of mappings.

    `classes`, `views` and `values` are mappings or, since a ConfigDict sorts its keys, sequences of pairs. An
    attribute's `column` is its name unless said otherwise. Raises UserError that lists the known keys.
    """
    values = _checked(config, Study, "study", given={})
    values["attributes"] = tuple(_attribute(item, n) for n, item in enumerate(values["attributes"]))
    for key in ("classes", "views"):
        values[key] = _pairs(values.get(key, {}), f"study.{key}")
    for key in ("subject_columns", "unit_columns", "image_folders", "image_suffixes", "missing"):
        if key in values:
            values[key] = _texts(values[key], f"study.{key}")
    if len(values["classes"]) < 2:
        raise UserError(f"study.classes should name two classes or more, not {len(values['classes'])}.")
    names = [attribute.name for attribute in values["attributes"]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"study.attributes names {', '.join(twice)} twice; give each attribute its own name.")
    return Study(**values)


def _attribute(config: Mapping[str, Any], number: int) -> Attribute:
    name = config.get("name", number)
    where = f"study.attributes[{name}]"
    values = _checked(config, Attribute, where, given={"column": name})
    if values["kind"] not in KINDS:
        raise UserError(f"{where}.kind should be one of {', '.join(KINDS)}, not {values['kind']!r}.")
    values["values"] = _pairs(values.get("values", {}), f"{where}.values")
    values["bins"] = tuple(float(edge) for edge in values.get("bins", ()))
    if list(values["bins"]) != sorted(set(values["bins"])):
        raise UserError(f"{where}.bins should rise, not {values['bins']}.")
    allowed = {"value", "band"} if values["bins"] else {"value"}
    for key in ("sentence", "negative"):
        unknown = _placeholders(values.get(key, ""), f"{where}.{key}") - allowed
        if unknown:
            raise UserError(
                f"{where}.{key} holds the placeholder(s) {', '.join(sorted(unknown))}; known are {{value}} and, for a "
                f"number with bins, {{band}}."
            )
    return Attribute(**values)


def _placeholders(template: str, where: str) -> set[str]:
    try:
        return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise UserError(f"{where} is no template ({error}); write {{value}} where the value goes.") from error


def _checked(config: Mapping[str, Any], kind: type, where: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping as a dict, once its keys are known and none that is needed is missing."""
    known = {field.name: field for field in fields(kind)}
    unknown = [str(key) for key in config if key not in known]
    if unknown:
        raise UserError(f"{where} has no key {', '.join(unknown)}; known are {', '.join(known)}.")
    values = {**given, **{key: config[key] for key in config}}
    absent = [
        key for key, field in known.items() if key not in values and field.default is MISSING and field.default_factory is MISSING
    ]
    if absent:
        raise UserError(f"{where} lacks the key(s) {', '.join(absent)}; add them.")
    return values


def _pairs(value: Any, where: str) -> dict[str, str]:
    pairs = list(value.items()) if hasattr(value, "items") else list(value)
    if not all(isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2 for pair in pairs):
        raise UserError(f"{where} should be a mapping or pairs (value in the file, its words), not {value!r}.")
    return {str(raw): str(words) for raw, words in pairs}


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        raise UserError(f"{where} should be a tuple of texts, not the text {value!r}.")
    return tuple(str(item) for item in value)

"""Checks a config before anything is computed, so that no stage fails over it after hours."""

from difflib import get_close_matches
from typing import get_args

from ml_collections import ConfigDict
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from prima_jax.errors import UserError
from prima_jax.problems import Problems
from prima_jax.recipe.fields import Recipe
from prima_jax.recipe.fit import check_fit

__all__ = ["check", "check_fields", "recipe_problems"]

_KINDS = {
    "finite": "a finite number",
    "float": "a number",
    "int": "a whole number",
    "bool": "True or False",
    "string": "a text",
    "tuple": "a tuple",
    "dict": "a mapping",
    "model": "a section",
}
"""The expected kind of value, by the first word of pydantic's error type."""


def check(config: ConfigDict) -> None:
    """Raises UserError for the first of the recipe's problems."""
    for problem in recipe_problems(config):
        raise problem.error


def recipe_problems(config: ConfigDict) -> Problems:
    """Returns what `check_fields` refuses, else what `check_fit` finds."""
    problems = Problems()
    try:
        check_fit(Recipe.model_validate(config.to_dict()), problems)
    except ValidationError as error:
        for sentence in _sentences(error):
            problems.add("recipe", sentence)
    return problems


def check_fields(config: ConfigDict) -> Recipe:
    """Returns the recipe. Raises UserError for a field that is unknown, absent or out of range."""
    try:
        return Recipe.model_validate(config.to_dict())
    except ValidationError as error:
        raise UserError(_sentences(error)[0]) from error


def _sentences(error: ValidationError) -> list[str]:
    """Returns the errors as sentences: unknown fields before missing ones, and both before wrong values."""
    return list(
        map(_sentence, sorted(error.errors(), key=lambda one: (one["type"] != "extra_forbidden", one["type"] != "missing")))
    )


def _sentence(first: ErrorDetails) -> str:
    field = ".".join(part for part in first["loc"] if isinstance(part, str))
    if first["type"] == "extra_forbidden":
        beside = [name for name in _names(Recipe) if name.rpartition(".")[0] == field.rpartition(".")[0]]
        nearest = get_close_matches(field, beside, n=1, cutoff=0)[0]
        return f"The config has {field}, which is no field of a recipe; the nearest is {nearest}: rename it, or take it out."
    if first["type"] == "missing":
        return f"The config lacks {field}: start from configs.common.paper_recipe() and add what differs."
    return f"{field} {_expected(first)}, not {first['input']!r}: set --config.{field}."


def _expected(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "greater_than_equal":
        return f"should be {_bound(context['ge'])} or more"
    if kind == "less_than_equal":
        return f"should be {_bound(context['le'])} or less"
    if kind == "literal_error":
        return f"should be {context['expected'].replace(', ', ' or ')}"
    if kind == "stated":
        return error["msg"]
    return f"should be {_KINDS[kind.partition('_')[0]]}"


def _bound(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _names(section: type[BaseModel], prefix: str = "") -> list[str]:
    """Returns the dotted names of all sections and fields, as in --config."""
    names = []
    for name, field in section.model_fields.items():
        names.append(prefix + name)
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                names += _names(kind, f"{prefix}{name}.")
    return names

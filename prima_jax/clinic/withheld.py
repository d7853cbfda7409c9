"""What a bundle leaves out of what a run has learnt from sentences: words that only a few patients' fields hold."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from prima_jax.data.text import SPECIALS, sentence
from prima_jax.files import SEAL, seal
from prima_jax.metrics.subgroups import UNKNOWN
from prima_jax.studies.study import Study, Value

__all__ = ["LEAST_SUBJECTS", "public_groups", "public_seen", "public_tokenizer"]

LEAST_SUBJECTS = 5
"""Below, a value that the study's own definition does not list could name a patient."""
_NUMERIC = frozenset("0123456789.,-+eĠ")


def public_seen(study: Study, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Returns data/seen.py's summary without the values of open categories that fewer than LEAST_SUBJECTS subjects have."""
    fields, subjects = dict(seen["fields"]), dict(seen.get("subjects", {}))
    for attribute in study.shown():
        if attribute.kind == "category" and not attribute.values and attribute.name in fields:
            counts = subjects.get(attribute.name, [0] * len(fields[attribute.name]))
            kept = [n for n, count in enumerate(counts) if count >= LEAST_SUBJECTS]
            fields[attribute.name] = [fields[attribute.name][n] for n in kept]
            subjects[attribute.name] = [counts[n] for n in kept]
    return {**seen, "fields": fields, "subjects": subjects}


def public_groups(
    study: Study, seen: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[dict[str, list[Mapping[str, Any]]], list[Mapping[str, Any]]]:
    """Returns a method's subgroups and prediction sets: no group of fewer than LEAST_SUBJECTS units, no value that is not public.

    seen: the public values (`public_seen`); found: the method's of results.json, where a group is called as its value.
    """
    is_open = {a.name for a in study.attributes if a.kind == "category" and not a.values}

    def public(of: str, group: Mapping[str, Any]) -> bool:
        known = of not in is_open or group["name"] in (UNKNOWN, *seen["fields"].get(of, ()))
        return known and group["units"] >= LEAST_SUBJECTS

    subgroups = {of: [group for group in groups if public(of, group)] for of, groups in found["subgroups"].items()}
    withheld = {f"{of}: {one['name']}" for of, groups in found["subgroups"].items() for one in groups if one not in subgroups[of]}
    return subgroups, [line for line in found["prediction_sets"] if line["group"] not in withheld]


def public_tokenizer(source: Path, target: Path, study: Study, seen: Mapping[str, Any]) -> None:
    """Copies a tokenizer that was trained on sentences, without the tokens that no public sentence is made of.

    A sentence of values in `seen` or in the study's definition has the same ids as before: byte-pair merges only ever make
    parts of its words, and of these every token stays.
    """
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(SEAL))
    path = target / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    splitter = Tokenizer.from_file(str(path)).pre_tokenizer
    texts = [sentence(study, {name: value}) for name, value in _public_values(study, seen)]
    words = {word for text in texts for word, _ in splitter.pre_tokenize_str(text)}
    whole = "\n".join(sorted(words))
    added = {token["content"] for token in content["added_tokens"]} | set(SPECIALS.values())

    def public(token: str) -> bool:
        return len(token) == 1 or token in added or set(token) <= _NUMERIC or token in whole

    model = content["model"]
    # The others keep their places, under names that no merge makes: ids are counted from the vocabulary's size.
    model["vocab"] = {token if public(token) else f"[withheld {number}]": number for token, number in model["vocab"].items()}
    model["merges"] = [pair for pair in model["merges"] if public("".join(pair))]
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    seal(target)


def _public_values(study: Study, seen: Mapping[str, Any]) -> list[tuple[str, Value]]:
    """Every attribute with each of its public values; of a number one in each band."""
    found: list[tuple[str, Value]] = []
    for attribute in study.shown():
        values: list[Any] = [True, False]
        if attribute.kind == "number":
            edges = attribute.bins or (0.0,)
            values = [edges[0] - 1, *(float(edge) for edge in edges)]
        elif attribute.kind == "category":
            values = [*attribute.values.values(), *seen["fields"].get(attribute.name, [])]
        found += [(attribute.name, value) for value in values]
    return found

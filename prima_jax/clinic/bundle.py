"""A folder to hand over: everything that answers for a new case, and nothing of those that it was trained on.

BUNDLE/
  README.md                       the model card
  bundle.json                     its format, warnings and versions
  config.json  seen.json  calibration.json  familiarity.npz
  models/{image,text,llm}/        published weights and tokenizers, copied, or their digest alone
  fold_K/{align,refine,diagnose,...}/   what each fold has trained
  all_folds/knowledge/            the text encoder's adapters, where all folds share them
  sha256                          a digest of every file
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prima_jax.clinic.withheld import public_tokenizer
from prima_jax.data.seen import write_seen
from prima_jax.errors import UserError
from prima_jax.files import check_sealed, digest, seal, whole_folder, write_whole
from prima_jax.json_text import read_object
from prima_jax.stages.context import Context
from prima_jax.stages.stage import read_done, write_done
from prima_jax.training.made_with import made_with

__all__ = ["FORMAT", "Handed", "is_bundle", "open_bundle", "write_bundle"]

FORMAT = 1
"""Raised whenever an older bundle can no longer be read."""
MODELS = ("image", "text", "llm")
_NEEDED = ("config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*.json", "special_tokens_map.json", "LICENSE*")
_STAGES = ("knowledge", "align", "refine", "diagnose")
_SAYS_WHERE = "commit_success.txt"
"""A file of orbax that names the folder it was written to, and is not read."""
_ABSENT = "absent.json"
"""In a model's folder: the digests of the weights that have to be put there."""


class Handed(Context):
    """The experiment of a bundle: stages lie under plain names."""

    def place(self, stage: str, fold: int | None = None) -> Path:
        return self.folder / ("all_folds" if fold is None else f"fold_{fold}") / stage


def write_bundle(
    context: Context, out: Path, *, card: str, seen: Mapping[str, Any], warnings: tuple[str, ...], with_weights: bool
) -> None:
    """Writes the bundle of the finished run that `context` stands for: whole, or not at all.

    seen: the values of training that may be handed over (`public_seen`). with_weights: published weights are copied; else each
    model's folder names the files to put there, by digest. Raises UserError where the folder is there already or cannot be
    written.
    """
    if out.exists():
        raise UserError(f"{out} is there already: choose another --out, or delete it.")
    with whole_folder(out) as folder:
        config = context.config.copy_and_resolve_references()
        config.data.dir = config.data.prepared = config.knowledge.corpus = ""
        for name in MODELS:
            if config.models[name].weights:
                _copy_model(Path(config.models[name].weights), folder / "models" / name, with_weights)
                config.models[name].weights = f"models/{name}"
        write_seen(folder, seen)
        for fold in (None, *range(config.folds)):
            _copy_fold(context, folder, fold, seen)
        for name in ("calibration.json", "familiarity.npz", "familiarity.sha256"):
            shutil.copyfile(context.folder / name, folder / name)
        (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1, sort_keys=True, default=list), "utf-8")
        about = {
            "format": FORMAT,
            "synthetic": context.prepared.study.synthetic,
            "warnings": list(warnings),
            "exported_with": made_with(),
        }
        (folder / "bundle.json").write_text(json.dumps(about, indent=1, ensure_ascii=False), "utf-8")
        (folder / "README.md").write_text(card, "utf-8")
        seal(folder)


def is_bundle(folder: Path) -> bool:
    """True for a folder that `write_bundle` has written."""
    return (folder / "bundle.json").is_file()


def open_bundle(folder: Path) -> dict[str, Any]:
    """What bundle.json says. Raises UserError for a damaged or newer bundle, and for weights that are still to be put there."""
    try:
        check_sealed(folder)
    except UserError as error:
        raise UserError(f"{folder} is not as it was exported: a file is missing or has changed; copy the bundle anew.") from error
    about = read_object(folder / "bundle.json", "copy the bundle anew.")
    if about["format"] > FORMAT:
        raise UserError(f"{folder} was exported by a newer version of prima-jax: install that one.")
    for name in MODELS:
        _check_weights(folder / "models" / name)
    return about


def _copy_model(source: Path, target: Path, with_weights: bool) -> None:
    target.mkdir(parents=True)
    absent = {}
    for file in sorted({file for pattern in _NEEDED for file in source.glob(pattern)}):
        if file.suffix == ".safetensors" and not with_weights:
            absent[file.name] = digest(file)
        else:
            shutil.copyfile(file, target / file.name)
    if absent:
        write_whole(target / _ABSENT, json.dumps({"model": source.name, "sha256": absent}, indent=1).encode())


def _check_weights(folder: Path) -> None:
    if not (folder / _ABSENT).exists():
        return
    told = read_object(folder / _ABSENT, "copy the bundle anew.")
    for name, expected in told["sha256"].items():
        if not (folder / name).is_file():
            raise UserError(f"{folder} lacks {name}, which is not part of the bundle: copy it there from {told['model']}.")
        if digest(folder / name) != expected:
            raise UserError(f"{folder / name} is not the file that the bundle was trained with: expected SHA-256 {expected}.")


def _copy_fold(context: Context, out: Path, fold: int | None, seen: Mapping[str, Any]) -> None:
    target = out / ("all_folds" if fold is None else f"fold_{fold}")
    for stage in _STAGES:
        if (source := context.place(stage, fold)).is_dir():
            left_out = shutil.ignore_patterns(_SAYS_WHERE)
            shutil.copytree(source / "trained", target / stage / "trained", ignore=left_out)
            notes = {**(read_done(source) or {}), "trained": digest(target / stage / "trained")}
            write_done(target / stage, **notes)
    if fold is None:
        return
    if (tokenizer := context.place("tokenizer", fold)).is_dir():
        public_tokenizer(tokenizer, target / "tokenizer", context.prepared.study, seen)

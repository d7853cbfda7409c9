"""One case -> class probabilities: python -m prima_jax.predict --run=DIR --image=FILE --metadata='key=value,...'."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from prima_jax.errors import UserError, out_of_memory

__all__ = ["main", "predict"]


def main(arguments: list[str] | None = None) -> int:
    """Prints the probabilities; returns 0, or 2 for bad input, told in one sentence."""
    parser = argparse.ArgumentParser(prog="python -m prima_jax.predict", description=__doc__)
    parser.add_argument("--run", required=True, type=Path, help="the --workdir of a finished experiment")
    parser.add_argument(
        "--image", required=True, action="append", help="FILE, or VIEW:FILE where the study has several views; repeatable"
    )
    parser.add_argument("--metadata", default="", help="FILE.json with an object, or 'key=value,key=value'")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    options = parser.parse_args(arguments)
    try:
        try:
            outcome = predict(options.run, options.image, read_metadata(options.metadata))
        except RuntimeError as error:  # XLA's own among them
            advice = "end what else uses the device, or set JAX_PLATFORMS=cpu in the environment"
            raise out_of_memory(error, advice) from error
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(outcome, indent=1) if options.json else as_text(outcome))
    return 0


def predict(run: Path, images: list[str], metadata: dict[str, str]) -> dict[str, Any]:
    """The mean, over the models of all folds, of the class probabilities of one case.

    `images` are paths, or "view:path"; `metadata` maps attribute names, or the file's column names, to raw values.
    Returns {"study", "synthetic", "models", "predicted", "probabilities": {class: probability}}.
    """
    from prima_jax.quiet import quiet

    quiet()
    import jax

    from prima_jax.data.prepare import Prepared
    from prima_jax.experiment.job import Job
    from prima_jax.experiment.rows import PRIMA, row_config
    from prima_jax.stages.backbones import Backbones
    from prima_jax.stages.context import Context, Fold
    from prima_jax.stages.stage import read_done
    from prima_jax.studies.manifest import is_drawn
    from prima_jax.studies.study_config import load_study
    from prima_jax.training.parallel import Parallel
    from prima_jax.workdir import load_config

    config = load_config(run)
    if "table" not in config or "baselines" not in config:
        raise UserError(
            f"{run} was made by an earlier version of this package, whose models this one does not read: predict with that "
            "version, or run the recipe again in another --workdir."
        )
    study = load_study(config)
    record = case_record(study, metadata)
    photographs = [read_photograph(study, image, config.data.size) for image in images]
    one_device = Parallel(config.parallel, jax.local_devices()[:1])  # a case is too little to share
    job = Job(PRIMA, config.table.seeds[0])
    config = row_config(config, job.row, job.seed)
    data, shared = Path(config.data.dir), run / "shared"
    context = Context(config, Prepared(study, (), ()), data, run, one_device, Backbones(config), shared=shared)
    folders = [job.folder(run, k) for k in range(config.folds)]
    finished = [k for k, folder in enumerate(folders) if read_done(folder)]
    if not finished:
        raise UserError(f"No fold of PRIMA in {run} is finished: run python -m prima_jax.main with --workdir={run} to its end.")
    nobody = np.zeros(0, int)
    probabilities = [fold_probabilities(context, Fold(k, nobody, nobody, folders[k]), record, photographs) for k in finished]
    mean = np.mean(probabilities, axis=0)
    names = study.class_names
    return {
        "study": study.name,
        "synthetic": bool(config.study.synthetic.units) or is_drawn(Path(config.data.dir)),
        "models": len(finished),
        "predicted": names[int(mean.argmax())],
        "probabilities": {name: round(float(p), 6) for name, p in zip(names, mean, strict=True)},
    }


def fold_probabilities(context: Any, fold: Any, record: Any, photographs: list[tuple[str, np.ndarray]]) -> np.ndarray:
    """One fold's model on one case: [C]."""
    from prima_jax.data.images import center_view, random_view
    from prima_jax.data.text import sentence
    from prima_jax.stages import diagnose, features
    from prima_jax.stages.cases import Case, case_views
    from prima_jax.stages.pipeline import load_encoders, make_tokenizers

    tokenizers = make_tokenizers(context, fold)
    encoders = load_encoders(context, fold)
    size = context.config.image.size
    seen = [[center_view(image, size) for _, image in photographs]]
    for view in range(1, context.config.features.test_views):
        generators = [np.random.default_rng([context.seed("frozen blocks") + view, i]) for i in range(len(photographs))]
        pairs = zip(photographs, generators, strict=True)
        seen.append([random_view(image, size, generator, context.augmentation) for (_, image), generator in pairs])
    images = np.stack([features.encode_images(context, encoders.image, np.stack(pixels)) for pixels in seen], axis=1)
    texts = features.text_tokens(context, encoders.text, tokenizers.text, [[sentence(context.prepared.study, record.fields)]])
    views = list(context.prepared.study.views) if len(case_views(context)) > 1 else [""]
    slots = tuple(tuple(i for i, (view, _) in enumerate(photographs) if view == slot or len(views) == 1) for slot in views)
    model = diagnose.load(context, fold, tokenizers.llm)
    return diagnose.predict(context, model, [Case("case", "case", "case", 0, 0, slots)], images, texts)[0]


def case_record(study: Any, metadata: dict[str, str]) -> Any:
    """The case as a record without a label. Raises UserError for a key or value that the study does not know."""
    from prima_jax.studies.manifest import parse_fields
    from prima_jax.studies.study import Record

    names = {a.column: a.name for a in study.attributes} | {a.name: a.name for a in study.attributes}
    shown = {a.name for a in study.shown()}
    for key in metadata:
        if names.get(key) not in shown:
            raise UserError(
                f"--metadata: {study.name} has no attribute {key!r} to show a model; known: {', '.join(sorted(shown))}."
            )
    fields = parse_fields(study, {names[k]: v for k, v in metadata.items()}, "--metadata")
    return Record("case", "", "case", "case", 0, "", fields)


def read_metadata(text: str) -> dict[str, str]:
    """Raw values by key, from a JSON file or from 'key=value,...'."""
    if not text:
        return {}
    if text.endswith(".json"):
        try:
            values = json.loads(Path(text).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:  # ValueError: no JSON, or no UTF-8
            raise UserError(f"--metadata: cannot read {text} as JSON ({error}).") from error
        if not isinstance(values, dict):
            raise UserError(f"--metadata: {text} should hold one object of keys and values, not {type(values).__name__}.")
        return {str(key): "" if value is None else str(value) for key, value in values.items()}
    pairs = [item.partition("=") for item in text.split(",")]
    wrong = next((key for key, equals, _ in pairs if not equals), None)
    if wrong is not None:
        raise UserError(f"--metadata: expected key=value, found {wrong!r}; write for example age=64,itch=yes.")
    values = {key.strip(): value.strip() for key, _, value in pairs}
    if len(values) < len(pairs):
        raise UserError(f"--metadata: a key is given twice in {text!r}; give each once.")
    return values


def read_photograph(study: Any, argument: str, size: int) -> tuple[str, np.ndarray]:
    """(view, pixels) of --image, through the same resampling as in training."""
    from prima_jax.data.builder import resample
    from prima_jax.data.images import decode

    view, colon, path = argument.partition(":")
    if not colon or view not in study.views:
        view, path = "", argument
    if len(study.views) > 1 and not view:
        raise UserError(f"--image={argument}: say which view it is, as VIEW:FILE with one of {', '.join(study.views)}.")
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"--image: cannot read {path} ({os.strerror(error.errno or 0)}).") from error
    return view, decode(resample(data, size, path), path)


def as_text(outcome: dict[str, Any]) -> str:
    """The probabilities, most likely first."""
    title = f"{outcome['study']}{' (SYNTHETIC)' if outcome['synthetic'] else ''}, mean of {outcome['models']} models"
    ranked = sorted(outcome["probabilities"].items(), key=lambda item: -item[1])
    return "\n".join([title, *(f"{name:>12}  {100 * p:5.1f} %" for name, p in ranked)])


if __name__ == "__main__":
    sys.exit(main())

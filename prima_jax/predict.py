"""One case -> class probabilities: prima predict --run=DIR --image=FILE --metadata='key=value,...'."""

import argparse
import json
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from prima_jax.errors import UserError, device_error, name_too_long
from prima_jax.json_text import read_object
from prima_jax.runtime import end_when_told

__all__ = ["main", "predict"]

_EXAMPLE = "prima predict --run=runs/demo --image=white:eye.png --metadata='age=83,contact_lens=no'"


def main(arguments: list[str] | None = None) -> int:
    """Prints the probabilities; returns 0, or 2 for bad input, told in one sentence."""
    end_when_told()
    parser = argparse.ArgumentParser(prog="prima predict", description=__doc__, epilog=f"For example: {_EXAMPLE}")
    parser.add_argument("--run", required=True, type=Path, help="the --workdir of a finished experiment")
    parser.add_argument(
        "--image", required=True, action="append", help="FILE, or VIEW:FILE where the study has several views; repeatable"
    )
    parser.add_argument(
        "--metadata", default=[], action="append", help="FILE.json with an object, or 'key=value,key=value'; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    options = parser.parse_args(arguments)
    try:
        try:
            outcome = predict(options.run, options.image, read_metadata(*options.metadata))
        except (RuntimeError, AssertionError) as error:  # XLA's own among them
            advice = "end what else uses the device, or set JAX_PLATFORMS=cpu in the environment"
            raise device_error(error, advice) from error
        except OSError as error:
            raise name_too_long(error) from error
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(outcome, indent=1) if options.json else as_text(outcome))
    return 0


def predict(run: Path, images: list[str], metadata: dict[str, str]) -> dict[str, Any]:
    """The mean, over the models of all folds, of the class probabilities of one case.

    `images` are paths, or "view:path"; `metadata` maps attribute names, or the file's column names, to raw values.
    Returns {"study", "synthetic", "models", "predicted", "probabilities": {class: probability}, "never_seen": names of
    fields with a value that no training record had, None where the run did not note them}.
    """
    from prima_jax.runtime import setup_process

    setup_process()
    from prima_jax.api import NeverSeen, NewCase, load

    model = load(run)
    names = model.study.class_names
    case = NewCase([_view_and_file(image, tuple(model.study.image_types)) for image in images], metadata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NeverSeen)  # the answer says it
        mean = model.predict([case])[0]
    return {
        "study": model.study.name,
        "synthetic": model.synthetic,
        "models": len(model.folds),
        "predicted": names[int(mean.argmax())],
        "probabilities": {name: round(float(p), 6) for name, p in zip(names, mean, strict=True)},
        "never_seen": model.never_seen(case),
    }


def read_metadata(*texts: str) -> dict[str, str]:
    """Returns raw values by key, from JSON files and from 'key=value,...'. Raises UserError, also for a key given twice."""
    pairs = [pair for text in texts if text for pair in (_read_file if text.endswith(".json") else _read_text)(text)]
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise UserError(f"--metadata: {twice} is given twice; give each key once.")
    return values


def as_text(outcome: dict[str, Any]) -> str:
    """The probabilities, most likely first, and what of the case was never seen in training."""
    title = f"{outcome['study']}{' (SYNTHETIC)' if outcome['synthetic'] else ''}, mean of {outcome['models']} models"
    ranked = sorted(outcome["probabilities"].items(), key=lambda item: -item[1])
    unseen, said = outcome["never_seen"], []
    if unseen:
        said = [f"NEVER SEEN IN TRAINING: the values of {', '.join(unseen)}; what they do to this answer was not learnt."]
    if unseen is None:
        said = ["This run did not note what it was trained on: values that it never saw are not told."]
    return "\n".join([title, *(f"{name:>12}  {100 * p:5.1f} %" for name, p in ranked), *said])


def _read_file(file: str) -> list[tuple[str, str]]:
    try:
        values = read_object(Path(file), "give one object of keys and values.", once=True)
    except UserError as error:
        raise UserError(f"--metadata: {error}") from error
    return [(key, "" if value is None else str(value)) for key, value in values.items()]


def _read_text(text: str) -> list[tuple[str, str]]:
    try:
        text.encode()
    except UnicodeEncodeError as error:  # how Python passes on bytes that it cannot decode
        raise UserError("--metadata: it is not in UTF-8; write it so, or give it as a file, --metadata=FILE.json.") from error
    pairs = [item.partition("=") for item in text.split(",")]
    wrong = next((number for number, (_, equals, _) in enumerate(pairs, start=1) if not equals), None)
    if wrong is not None:
        raise UserError(f"--metadata: expected key=value as part {wrong}, found no '='; write for example age=64,itch=yes.")
    return [(key.strip(), value.strip()) for key, _, value in pairs]


def _view_and_file(argument: str, views: tuple[str, ...]) -> tuple[str, str]:
    """("view", "file") of VIEW:FILE, ("", argument) of anything else."""
    view, colon, file = argument.partition(":")
    return (view, file) if colon and view in views else ("", argument)


if __name__ == "__main__":
    sys.exit(main())

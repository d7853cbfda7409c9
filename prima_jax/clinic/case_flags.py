"""The flags that give one case: its photographs and what is known of it."""

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prima_jax.errors import UserError
from prima_jax.json_text import read_object

if TYPE_CHECKING:
    from prima_jax.clinic.cases import NewCase
    from prima_jax.studies.study import Study

__all__ = ["add_case", "one_case", "read_metadata"]


def add_case(parser: argparse.ArgumentParser) -> None:
    """Adds --model, --image and --metadata."""
    parser.add_argument("--model", "--run", required=True, type=Path, help="a bundle, or the --workdir of a finished experiment")
    parser.add_argument(
        "--image", default=[], action="append", help="FILE, or VIEW:FILE where the study has several views; repeatable"
    )
    parser.add_argument(
        "--metadata", default=[], action="append", help="FILE.json with an object, or 'key=value,key=value'; repeatable"
    )


def one_case(study: "Study", images: list[str], metadata: list[str]) -> "NewCase":
    """The case that these flags give. Raises UserError for metadata that cannot be read."""
    from prima_jax.clinic.cases import NewCase

    return NewCase([_view_and_file(image, tuple(study.image_types)) for image in images], read_metadata(*metadata))


def read_metadata(*texts: str) -> dict[str, Any]:
    """Returns values by key, from JSON files and from 'key=value,...'. Raises UserError, also for a key given twice."""
    pairs = [pair for text in texts if text for pair in (_read_file if text.endswith(".json") else _read_text)(text)]
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise UserError(f"--metadata: {twice} is given twice; give each key once.")
    return values


def _read_file(file: str) -> list[tuple[str, Any]]:
    try:
        return list(read_object(Path(file), "give one object of keys and values.", once=True).items())
    except UserError as error:
        raise UserError(f"--metadata: {error}") from error


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

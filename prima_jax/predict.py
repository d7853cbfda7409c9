"""New cases -> class probabilities, by a finished run or a bundle.

prima predict --model=runs/demo --image=white:eye.png --metadata='age=83,contact_lens=no'
prima predict --model=demo-model --cases=cases.csv --images=photographs --out=answers.csv
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from prima_jax.clinic.commands import told
from prima_jax.errors import UserError
from prima_jax.json_text import read_object

if TYPE_CHECKING:
    from prima_jax.clinic.answers import Answers

__all__ = ["main", "predict", "read_metadata"]


def main(arguments: list[str] | None = None) -> int:
    """Prints the answer, or writes one for each case of a file; returns 0, or 2 for bad input, told in one sentence."""
    parser = argparse.ArgumentParser(
        prog="prima predict",
        description=(__doc__ or "").splitlines()[0],
        epilog=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", "--run", required=True, type=Path, help="a bundle, or the --workdir of a finished experiment")
    parser.add_argument(
        "--image", default=[], action="append", help="FILE, or VIEW:FILE where the study has several views; repeatable"
    )
    parser.add_argument(
        "--metadata", default=[], action="append", help="FILE.json with an object, or 'key=value,key=value'; repeatable"
    )
    parser.add_argument("--cases", type=Path, help="a CSV file like the study's own, a row for each photograph")
    parser.add_argument("--images", type=Path, default=Path(), help="the folder of the photographs that --cases names")
    parser.add_argument("--out", type=Path, help="where to write the answers, .csv or .json; without it they are printed")
    parser.add_argument("--error-rate", type=float, default=0.1, help="of the prediction sets, 0.1 if not given")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    options = parser.parse_args(arguments)
    return told(lambda: _command(options))


def predict(model: Path, images: list[str], metadata: dict[str, str], error_rate: float = 0.1) -> "Answers":
    """The answer for one case: `images` are paths, or "view:path"; `metadata` attribute or column -> raw value."""
    from prima_jax.clinic.cases import NewCase
    from prima_jax.clinic.model import load

    loaded = load(model)
    case = NewCase([_view_and_file(image, tuple(loaded.study.image_types)) for image in images], metadata)
    return loaded.predict([case], error_rate=error_rate)


def read_metadata(*texts: str) -> dict[str, str]:
    """Returns raw values by key, from JSON files and from 'key=value,...'. Raises UserError, also for a key given twice."""
    pairs = [pair for text in texts if text for pair in (_read_file if text.endswith(".json") else _read_text)(text)]
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise UserError(f"--metadata: {twice} is given twice; give each key once.")
    return values


def _command(options: argparse.Namespace) -> None:
    if bool(options.cases) == bool(options.image):
        raise UserError("Give either --image, for one case, or --cases, a CSV file with many.")
    if options.out and options.out.suffix not in (".csv", ".json"):
        raise UserError(f"--out={options.out}: expected a name that ends in .csv or .json.")
    if options.cases and options.metadata:
        raise UserError("--metadata is for one case: with --cases what is known stands in the file.")
    answers = (
        _many(options)
        if options.cases
        else predict(options.model, options.image, read_metadata(*options.metadata), options.error_rate)
    )
    if options.out:
        _write(options.out, answers)
        print(f"{options.out}: {len(answers):,} cases.", file=sys.stderr)
    else:
        print(json.dumps(answers.as_json(), indent=1, ensure_ascii=False) if options.json else answers.as_text())


def _many(options: argparse.Namespace) -> "Answers":
    from prima_jax.clinic.model import load

    return load(options.model).predict(options.cases, images=options.images, error_rate=options.error_rate)


def _write(out: Path, answers: "Answers") -> None:
    from prima_jax.files import write_whole
    from prima_jax.report.table import csv_bytes

    as_csv = out.suffix == ".csv"
    write_whole(out, csv_bytes(answers.as_rows()) if as_csv else json.dumps(answers.as_json(), indent=1).encode())


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

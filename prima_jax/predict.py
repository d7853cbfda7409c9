"""New cases -> class probabilities, by a finished run or a bundle."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from prima_jax.clinic.case_flags import add_case, one_case
from prima_jax.clinic.commands import told
from prima_jax.errors import UserError

if TYPE_CHECKING:
    from prima_jax.clinic.answers import Answers

__all__ = ["main"]

_EXAMPLE = (
    "prima predict --model=runs/demo --image=white:eye.png --metadata='age=83,contact_lens=no', or "
    "prima predict --model=demo-model --cases=cases.csv --images=photographs --out=answers.csv"
)


def main(arguments: list[str] | None = None) -> int:
    """Prints the answer, or writes one for each case of a file; returns 0, or 2 for bad input, told in one sentence."""
    parser = argparse.ArgumentParser(
        prog="prima predict",
        description=(__doc__ or "").splitlines()[0],
        epilog=f"For example: {_EXAMPLE}",
    )
    add_case(parser)
    parser.add_argument("--cases", type=Path, help="a CSV file like the study's own, a row for each photograph")
    parser.add_argument("--images", type=Path, default=Path(), help="the folder of the photographs that --cases names")
    parser.add_argument("--out", type=Path, help="where to write the answers, .csv or .json; without it they are printed")
    parser.add_argument(
        "--error-rate", type=float, help="of the prediction sets; by default 0.1, or the least that can be promised"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    options = parser.parse_args(arguments)
    return told(lambda: _command(options))


def _command(options: argparse.Namespace) -> None:
    if bool(options.cases) == bool(options.image):
        raise UserError("Give either --image, for one case, or --cases, a CSV file with many.")
    if options.out and options.out.suffix not in (".csv", ".json"):
        raise UserError(f"--out={options.out}: expected a name that ends in .csv or .json.")
    if options.cases and options.metadata:
        raise UserError("--metadata is for one case: with --cases what is known stands in the file.")
    from prima_jax.clinic.answers import Unanswered
    from prima_jax.clinic.model import load
    from prima_jax.files import check_writable

    if options.out:
        check_writable(options.out)
    model = load(options.model)
    asked = options.cases or [one_case(model.study, options.image, options.metadata)]
    try:
        _tell(options, model.predict(asked, images=options.images, error_rate=options.error_rate))
    except Unanswered as error:
        _tell(options, error.answers)
        raise


def _tell(options: argparse.Namespace, answers: "Answers") -> None:
    if options.out:
        _write(options.out, answers)
        print(f"{options.out}: {len(answers):,} cases.", file=sys.stderr)
    else:
        print(json.dumps(answers.as_json(), indent=1, ensure_ascii=False) if options.json else answers.as_text())


def _write(out: Path, answers: "Answers") -> None:
    from prima_jax.files import write_whole
    from prima_jax.report.table import csv_bytes

    as_csv = out.suffix == ".csv"
    write_whole(out, csv_bytes(answers.as_rows()) if as_csv else json.dumps(answers.as_json(), indent=1).encode())


if __name__ == "__main__":
    sys.exit(main())

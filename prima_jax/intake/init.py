"""prima init: looks at a cohort's CSV files and writes a config for it, for a person to correct."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from prima_jax.errors import UserError
from prima_jax.intake.attributes import Guessed, guess_attributes
from prima_jax.intake.guess import Guesses, guess
from prima_jax.problems import Problems
from prima_jax.studies.table import DELIMITERS, Table, read_table

__all__ = ["main"]

_HEAD = '''"""PRIMA on the cohort in {folder}. Written by prima init from {rows} rows: correct what is guessed.

The keys: docs/your_own_cohort.md. Models may see every attribute: take out what is known only with the diagnosis or after it.
"""

from ml_collections import ConfigDict

from configs.common import paper_recipe
from configs.light import light
from configs.pad_ufes_20 import small
from configs.tables import split_preset, with_table

STUDY = {{
    'name': {name!r},
    'title': {name!r},  # for reports
'''
_TAIL = '''

def get_config(preset: str = "") -> ConfigDict:
    """The paper's recipe on this cohort, or with a preset, `light` or `small`, on smaller models; `table1`, ...: a table."""
    table, size = split_preset(preset)
    config = paper_recipe(STUDY, group="subject", folder={folder!r})
    config.shrink_batches = True  # where the cohort is smaller than a batch
    if size not in ("", "light", "small") or table == 2:
        raise ValueError(f"{{__file__}} has no preset {{preset!r}}: it has light, small, table1, 3, 4, 5, two as table1,small")
    if size == "light":
        return light(config, table or -1, subgroups=())
    return with_table(small(config) if size else config, table, weights=not size, subgroups=())
'''


def main(arguments: list[str]) -> int:
    """Writes the config and tells the next command; returns 0, or 2 for bad input, told in one sentence."""
    parser = argparse.ArgumentParser(
        prog="prima init",
        description="CSV files of a cohort -> a config with a guess of what each column means, to be corrected.",
        epilog="For example: prima init data/my_cohort/cases.csv --out=configs/my_study.py",
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE.csv", help="the cases; and a second file that belongs to them"
    )
    parser.add_argument("--out", required=True, type=Path, help="the config to write, which is not there yet")
    parser.add_argument("--encoding", default="", help="of the files, where it is neither UTF-8 nor marked: cp1252, gb18030, ...")
    parser.add_argument("--delimiter", default="", choices=["", *DELIMITERS], help="between columns, where it cannot be told")
    options = parser.parse_args(arguments)
    try:
        _init(options.files, options.out, options.delimiter, options.encoding)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _init(files: Sequence[Path], out: Path, delimiter: str, encoding: str) -> None:
    if out.exists():
        raise UserError(f"{out} is there already: give another --out, or delete it.")
    if len(files) > 2 or len({file.parent for file in files}) > 1:
        raise UserError(f"One file, or two of one folder, make a study, not {len(files)}: join the others to them first.")
    problems = Problems()
    tables = [read_table(file, problems, delimiter=delimiter, encoding=encoding) for file in files]
    problems.raise_first()
    if not all(table.rows for table in tables):
        raise UserError(f"{files[0]} has a header but no rows, or another file has.")
    found = guess(tables[0], tables[1] if len(tables) > 1 else None)
    attributes, left_out = guess_attributes(found)
    if encoding:
        found.say("encoding", encoding, "by whoever gave --encoding")
    if delimiter:
        found.say("delimiter", delimiter, "by whoever gave --delimiter")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(config_text(tables[0], found, attributes, left_out), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}); choose another --out.") from error
    print(f"{out}: correct what is guessed, then: prima check --config={out}:small")


def config_text(table: Table, found: Guesses, attributes: Sequence[Guessed], left_out: Sequence[str]) -> str:
    """Returns a Python file with the study and a get_config."""
    folder = table.path.parent.as_posix()
    name = re.sub(r"[^a-z0-9]+", "_", table.path.absolute().parent.name.lower()).strip("_") or "my_study"
    lines = [_HEAD.format(folder=folder, rows=len(table.rows), name=name)]
    for key, value in found.keys.items():
        lines.append(f"    {key!r}: {value!r},  # guessed: {found.reasons[key]}\n")
    lines.append("    'attributes': (\n")
    for attribute in attributes:
        lines.append(f"        # guessed: {attribute.reason}\n        {attribute.keys!r},\n")
    lines.append("    ),\n}\n")
    if left_out:
        lines.append(f"# guessed: left out, for one value, too many, or the number of a row: {', '.join(map(repr, left_out))}\n")
    return "".join(lines) + _TAIL.format(folder=folder)

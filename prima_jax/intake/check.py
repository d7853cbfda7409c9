"""prima check: reads a config and its data as prima run would, trains nothing, and lists everything that is wrong at once."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ml_collections import ConfigDict

from prima_jax.errors import UserError
from prima_jax.main import command
from prima_jax.problems import Problems
from prima_jax.runtime import leave_device_memory
from prima_jax.studies.manifest import LoadedStudy, gather
from prima_jax.studies.study import Record, Study

if TYPE_CHECKING:  # after the flags: a wrong one should not wait for JAX
    from prima_jax.stages.cases import Case

__all__ = ["check", "main"]

_LISTED = 20
"""How many problems of one kind are listed; the others are counted."""
_FEWEST_SUBJECTS = 20
_EXAMPLE = "--config=configs/my_cohort.py --config.data.dir=PATH"


def main(arguments: list[str]) -> int:
    """Prints counts, or all problems; returns the exit code: 0, 2 where something has to be mended."""
    with TemporaryDirectory() as folder:
        return command(["prima check", *arguments], check, program="prima check", example=_EXAMPLE, workdir=folder)


def check(config: ConfigDict, workdir: Path) -> str:
    """Returns the study's counts; what is odd but no error goes to stderr. Raises UserError with the list of all problems."""
    from prima_jax.experiment.opening import report_reading
    from prima_jax.recipe.check import recipe_problems

    leave_device_memory()
    problems = recipe_problems(config)
    reading = _read(config, workdir, problems)
    text = _counts(config, workdir, reading, problems) if reading and reading.records else ""
    if reading:
        report_reading(reading)
    if problems:
        raise UserError(_listed(problems))
    return text


def _read(config: ConfigDict, workdir: Path, problems: Problems) -> LoadedStudy | None:
    """Returns the study as far as it can be read; None where it cannot be at all."""
    from prima_jax.experiment.opening import prepared_folder, study_and_folder, torn_units

    found = problems.attempt("study", study_and_folder, config, workdir)
    rows = problems.attempt("data", gather, *found, problems) if found else None
    if rows is None:
        return None
    reading = rows.compared(problems, prepared_folder(config, workdir))
    for sentence in () if config.data.allow_contradictions else torn_units(reading):
        problems.add("units", sentence)
    return reading


def _counts(config: ConfigDict, workdir: Path, reading: LoadedStudy, problems: Problems) -> str:
    """Returns the study's counts in words; adds what the folds and rows cannot be made of to the problems."""
    from prima_jax.data.splits import fold_problems
    from prima_jax.experiment.batches import with_batches_that_fit
    from prima_jax.experiment.opening import open_records
    from prima_jax.experiment.rows import PRIMA, row_config, table_rows
    from prima_jax.experiment.run import absent_classes, row_problems
    from prima_jax.experiment.statistics import groups_of_cases
    from prima_jax.report.captions import said_of_absent_classes
    from prima_jax.stages.cases import all_cases

    names = reading.study.class_names
    group, folds = config.split.group, config.folds
    for sentence in fold_problems(reading.records, folds=folds, group=group, identical=reading.identical, class_names=names):
        problems.add("folds", sentence)
    if any(problem.kind in ("folds", "recipe") for problem in problems):
        return ""
    config = problems.attempt("corpus", with_batches_that_fit, config, workdir, reading) or config
    seeds = tuple(config.table.seeds)
    runs = {seed: open_records(row_config(config, PRIMA, seed), workdir, reading) for seed in seeds}
    told = {"folds": config.folds, "seeds": seeds, "folds_without_class": absent_classes(runs)}
    for sentence in said_of_absent_classes(told):
        print(sentence, file=sys.stderr)
    known = {str(problem.error) for problem in problems}
    no_llm = any(problem.kind == "models.llm" for problem in problems)
    for seed, opened in runs.items():
        for row in table_rows(config):
            context = replace(opened.context, config=row_config(config, row, seed))
            for problem in row_problems(context, opened.folds, row):
                unread = problem.kind == "classes" and no_llm  # its tokenizer is not there either
                if str(problem.error) not in known and not unread:  # rows have most settings in common
                    known.add(str(problem.error))
                    problems.append(problem)
    context = runs[seeds[0]].context
    cases = all_cases(context)
    problems.attempt("table", groups_of_cases, context, cases, tuple(config.table.subgroups))
    return _said(reading.study, context.prepared.records, cases, config.folds)


def _said(study: Study, records: Sequence[Record], cases: Sequence["Case"], folds: int) -> str:
    """Returns counts of photographs, units, subjects, classes and missing values, a line each."""
    from prima_jax.experiment.cohort import missing_shares

    lines = [f"{study.title}: {_sizes(records)}, in {folds} folds."]
    for label, name in enumerate(study.class_names):
        own = [record for record in records if record.label == label]
        few = len({record.subject for record in own}) < _FEWEST_SUBJECTS
        lines.append(f"  {name}: {_sizes(own)}" + ("; so few that its figures will be unsteady" if few else ""))
    lines.append("Missing values, of the cases:")
    lines += [f"  {name}: {shares['all']:.0%}" for name, shares in missing_shares(study, records, cases).items()]
    return "\n".join([*lines, "Nothing is wrong: prima run takes the same --config, and a --workdir."])


def _sizes(records: Sequence[Record]) -> str:
    """Returns how many photographs, units and subjects, in words."""
    units, subjects = {record.unit for record in records}, {record.subject for record in records}
    return f"{len(records)} photographs, {len(units)} units, {len(subjects)} subjects"


def _listed(problems: Problems) -> str:
    """Returns all problems under a heading for each kind, at most _LISTED of each."""
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(str(problem.error))
    lines = [f"{len(problems)} problem{'s' * (len(problems) > 1)} to mend."]
    for kind, sentences in kinds.items():
        lines += ["", f"{kind} ({len(sentences)})", *(f"  {sentence}" for sentence in sentences[:_LISTED])]
        lines += [f"  and {len(sentences) - _LISTED} more"] if len(sentences) > _LISTED else []
    return "\n".join(lines)

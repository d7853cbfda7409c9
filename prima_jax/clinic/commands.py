"""The commands of a clinic: what their flags are, and how their errors are told."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from prima_jax.clinic.case_flags import add_case, one_case
from prima_jax.errors import UserError, device_error, name_too_long
from prima_jax.files import check_writable
from prima_jax.runtime import end_when_told, setup_process

__all__ = ["evaluate", "explain", "export", "told"]


def export(arguments: list[str]) -> int:
    """Writes a bundle; returns 0, or 2 for bad input, told in one sentence."""
    parser = argparse.ArgumentParser(
        prog="prima export",
        description="A finished run -> a folder to hand over, which needs neither the run nor its data.",
        epilog="For example: prima export --run=runs/demo --out=demo-model",
    )
    parser.add_argument("--run", required=True, type=Path, help="the --workdir of a finished experiment")
    parser.add_argument("--out", required=True, type=Path, help="the folder to write, which is not there yet")
    parser.add_argument(
        "--without-weights",
        action="store_true",
        help="leave published weights out, where their licence asks for it; who receives the folder is told which to put there",
    )
    options = parser.parse_args(arguments)

    def command() -> None:
        from prima_jax.clinic.export import export

        export(options.run, options.out, with_weights=not options.without_weights)
        size = sum(file.stat().st_size for file in options.out.rglob("*") if file.is_file()) / 2**20
        print(f"{options.out}, {size:,.1f} MiB: read its README.md, then prima predict --model={options.out}.")

    return told(command)


def explain(arguments: list[str]) -> int:
    """Explains the answer for one case; returns 0, or 2 for bad input, told in one sentence."""
    parser = argparse.ArgumentParser(
        prog="prima explain",
        description="What each attribute and photograph of a case adds to its answer, and which parts of a photograph matter.",
        epilog="For example: prima explain --model=runs/demo --image=white:eye.png --metadata=age=83 --out=explanation",
    )
    add_case(parser)
    parser.add_argument("--diagnosis", default="", help="whose probability is explained; without it the most probable one's")
    parser.add_argument("--out", type=Path, help="a folder for explanation.json and the pictures")
    options = parser.parse_args(arguments)

    def command() -> None:
        from prima_jax.clinic.explain import explain
        from prima_jax.clinic.explanation_files import as_text, write_explanation
        from prima_jax.clinic.model import load

        if options.out:
            check_writable(options.out / "explanation.json")
        model = load(options.model)
        found = explain(model, one_case(model.study, options.image, options.metadata), explained=options.diagnosis)
        print(as_text(found))
        if options.out:
            write_explanation(found, options.out, synthetic=model.synthetic)

    return told(command)


def evaluate(arguments: list[str]) -> int:
    """Scores a model on another cohort; returns 0, or 2 for bad input, told in one sentence."""
    parser = argparse.ArgumentParser(
        prog="prima evaluate",
        description="What a model is worth on another cohort, whose diagnoses are known.",
        epilog="For example: prima evaluate --model=demo-model --data=data/aqua --config=configs/aqua.py --out=evaluation",
    )
    parser.add_argument("--model", required=True, type=Path, help="a bundle, or the --workdir of a finished experiment")
    parser.add_argument("--data", required=True, type=Path, help="the cohort's folder, with its CSV file and photographs")
    parser.add_argument("--config", help="FILE[:PRESET] with the cohort's study, if its columns are not those of the model's own")
    parser.add_argument("--subgroups", default="", help="attributes whose groups are scored apart, by name, with commas between")
    parser.add_argument("--out", required=True, type=Path, help="a folder for report.html, evaluation.json and predictions.csv")
    options = parser.parse_args(arguments)

    def command() -> None:
        from prima_jax.clinic.evaluate import evaluate
        from prima_jax.clinic.evaluation_page import as_text, write_evaluation
        from prima_jax.clinic.model import load
        from prima_jax.main import load_recipe
        from prima_jax.studies.manifest import read
        from prima_jax.studies.study_config import load_study

        if not options.data.is_dir():
            raise UserError(f"--data={options.data} is no folder: give the one with the cohort's CSV file and photographs.")
        check_writable(options.out / "evaluation.json")
        model = load(options.model)
        study = load_study(load_recipe(options.config)) if options.config else model.study
        names = tuple(name.strip() for name in options.subgroups.split(",") if name.strip())
        results, lines = evaluate(model, read(study, options.data), names)
        write_evaluation(options.out, results, lines)
        print(as_text(results))

    return told(command)


def told(command: Callable[[], None]) -> int:
    """Runs a command; returns 0, 2 for bad input, told in one sentence, or 130 if it was interrupted."""
    end_when_told()
    setup_process()
    try:
        try:
            command()
        except (RuntimeError, AssertionError) as error:  # XLA's own among them
            advice = "end what else uses the device, or set JAX_PLATFORMS=cpu in the environment"
            raise device_error(error, advice) from error
        except OSError as error:
            raise name_too_long(error) from error
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    return 0

"""The command line: prima corpus --config=configs/corpus.py[:preset] --folder=DIR STEP [--config.any.field=value].

Steps, in their order: search, retrieve, synthesise, check, review, publish, learn. Each can be stopped and goes on.
"""

import argparse
import getpass
import importlib
import sys
from pathlib import Path

from ml_collections import ConfigDict

from prima_jax.corpus.folder import CorpusFolder
from prima_jax.errors import UserError, device_error, name_too_long
from prima_jax.main import load_recipe, override
from prima_jax.runtime import end_when_told, setup_process
from prima_jax.studies.study_config import load_study
from prima_jax.workdir import locked_folder

__all__ = ["main"]

STEPS = {
    "search": "finds articles in PubMed or in a folder: articles.sqlite",
    "retrieve": "finds passages for each disease and attribute: passages.jsonl",
    "synthesise": "lets two families of language models write cited claims: drafts.jsonl",
    "check": "checks each claim against what it cites, and family against family: claims.jsonl",
    "review": "serves the page on which physicians decide: review.sqlite",
    "publish": "writes what was approved: corpus-<hash>.jsonl and its card",
    "learn": "trains the text encoder's adapters on the corpus and reports what was learned: learned/",
}
_WITH_JAX = ("retrieve", "learn")
"""The steps that import JAX: bm25s, by which passages are ranked, tries it out as soon as it is imported itself."""
_EXAMPLE = "prima corpus --config=configs/corpus.py:pad_ufes_20 --folder=runs/corpus search"


def main(arguments: list[str] | None = None) -> int:
    """Runs one step; returns 0, or 2 for bad input, told in one sentence."""
    end_when_told()
    try:
        try:
            options, overrides = _parse(sys.argv[1:] if arguments is None else arguments)
            config = override(load_recipe(options.config), overrides, options.config)
            setup_process(with_jax=options.step in _WITH_JAX)
            print(_run(options, config))
        except OSError as error:
            raise name_too_long(error) from error
        except (RuntimeError, AssertionError) as error:  # XLA's own among them
            raise device_error(error, "lower --config.knowledge.batch_size, or set JAX_PLATFORMS=cpu") from error
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        told = "install this package with its extra [corpus], or what requirements-corpus.txt lists"
        print(f"error: {error.name}, which this step needs, is not installed: {told}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="prima corpus", allow_abbrev=False, exit_on_error=False, epilog=f"For example: {_EXAMPLE}"
    )
    parser.add_argument("--config", metavar="FILE[:PRESET]", help="the settings, such as configs/corpus.py:aqua")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="the corpus folder, the same for all steps")
    steps = parser.add_subparsers(dest="step", metavar="STEP")
    for name, purpose in STEPS.items():
        steps.add_parser(name, help=purpose)
    reviewer = steps.add_parser("reviewer", help="adds a reviewer, or sets a new passphrase, which it asks for")
    reviewer.add_argument("name")
    reviewer.add_argument("--role", choices=("physician", "test"), default="physician", help="test: for trying the page out")
    reviewer.add_argument("--qualification", default="", help="for the card, without names: 'MD, dermatology, 12 years'")
    reviewer.add_argument("--conflicts", default="", help="for the card, conflicts of interest: 'none declared'")
    export = steps.add_parser("export", help="writes all claims with their state and decisions")
    export.add_argument("file", type=Path, help="a .csv or .jsonl file")
    try:
        options, overrides = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise UserError(f"{error.argument_name or 'arguments'}: {error.message}; for example: {_EXAMPLE}.") from error
    for name in ("config", "folder", "step"):  # argparse would end the process itself
        if not getattr(options, name):
            raise UserError(f"{'STEP' if name == 'step' else f'--{name}'} is missing: {_EXAMPLE}.")
    return options, overrides


def _run(options: argparse.Namespace, config: ConfigDict) -> str:
    folder = CorpusFolder(options.folder)
    if options.step == "reviewer":
        return _add_reviewer(options, folder)
    if options.step == "export":
        return _export(options, config, folder)
    if options.step == "review":  # locks nothing: the other steps may go on beside it
        from prima_jax.corpus.review import serve

        return serve.run(config, load_study(config), folder)
    with locked_folder(folder.path, "--folder"):
        room = {"synthesise": "write"}.get(options.step, options.step)
        step = importlib.import_module(f"prima_jax.corpus.{room}.{options.step}")
        return step.run(config, load_study(config), folder)


def _add_reviewer(options: argparse.Namespace, folder: CorpusFolder) -> str:
    from prima_jax.corpus.review import store

    folder.path.mkdir(parents=True, exist_ok=True)
    passphrase = getpass.getpass("Passphrase: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if sys.stdin.isatty() and getpass.getpass("Once more: ") != passphrase:
        raise UserError("The two passphrases differ; nothing was changed.")
    return store.add_reviewer(folder, options.name, passphrase, options.role, options.qualification, options.conflicts)


def _export(options: argparse.Namespace, config: ConfigDict, folder: CorpusFolder) -> str:
    from prima_jax.corpus.review import export

    with locked_folder(folder.path, "--folder"):
        return export.to_file(config, folder, options.file)


if __name__ == "__main__":
    sys.exit(main())

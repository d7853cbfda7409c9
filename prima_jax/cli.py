"""The command line of the installed package: prima COMMAND ..., each the same as `python -m` of a module."""

import os
import select
import sys
from collections.abc import Callable, Sequence

import prima_jax
from prima_jax.runtime import end_when_told

__all__ = ["COMMANDS", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Hands what follows the command to the module that the command stands for; returns its exit code.

    Returns 141 where what reads the output has gone, as `head` does, which is what a shell returns of such a command.
    """
    end_when_told()
    try:
        code = _dispatch(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()  # here rather than at exit, where nobody could catch what it raises
    except BrokenPipeError:
        if not _reader_has_gone():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # docs.python.org/3/library/signal.html#note-on-sigpipe
        return 141
    return code


def _reader_has_gone() -> bool:
    """Returns True if what reads this process's output has gone: a pipe to another process may have broken instead."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    return any(events & select.POLLERR for _, events in output.poll(0))


def _dispatch(arguments: Sequence[str]) -> int:
    command, *rest = arguments or ["--help"]
    if command in ("-h", "--help"):
        print(_help())
        return 0
    if command == "--version":
        print(prima_jax.__version__)
        return 0
    if command not in COMMANDS:
        print(
            f"error: prima has no command {command!r}: expected one of {', '.join(COMMANDS)}; see prima --help.", file=sys.stderr
        )
        return 2
    if os.getcwd() not in sys.path:  # as `python -m` does: a recipe in this folder imports the ones beside it
        sys.path.insert(0, os.getcwd())
    return COMMANDS[command](rest)


def init(arguments: list[str]) -> int:
    """writes a config for a cohort, guessed from its CSV files"""
    from prima_jax.intake.init import main

    return main(arguments)


def check(arguments: list[str]) -> int:
    """lists all that is wrong with a config and its data, and trains nothing"""
    from prima_jax.intake.check import main

    return main(arguments)


def run(arguments: list[str]) -> int:
    """trains and scores a recipe, or all rows of a table: python -m prima_jax.main"""
    from prima_jax.main import main

    return main(["prima run", *arguments])


def predict(arguments: list[str]) -> int:
    """class probabilities of new cases, by a finished run or a bundle: python -m prima_jax.predict"""
    from prima_jax.predict import main

    return main(arguments)


def export(arguments: list[str]) -> int:
    """a finished run as a folder to hand over, without its data"""
    from prima_jax.clinic.commands import export

    return export(arguments)


def explain(arguments: list[str]) -> int:
    """what each attribute and photograph adds to the answer for one case"""
    from prima_jax.clinic.commands import explain

    return explain(arguments)


def evaluate(arguments: list[str]) -> int:
    """what a model is worth on another cohort, whose diagnoses are known"""
    from prima_jax.clinic.commands import evaluate

    return evaluate(arguments)


def serve(arguments: list[str]) -> int:
    """the case page on this machine: type what is known, add photographs, read the answer"""
    from prima_jax.clinic.serve.command import serve

    return serve(arguments)


def compare(arguments: list[str]) -> int:
    """two runs of one table, side by side: python -m prima_jax.experiment.compare"""
    from prima_jax.runtime import setup_process

    setup_process(with_jax=False)  # before transformers is imported, which says that there is no torch
    from prima_jax.experiment.compare import main

    return main(["prima compare", *arguments])


def grounding(arguments: list[str]) -> int:
    """where the words of a visible sign look: python -m prima_jax.grounding"""
    from prima_jax.grounding.__main__ import main

    return main(["prima grounding", *arguments])


def robustness(arguments: list[str]) -> int:
    """what a finished run's rows are worth with metadata or photographs missing: python -m prima_jax.robustness"""
    from prima_jax.robustness.__main__ import main

    return main(["prima robustness", *arguments])


def corpus(arguments: list[str]) -> int:
    """makes the corpus of stage 1 from PubMed, step by step: python -m prima_jax.corpus"""
    from prima_jax.corpus.__main__ import main

    return main(arguments)


def weights(arguments: list[str]) -> int:
    """fetches published weights into weights/, by name: python -m prima_jax.download_weights"""
    from prima_jax.download_weights import main

    return main(arguments)


_FUNCTIONS = (init, check, run, predict, explain, export, evaluate, serve, compare, grounding, robustness, corpus, weights)
COMMANDS: dict[str, Callable[[list[str]], int]] = {function.__name__: function for function in _FUNCTIONS}


def _help() -> str:
    lines = [f"  {name:<11} {function.__doc__}" for name, function in COMMANDS.items()]
    return "\n".join(
        [
            "usage: prima COMMAND ...    prima COMMAND --help    prima --version",
            "",
            *lines,
            "",
            "For example: prima run --config=configs/aqua.py:demo --workdir=runs/demo",
        ]
    )

"""The command `prima`: what it hands over, and what it shows."""

import os
import re
import subprocess
import sys

import pytest

from prima_jax import cli
from prima_jax.corpus import __main__ as corpus

MAINS = {
    "run": "prima_jax.main.main",
    "predict": "prima_jax.predict.main",
    "explain": "prima_jax.clinic.commands.explain",
    "export": "prima_jax.clinic.commands.export",
    "evaluate": "prima_jax.clinic.commands.evaluate",
    "serve": "prima_jax.clinic.serve.command.serve",
    "compare": "prima_jax.experiment.compare.main",
    "grounding": "prima_jax.grounding.__main__.main",
    "corpus": "prima_jax.corpus.__main__.main",
    "weights": "prima_jax.download_weights.main",
}


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith(f"usage: prima {command} ")
    assert re.search(rf"For example: prima {command} (\w|--\w+=)", shown)
    assert "python -m" not in shown


@pytest.mark.parametrize("command", MAINS)
def test_arguments_reach_the_module_that_the_command_stands_for(command, monkeypatch):
    given = []
    monkeypatch.setattr(MAINS[command], lambda arguments: given.extend(arguments) or 7)
    assert cli.main([command, "--one=1", "two"]) == 7
    assert given[-2:] == ["--one=1", "two"]
    module, _, function = MAINS[command].rpartition(".")
    assert function != "main" or module.removesuffix(".__main__") in cli.COMMANDS[command].__doc__


def test_an_unknown_command_is_told_in_a_sentence(capsys):
    assert cli.main(["train"]) == 2
    assert capsys.readouterr().err.startswith("error: prima has no command 'train': expected one of init, check, run")


def test_help_names_all_commands(capsys):
    assert cli.main([]) == 0
    assert set(cli.COMMANDS) <= set(capsys.readouterr().out.split())


def test_a_reader_that_has_gone_is_no_traceback():
    ours, theirs = os.pipe()
    os.close(ours)
    code = "import sys; from prima_jax.cli import main; sys.exit(main())"
    ended = subprocess.run([sys.executable, "-c", code, "--help"], stdout=theirs, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_a_pipe_that_is_not_the_output_is_not_taken_for_it(monkeypatch):
    def broken(arguments):
        raise BrokenPipeError("to a row's process")

    monkeypatch.setitem(cli.COMMANDS, "run", broken)
    with pytest.raises(BrokenPipeError, match="row"):
        cli.main(["run"])


def test_a_corpus_without_its_packages_is_told_in_a_sentence(tmp_path, monkeypatch, capsys):
    def run(options, config):
        raise ModuleNotFoundError("No module named 'bm25s'", name="bm25s")

    monkeypatch.setattr(corpus, "_run", run)
    monkeypatch.setattr(corpus, "setup_process", lambda with_jax: None)
    assert cli.main(["corpus", "--config=configs/corpus.py:demo", f"--folder={tmp_path}", "retrieve"]) == 2
    assert capsys.readouterr().err.startswith("error: bm25s, which this step needs, is not installed")

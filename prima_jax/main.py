"""The command line: prima run --config=configs/aqua.py[:preset] --workdir=DIR [--config.any.field=value]."""

import argparse
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from absl import flags
from ml_collections import ConfigDict, config_flags

from prima_jax.errors import UserError, device_error, name_too_long
from prima_jax.hosts import add_flags, join, leave, several, told_of_others
from prima_jax.runtime import end_when_told, setup_process

__all__ = ["command", "main", "parse"]

_PROGRAM = "prima run"
_STOPPED = 143
_EXAMPLE = "--config=configs/aqua.py:demo --workdir=runs/demo"


def main(arguments: list[str]) -> int:
    """Runs the rows of the config that the arguments name; returns the exit code, as `command` does."""
    try:
        code = command(arguments, run_rows, joins=True)
    except Exception:
        if several():
            traceback.print_exc()
            leave(1)
        raise
    if code not in (0, _STOPPED):  # those that stop do so together
        leave(code)
    return code


def command(
    arguments: list[str],
    run: Callable[[ConfigDict, Path], str],
    *,
    program: str = _PROGRAM,
    example: str = _EXAMPLE,
    workdir: str | None = None,
    joins: bool = False,
) -> int:
    """Runs with the config and the workdir that the arguments name, and prints what comes back.

    program and example: how the command is called, and with what it could be; workdir: where none is given, else one has to be;
    joins: it may be one of several processes (hosts.py).

    Returns the exit code: 0; 2 for bad input, told in one sentence; 143 if it was asked to stop and saved, 130 if it was
    interrupted.
    """
    end_when_told()
    try:
        try:
            config, folder, options = parse(arguments[1:], program=program, example=example, workdir=workdir, joins=joins)
        except OSError as error:
            raise name_too_long(error) from error
        setup_process()
        from jax.errors import JaxRuntimeError

        from prima_jax.training.loop import Stopped  # after the flags: a wrong one should not wait for JAX

        if joins:
            join(options)
        try:
            print(run(config, folder))
        except Stopped:
            print(f"Stopped and saved; the same command goes on from here ({folder}).", file=sys.stderr)
            return _STOPPED
        except (RuntimeError, AssertionError) as error:  # XLA's own among them
            remat = "" if config.remat else ", or set --config.remat=True"
            lower = f"lower the batch_size of the stage that it was in, raise its microbatches, lower --config.image.size{remat}"
            lower += ", with another --workdir"
            if several() and isinstance(error, JaxRuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
                raise told_of_others(error) from error
            raise device_error(error, lower) from error
        except OSError as error:
            raise name_too_long(error) from error
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    return 0


def run_rows(config: ConfigDict, workdir: Path) -> str:
    """Runs the config's rows; returns what the terminal shows."""
    from prima_jax.experiment.run import results_folder, run
    from prima_jax.report.scores import score_table
    from prima_jax.report.terminal import terminal_table

    table = terminal_table(score_table(run(config, workdir), costs=False))
    folder = results_folder(workdir, config.table.number)
    return f"{table}\n\nWritten to {folder}: report.html, results.json, predictions.csv, table.md, .tex and .csv, pictures/."


def parse(
    arguments: list[str],
    *,
    program: str = _PROGRAM,
    example: str = _EXAMPLE,
    workdir: str | None = None,
    joins: bool = False,
) -> tuple[ConfigDict, Path, argparse.Namespace]:
    """The config, with the overrides of the command line, the workdir, and all other flags; those of `join` where it `joins`.

    Raises UserError for a wrong flag or file.
    """
    example = f"{program} {example}"
    parser = argparse.ArgumentParser(prog=program, allow_abbrev=False, exit_on_error=False, epilog=f"For example: {example}")
    parser.add_argument(
        "--config", metavar="FILE[:PRESET]", help="the recipe; --config.any.field=value changes one of its fields"
    )
    parser.add_argument(
        "--workdir", metavar="DIR", default=workdir, help="where everything is written; give the same one again to go on"
    )
    if joins:
        add_flags(parser)
    try:
        options, overrides = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise UserError(f"{error.argument_name}: {error.message}; for example: {example}.") from error
    for name in ("config", "workdir"):
        if not getattr(options, name):
            raise UserError(f"--{name} is missing: {example}.")
    config = load_recipe(options.config)
    return override(config, overrides, options.config), Path(options.workdir), options


def load_recipe(named: str) -> ConfigDict:
    """The ConfigDict that get_config of `FILE[:PRESET]` returns."""
    file, colon, preset = named.partition(":")
    installed = Path(__file__).parents[1] / file  # configs/ lies beside the package, in the clone and where pip puts them
    if not Path(file).is_file() and installed.parent.name == "configs" and installed.is_file():
        file = str(installed)
    if not Path(file).is_file():
        raise UserError(f"There is no config file {file}: give --config one, such as configs/aqua.py:demo.")
    specification = importlib.util.spec_from_file_location("recipe", file)
    if specification is None or specification.loader is None:
        raise UserError(f"{file} is no Python file: a config is one that defines get_config().")
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
    except SyntaxError as error:
        where = f"{error.filename}, line {error.lineno}" if error.lineno else file
        raise UserError(f"{where}: {error.msg}; mend the config.") from error
    except ImportError as error:
        raise UserError(
            f"{file} cannot be loaded ({error}); run where no other package is called configs, as in the clone."
        ) from error
    except Exception as error:  # a config is a program, and what goes wrong in one has no type of its own
        raise UserError(_failure(file, error)) from error
    if not callable(getattr(module, "get_config", None)):
        raise UserError(f"{file} does not define get_config(), as configs/aqua.py does.")
    if colon and not inspect.signature(module.get_config).parameters:
        raise UserError(f"{file} has no preset {preset!r}: its get_config() takes none.")
    try:
        config = module.get_config(*([preset] if colon else []))
    except ValueError as error:  # how configs tell of a preset that they do not have
        raise UserError(one_line(error)) from error
    except Exception as error:
        raise UserError(_failure(file, error)) from error
    if not isinstance(config, ConfigDict):
        raise UserError(f"get_config() of {file} should return a ConfigDict, not {type(config).__name__}.")
    return config.lock()


def override(config: ConfigDict, arguments: list[str], named: str) -> ConfigDict:
    """The config with the fields that `--config.any.field=value` name changed, and with them those that follow them.

    Raises UserError for anything else among the arguments, and for a field that is given twice.
    """
    given = set[str]()
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:  # how Python passes on bytes that it cannot decode
            raise UserError(f"{argument.partition('=')[0]!a} is not given in UTF-8; write it so, or rename the file.") from error
        field = re.match(r"--?(?:no)?config\.([^=]+)", argument)
        if field:
            _check_field(config, field[1], named)
            if field[1] in given:
                raise UserError(f"--config.{field[1]} is given more than once: give it once, with the value that is meant.")
            given.add(field[1])
    values = flags.FlagValues()
    try:
        config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=arguments)
        rest = values(["main", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        raise UserError(f"--{error.flagname} is no flag; flags look like --config.align.epochs=10.") from error
    except (flags.Error, TypeError, ValueError) as error:
        raise UserError(one_line(error)) from error
    if rest:
        raise UserError(f"{rest[0]!r} is no flag; flags look like --config.align.epochs=10.")
    return config.copy_and_resolve_references()


def one_line(error: BaseException) -> str:
    """An exception's message as one sentence."""
    told: object = error
    while isinstance(told, AttributeError | KeyError) and told.args:  # ConfigDict puts one into the other
        told = told.args[0]
    text = " ".join(str(told).split()) or type(error).__name__
    text = re.sub(r' Other fields present: "{.*}"(?= Did you mean|$)', "", text)  # pages of them
    return text if text.endswith((".", "?", "!")) else text + "."


def _failure(file: str, error: Exception) -> str:
    """Which line of a config failed, and how."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == Path(file).absolute()]
    where = f"{file}, line {lines[-1]}" if lines else file
    return f"{where}: {type(error).__name__}, {one_line(error).rstrip('.?')}; mend the config."


def _check_field(config: ConfigDict, field: str, named: str) -> None:
    section, path = config, ""
    for name in field.split("."):
        if not isinstance(section, ConfigDict) or name not in section:
            known = ", ".join(section) if isinstance(section, ConfigDict) else "a value and no fields"
            raise UserError(f"--config.{field}: {named} has no such field; {path or 'it'} has {known}.")
        section, path = section[name], f"{path}.{name}" if path else name
    if isinstance(section, ConfigDict):
        raise UserError(f"--config.{field} is a section: set one of its fields, {', '.join(section) or 'in the config'}.")


if __name__ == "__main__":
    sys.exit(main(sys.argv))

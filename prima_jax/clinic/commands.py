"""The commands of a clinic: what their flags are, and how their errors are told."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from prima_jax.errors import UserError, device_error, name_too_long
from prima_jax.runtime import end_when_told, setup_process

__all__ = ["export", "told"]


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


def told(command: Callable[[], None]) -> int:
    """Runs a command; returns 0, or 2 for bad input, told in one sentence."""
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
    return 0

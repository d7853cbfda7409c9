"""The command line: prima robustness --config=configs/aqua.py:demo --workdir=runs/demo.

Asks the rows of a finished run about their held-out cases again, with a share of the metadata, one attribute, a block or a kind
of photograph missing. Writes robustness.json and .md. Takes the flags that the run had.
"""

import sys
from pathlib import Path

from ml_collections import ConfigDict

from prima_jax.main import command

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Returns the exit code, as `prima_jax.main.command` does."""
    return command(arguments, ask, program="prima robustness")


def ask(config: ConfigDict, workdir: Path) -> str:
    """Asks and writes; returns what the terminal shows."""
    from prima_jax.robustness import pages  # after the flags: a wrong one should not wait for JAX
    from prima_jax.robustness.run import run

    return f"{pages.text(run(config, workdir))}\nWritten to {workdir}: robustness.json and .md."


if __name__ == "__main__":
    sys.exit(main(sys.argv))

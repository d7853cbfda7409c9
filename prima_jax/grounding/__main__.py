"""The command line: prima grounding --config=configs/aqua.py:table3,demo --workdir=runs/tables.

A run leaves what stages 1 and 2 of PRIMA have learnt, Table 3 those of loc_dir too; the rest is trained here. Writes
grounding.json, .md, .html and a picture for each visible attribute. On a study without masks there are pictures only.
"""

import sys
from pathlib import Path

from ml_collections import ConfigDict

from prima_jax.main import command

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Returns the exit code, as `prima_jax.main.command` does."""
    example = "--config=configs/aqua.py:table3,demo --workdir=runs/tables"
    return command(arguments, ground, program="prima grounding", example=example)


def ground(config: ConfigDict, workdir: Path) -> str:
    """Measures and draws; returns what the terminal shows."""
    from prima_jax.grounding import pages  # after the flags: a wrong one should not wait for JAX
    from prima_jax.grounding.run import run

    text = pages.markdown(run(config, workdir))
    return f"{text}\nWritten to {workdir}: grounding.json, .md, .html and grounding_ATTRIBUTE.png."


if __name__ == "__main__":
    sys.exit(main(sys.argv))

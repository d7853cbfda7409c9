"""The measurements in docs/parity: lines of JSON, one for each configuration of a grid, and JSON files."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "PACKAGES", "append", "note_versions", "read", "read_grid", "rounded", "write"]

FOLDER = Path(__file__).parents[2] / "docs" / "parity"
PACKAGES = ("jax", "jaxlib", "flax", "numpy", "transformers", "torch")
DIGITS = 3
"""Significant digits that are kept."""


def read_grid(path: Path) -> list[dict[str, Any]]:
    """[{"number": n, "differences": {pair: {quantity: ratio}}}], by number; [] without a file.

    A line that was cut off when the measurement was stopped is left out, and so is a number's second line.
    """
    results: dict[int, dict[str, Any]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            result = json.loads(line)
        except json.JSONDecodeError:
            continue
        results.setdefault(result["number"], result)
    return [results[number] for number in sorted(results)]


def append(path: Path, result: dict[str, Any]) -> None:
    """Adds a result as a line, rounded; a line that was cut off before it is dropped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(json.dumps(rounded(result)).encode() + b"\n")


def write(path: Path, results: Any) -> None:
    """A JSON file of results, rounded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rounded(results), indent=1) + "\n")


def rounded(value: Any) -> Any:
    """The same, every float in it with three significant digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return float(f"{value:.{DIGITS - 1}e}") if isinstance(value, float) else value


def note_versions() -> None:
    """Writes down what is measured with what; raises RuntimeError where the folder's figures are of other versions."""
    path, installed = FOLDER / "versions.json", {name: version(name).partition("+")[0] for name in PACKAGES}
    noted = read(path)
    if noted and noted != installed:
        raise RuntimeError(
            f"docs/parity was measured with {noted}, here are {installed}: move it away and measure all of it again"
        )
    write(path, installed)


def read(path: Path) -> dict[str, Any]:
    """A JSON file of results; {} without it."""
    return json.loads(path.read_text()) if path.exists() else {}

"""docs/parity.md: the prose of parity.md beside this file, with tables of what docs/parity holds."""

import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from string import Template
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from scripts.comparison import bfloat16
from scripts.comparison.measured import FOLDER, read, read_grid
from scripts.comparison.random_configs import case

__all__ = ["CONFIGURATIONS", "LIMIT", "PAGE", "TITLES", "grids", "render"]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "parity.md"
SEED, CONFIGURATIONS, COMPILED_FULLY = 0, 200, 10
LIMIT = 1e-5
"""Largest difference from torch in float32 that we aim at, over the largest value."""
TITLES = {
    "dinov2": "DINOv2",
    "dinov2_with_registers": "DINOv2 with registers",
    "dinov3": "DINOv3",
    "modernbert": "ModernBERT",
    "bert": "BERT",
    "qwen3": "Qwen3",
    "llama": "Llama",
    "bert_bare": "BERT without its head",
}
PAIRS = ("ours to torch", "ours to float64", "torch to float64")
PORT_PAIRS = ("to torch", "to float64")
QUANTITIES = ("states", "logits", "adapter gradients", "input gradients")
PRESETS = ("aqua.py", "pad_ufes_20.py", "my_cohort.py", "aqua.py:demo", "pad_ufes_20.py:small", "my_cohort.py:small")
NOT_MEASURED = "Not measured yet."


def render(folder: Path = FOLDER) -> str:
    """The page."""
    template = Template(Path(__file__).with_name("parity.md").read_text(encoding="utf-8"))
    full = read(folder / "full.json")
    return template.substitute(
        versions=_versions(folder),
        summary=_summary(folder),
        grids="\n\n".join(_grid(title, grids(name, folder)) for name, title in TITLES.items()),
        optimized=_optimized(folder),
        full=_full(full),
        bfloat16=_bfloat16(full),
        real=_real(read(folder / "real.json")),
        port=_port(read(folder / "port.json")),
        presets=_presets(),
    )


def grids(architecture: str, folder: Path = FOLDER, *, optimized: bool = False) -> list[dict[str, Any]]:
    """Returns the measurements of an architecture's random configurations."""
    return read_grid(folder / f"grid_{architecture}{'_optimized' if optimized else ''}.jsonl")


def _summary(folder: Path) -> str:
    all_rows = [(name, result["number"], result["differences"]) for name in TITLES for result in grids(name, folder)]
    if not all_rows:
        return "No random configuration has been measured yet."
    beyond = [row for row in all_rows if _worst(row[2]) >= LIMIT]
    kinds = len({name for name, *_ in all_rows})
    summary = (
        f"Of {len(all_rows)} random configurations of {kinds} kinds of model, {len(all_rows) - len(beyond)} lie within\n"
        f"{_number(LIMIT)} of "
        "transformers + torch in float32, in anything that was compared"
    )
    if not beyond:
        return f"{summary}."
    rows = []
    for name, number, differences in beyond:
        config = case(name, SEED, number).config
        worst = (_number(_worst(differences, pair)) for pair in PAIRS)
        rows.append((TITLES[name], number, config["num_hidden_layers"], config["hidden_size"], *worst))
    theirs, mine = (sum(_worst(row[2], pair) >= LIMIT for row in beyond) for pair in ("torch to float64", "ours to float64"))
    return (
        f"{summary}.\n"
        f"The other {len(beyond)} stand below, each by its worst quantity. In {theirs} of them torch itself lies farther than\n"
        f"that from the exact answer, in {mine} ours does. In so narrow models rounding errors grow from layer to layer.\n\n"
        + _table(("", "configuration", "layers", "width", *PAIRS), rows)
    )


def _versions(folder: Path) -> str:
    return ", ".join(f"{name} {number}" for name, number in read(folder / "versions.json").items()) or NOT_MEASURED


def _grid(title: str, results: Sequence[dict[str, Any]]) -> str:
    heading = f"**{title}**: {len(results)} of {CONFIGURATIONS} configurations measured"
    if not results:
        return f"{heading}."
    rows = []
    for quantity in QUANTITIES:
        values = [[f["differences"][pair][quantity] for f in results if quantity in f["differences"][pair]] for pair in PAIRS]
        if values[0]:
            rows.append((quantity, *(_number(statistic(v)) for v in values for statistic in (median, max))))
    return f"{heading}\n\n{_table(('', *(f'{pair}, {s}' for pair in PAIRS for s in ('median', 'max'))), rows)}"


def _optimized(folder: Path) -> str:
    rows = []
    for name, title in TITLES.items():
        if results := grids(name, folder, optimized=True):
            quick = {f["number"]: f["differences"] for f in grids(name, folder)}
            again = [_worst(quick[f["number"]]) for f in results if f["number"] in quick]
            fully = [_worst(f["differences"]) for f in results]
            rows.append((title, f"{len(results)} of {COMPILED_FULLY}", _number(max(fully)), _number(max(again)) if again else ""))
    return _table(("", "configurations", "fully optimised, max", "compiled quickly, max"), rows) if rows else NOT_MEASURED


def _worst(differences: dict[str, dict[str, float]], pair: str = "ours to torch") -> float:
    return max(differences[pair].values())


def _full(full: dict[str, Any]) -> str:
    rows = [
        (name, quantity, *(_number(result["differences"][pair][quantity]) for pair in PAIRS))
        for name, result in full.items()
        for quantity in QUANTITIES
        if quantity in result["differences"][PAIRS[0]]
    ]
    return _table(("", "", *PAIRS), rows, left=2) if rows else NOT_MEASURED


def _real(models: dict[str, dict[str, float]]) -> str:
    rows = [(name, *(_number(differences[pair]) for pair in PAIRS)) for name, differences in models.items()]
    return _table(("", *PAIRS), rows) if rows else NOT_MEASURED


def _bfloat16(full: dict[str, Any]) -> str:
    """Relative errors in thousandths, a row for each layer."""
    columns = [result["bfloat16"][side] for result in full.values() for side in ("ours", "torch")]
    if not columns:
        return NOT_MEASURED
    layers = max(map(len, columns)) - 1
    rows = [
        (layer, f"{1e3 * allowed:.1f}", *(f"{1e3 * column[layer]:#.3g}" if layer < len(column) else "" for column in columns))
        for layer, allowed in enumerate(bfloat16.allowed(layers))
    ]
    shares = [float(np.max(column / bfloat16.allowed(len(column) - 1))) for column in columns]
    rows.append(("largest share of the budget", "100 %", *(f"{share:.0%}".replace("%", " %") for share in shares)))
    return _table(("after layer", "budget", *(f"{name}, {side}" for name in full for side in ("ours", "torch"))), rows)


def _port(ports: dict[str, Any]) -> str:
    if not ports:
        return NOT_MEASURED
    sides = list(dict.fromkeys(who for result in ports.values() for who in ("torch", *result["to torch"])))
    head = ("", *(f"{name}, {pair}" for name in ports for pair in PORT_PAIRS))
    rows = [
        (who, *(_number(result[pair][who]) if who in result[pair] else "" for result in ports.values() for pair in PORT_PAIRS))
        for who in sides
    ]
    versions = sorted({result["version"] for result in ports.values()})
    return f"equimo {', '.join(versions)}; last hidden state:\n\n{_table(head, rows)}"


def _presets() -> str:
    rows = []
    for named in PRESETS:
        config = _load(named)
        rows.append(
            (
                f"`configs/{named}`",
                config.dtype,
                *("frozen, with adapters" if stage.rank else "trained whole" for stage in (config.align, config.diagnose)),
                config.features.dtype,
                "yes" if config.remat else "no",
            )
        )
    return _table(("", "`dtype`", "encoders", "LLM", "`features.dtype`", "`remat`"), rows, left=6)


def _load(named: str) -> ConfigDict:
    """The config of `NAME.py[:preset]`."""
    path, _, preset = named.partition(":")
    specification = importlib.util.spec_from_file_location(Path(path).stem, ROOT / "configs" / path)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.get_config(preset)


def _number(value: float) -> str:
    return f"{value:.1e}"


def _table(head: Iterable[Any], rows: Iterable[Iterable[Any]], left: int = 1) -> str:
    """A table in Markdown, the first `left` columns set to the left."""
    head = tuple(head)
    rule = (":--" if column < left else "--:" for column in range(len(head)))
    return "\n".join("| " + " | ".join(map(str, cells)) + " |" for cells in (head, rule, *rows))

"""The tables of docs/corpus.md, from the figures of benchmarks.corpus_steps.

python -m benchmarks.corpus_tables docs/corpus_steps.json
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

OVER_RECORDS = {
    "search": "`search`, JSON lines",
    "search_xml": "`search`, PubMed XML",
    "fill": "of it, storing",
    "retrieve": "`retrieve`",
    "index": "of it, splitting and the index",
    "synthesise": "`synthesise`, extractive",
    "check": "`check`",
    "review": "decisions by a script",
    "publish": "`publish`",
}
OVER_CLAIMS = {name: OVER_RECORDS[name] for name in ("synthesise", "check", "review", "publish")}


def costs(rows: Sequence[Any], over: str, exponents: dict[str, float], names: dict[str, str]) -> str:
    """A line for each step: seconds of the processor at each size, the largest peak of memory, the exponent."""
    head = [f"processor time, {over}", *(f"{row[over]:,}" for row in rows), "peak memory", "exponent"]
    lines = [
        [title, *(f"{row[name]['processor_seconds']:.1f} s" for row in rows), peak(rows, name), f"{exponents[name]:.2f}"]
        for name, title in names.items()
    ]
    return table(head, lines)


def peak(rows: Sequence[Any], name: str) -> str:
    return f"{max(row[name]['peak_gib'] for row in rows):.2f} GiB"


def ranking(rows: Sequence[Any]) -> str:
    """A line for each number of records."""
    head = ["records", "name both", "about: found", "about: mean rank", "a finding: found", "nDCG"]
    lines = []
    for row in rows:
        one = row["retrieve"]["ranking"]
        ranks = [f"{100 * one['recall_about']:.1f}%", f"{one['mean_rank_about']:.1f}", f"{100 * one['recall_finding']:.1f}%"]
        lines.append([f"{row['records']:,}", f"{one['records_that_name_both']:.0f}", *ranks, f"{one['ndcg']:.2f}"])
    return table(head, lines)


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---", *["--:"] * (len(head) - 1)], *lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=Path)
    report = json.loads(parser.parse_args().figures.read_text())
    rows, claims, exponents = report["over_records"], report["over_claims"], report["exponents"]
    print(costs(rows, "records", exponents["records"], OVER_RECORDS), "\n")
    print(costs(claims, "claims", exponents["claims"], OVER_CLAIMS), "\n")
    print(ranking(rows), "\n")
    print("exhaustive:", rows[0].get("exhaustive"))
    print("clock, retrieve:", [round(row["retrieve"]["seconds"], 1) for row in rows])
    print("five million additions:", [row["retrieve"]["loop_seconds"] for row in rows])


if __name__ == "__main__":
    main()

"""Counts the spoiled and the good claims that the checks flag, and the rules that flag one alone: the tables of docs/corpus.md.

    python -m benchmarks.claim_checks FOLDER [local:MODEL@ADDRESS]

FOLDER holds the real texts that the labelled claims cite (labelled.py). With a judge, only its own flags are counted.
Intervals are Wilson's, of 95%.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from benchmarks.labelled import labelled, real_articles, written_articles
from prima_jax.corpus.articles import Article
from prima_jax.corpus.check.citations import Flag, check_claim, evidence_of
from prima_jax.corpus.check.judge import Judge, open_judge
from prima_jax.corpus.claims import Citation, Claim

__all__ = ["claim_of", "flags_of"]

SETS = "abcdef"
KINDS = (
    "wrong_pmid", "flipped_direction", "altered_number", "unsupported", "population_swapped", "hedge_removed", "all spoiled",
    "good, close", "good, free",
)  # fmt: skip


def claim_of(row: Mapping[str, Any], articles: Mapping[str, Article]) -> Claim:
    """One labelled claim. Its quote stands where the label says, also when it cites another article (`quoted_from`)."""
    quotes = [articles[c.get("quoted_from", c["article"])].abstract[c["start"] : c["end"]] for c in row["citations"]]
    cited = tuple(Citation(article=c["article"], quote=q) for c, q in zip(row["citations"], quotes, strict=True))
    return Claim(text=row["text"], direction=row["direction"], strength=row["strength"], citations=cited)


def flags_of(row: Mapping[str, Any], articles: Mapping[str, Article]) -> list[Flag]:
    """Returns the flags of one labelled claim."""
    claim = claim_of(row, articles)
    return check_claim(
        claim,
        evidence_of(claim, articles),
        articles=articles,
        retrieved=frozenset(articles),
        disease_terms=row["disease_terms"],
        attribute_terms=row["attribute_terms"],
    )


def main(folder: Path, judge: Judge | None) -> None:
    """Prints a row for each set, and which rule was the only one to flag a spoiled claim."""
    articles = real_articles(folder) | written_articles()
    print(f"| set | {' | '.join(KINDS)} |\n|---|{'--:|' * len(KINDS)}")
    alone: Counter[str] = Counter()
    for name in SETS:
        flagged: dict[str, list[bool]] = {kind: [] for kind in KINDS}
        for row in labelled(name):
            flags = flags_of(row, articles) if judge is None else judge.flags(row["text"], _cited(row, articles))
            for kind in _kinds(name, row):
                flagged[kind].append(bool(flags))
            codes = {flag.code for flag in flags}
            alone.update(codes if row["spoiled"] and len(codes) == 1 else ())
        print(f"| {name} | {' | '.join(map(_share, flagged.values()))} |", flush=True)
    print(f"alone: {', '.join(f'{code} {count}' for code, count in alone.most_common())}")


def _kinds(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that a row counts in."""
    if row["spoiled"]:
        return row["spoiled"], "all spoiled"
    return (f"good, {row.get('wording', 'free' if name in 'ab' else 'close')}",)


def _share(flagged: Sequence[bool]) -> str:
    if not flagged:
        return ""
    within = binomtest(sum(flagged), len(flagged)).proportion_ci(method="wilson")
    return f"{sum(flagged)} of {len(flagged)} ({within.low:.0%} to {within.high:.0%})"


def _cited(row: Mapping[str, Any], articles: Mapping[str, Article]) -> list[Article]:
    return [articles[c["article"]] for c in row["citations"] if c["article"] in articles]


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("Name the folder of the real texts: python -m benchmarks.claim_checks FOLDER.")
    main(Path(sys.argv[1]), open_judge("".join(sys.argv[2:]), timeout_seconds=120.0, attempts=5))

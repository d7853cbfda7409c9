"""How many spoiled and how many good claims do the checks flag, and which rules do it? The table of docs/corpus.md.

    python -m benchmarks.claim_checks FOLDER

FOLDER holds the real texts that the labelled claims cite (labelled.py). Intervals are Wilson's, of 95%.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from typing import Any

from benchmarks.labelled import labelled, real_articles, written_articles
from prima_jax.corpus.articles import Article
from prima_jax.corpus.check.citations import Flag, check_claim, evidence_of
from prima_jax.corpus.claims import Citation, Claim

__all__ = ["SETS", "claim_of", "flags_of", "wilson"]

SETS = "abcdef"


def claim_of(row: Mapping[str, Any], articles: Mapping[str, Article]) -> Claim:
    """One labelled claim. Its quote stands where the label says, also when it cites another article (`quoted_from`)."""
    quotes = [articles[c.get("quoted_from", c["article"])].abstract[c["start"] : c["end"]] for c in row["citations"]]
    cited = tuple(Citation(article=c["article"], quote=q) for c, q in zip(row["citations"], quotes, strict=True))
    return Claim(text=row["text"], direction=row["direction"], strength=row["strength"], citations=cited)


def flags_of(row: Mapping[str, Any], articles: Mapping[str, Article]) -> list[Flag]:
    """What the checks say to one labelled claim."""
    claim = claim_of(row, articles)
    return check_claim(
        claim,
        evidence_of(claim, articles),
        articles=articles,
        retrieved=frozenset(articles),
        disease_terms=row["disease_terms"],
        attribute_terms=row["attribute_terms"],
    )


def wilson(found: int, of: int) -> tuple[float, float]:
    """Wilson's interval of 95% of a share."""
    z, share = 1.959964, found / of
    middle, half = share + z * z / (2 * of), z * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)


def main(folder: Path) -> None:
    """Prints a row for each set and kind, and then what each rule flags, and flags alone."""
    articles = real_articles(folder) | written_articles()
    for name in SETS:
        kinds: dict[str, list[set[str]]] = {}
        for row in labelled(name):
            kind = row["spoiled"] or f"good, {row.get('wording', 'free' if name in 'ab' else 'close')}"
            kinds.setdefault(kind, []).append({flag.code for flag in flags_of(row, articles)})
        spoiled = [codes for kind, found in kinds.items() if not kind.startswith("good") for codes in found]
        for kind, found in {**kinds, "all spoiled": spoiled}.items():
            flagged = sum(map(bool, found))
            low, high = wilson(flagged, len(found))
            print(f"| {name} | {kind} | {flagged} of {len(found)} | {flagged / len(found):.0%} ({low:.0%} to {high:.0%}) |")
        alone = Counter(code for codes in spoiled if len(codes) == 1 for code in codes)
        print(f"alone, of the spoiled: {', '.join(f'{code} {count}' for code, count in alone.most_common())}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""What was learned, in words."""

from collections.abc import Mapping
from typing import Any

__all__ = ["report_text", "summary"]


_FRESH_HEAD = (
    "The base has no masked-language head. A fresh one was trained beside the adapters, so that before it nothing but the",
    "cosines tells what the base knew; the adapters are saved without it.",
    "",
)


def report_text(report: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    base = report["base"]
    origin = (
        f"a small encoder, trained here on {base['prose_texts']} texts of the articles; it says nothing about medicine"
        if base.get("random_start")
        else f"the weights in {base['weights']}"
    )
    return "\n".join(
        [
            f"# What was learned from {report['corpus']}",
            "",
            f"Base: {origin}. Adapters of rank {report['rank']}, {100 * report['trained_share']:.1f}% of its parameters,"
            f" {report['epochs']:g} epochs over {report['texts']} texts"
            f" ({'vetted by physicians' if report['vetted'] else 'not vetted'}).",
            "",
            f"Measured on {report['held_out_claims']} claims of {report['held_out_articles']} articles that neither base nor"
            " adapters have read:",
            "",
            "| | before | after |",
            "|---|--:|--:|",
            *(f"| {what} | {before} | {after} |" for what, before, after in _lines(report["before"], report["after"])),
            "",
            *(_FRESH_HEAD if report.get("fresh_head") else ()),
            "Pseudo-perplexity: exp of the mean loss of each token when it alone is masked (Salazar et al. 2020). A masked",
            "term is masked whole; ranks are over the whole vocabulary. Cosines are between mean-pooled names of factors:",
            "related ones are those that the corpus names for one disease.",
            "",
        ]
    )


def summary(report: Mapping[str, Any]) -> str:
    """The report in one sentence."""
    first, then = report["before"], report["after"]
    told = [f"Held-out pseudo-perplexity {first['pseudo_perplexity']:.1f} -> {then['pseudo_perplexity']:.1f}"]
    for what in ("disease", "factor"):
        if first[what]["terms"]:
            ranks = " -> ".join(f"{m[what]['mean_reciprocal_rank']:.3f}" for m in (first, then))
            told.append(f"mean reciprocal rank of a masked {what} {ranks}")
    return "; ".join(told) + "."


def _lines(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = [("pseudo-perplexity", *(f"{m['pseudo_perplexity']:.2f}" for m in (before, after)))]
    for what in ("disease", "factor"):
        count = before[what]["terms"]
        for key, words in (
            ("top_1", "first guess"),
            ("top_10", "among ten guesses"),
            ("mean_reciprocal_rank", "mean reciprocal rank"),
        ):
            if count:
                lines.append((f"masked {what} ({count} terms): {words}", *(f"{m[what][key]:.3f}" for m in (before, after))))
    for kind in ("related", "unrelated"):
        values = [m["cosine"][kind] for m in (before, after)]
        if None not in values:
            lines.append((f"cosine of {kind} factors", *(f"{value:.3f}" for value in values)))
    return lines

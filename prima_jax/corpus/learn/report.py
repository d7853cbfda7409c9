"""What was learned, in words."""

from collections.abc import Mapping
from typing import Any

__all__ = ["report_text", "summary"]

_NAMES = {
    "pseudo_perplexity": "pseudo-perplexity",
    "disease": "mean reciprocal rank of a masked disease",
    "factor": "mean reciprocal rank of a masked factor",
}
_COLUMNS = {
    "before": "before",
    "control": "control",
    "after": "after",
    "after_less_before": "after less before",
    "after_less_control": "after less control",
}
_FRESH_HEAD = (
    "The base has no masked-language head. A fresh one was trained beside the adapters, and beside the control's, so that",
    "nothing is known from before; the adapters are saved without it.",
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
    columns = {key: words for key, words in _COLUMNS.items() if key in report["figures"]}
    return "\n".join(
        [
            f"# What was learned from {report['corpus']}",
            "",
            f"Base: {origin}. Adapters of rank {report['rank']}, {100 * report['trained_share']:.1f}% of its parameters,"
            f" {report['epochs']:g} epochs over {report['texts']} texts"
            f" ({'vetted by physicians' if report['vetted'] else 'not vetted'}).",
            "",
            f"Measured on {report['held_out_claims']} distinct claims of {report['held_out_articles']} articles that neither"
            " base nor adapters have read, in words that no training text has:",
            "",
            "| | " + " | ".join(columns.values()) + " |",
            "|---|" + "--:|" * len(columns),
            *(_line(name, report["figures"], columns) for name in _NAMES),
            "",
            *(_FRESH_HEAD if "before" not in columns else ()),
            "In brackets: 95% intervals by a bootstrap over articles, for one training each. The control is the same training on",
            "the same texts with the words of each sentence in a random order: what it gains is vocabulary, not knowledge.",
            "Pseudo-perplexity: exp of the mean loss of each token when it alone is masked (Salazar et al. 2020). A masked",
            "term is masked whole; ranks are over the whole vocabulary.",
            "",
        ]
    )


def summary(report: Mapping[str, Any]) -> str:
    """The report in one sentence."""
    told = []
    for name, words in _NAMES.items():
        values = [report["figures"][column][name] for column in ("control", "after", "after_less_control")]
        if values[1]:
            control, after, less = map(_cell, values)
            told.append(f"{words} {after}, of the control {control}, difference {less}")
    return f"Held out: {'; '.join(told)}."


def _line(name: str, figures: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    return f"| {_NAMES[name]} | " + " | ".join(_cell(figures[column][name]) for column in columns) + " |"


def _cell(figure: Mapping[str, float] | None) -> str:
    if figure is None:
        return "not measured"  # no such term, or one article
    places = 3 if abs(figure["estimate"]) < 1 and abs(figure["high"]) < 2 else 1
    estimate, low, high = (f"{figure[key]:.{places}f}" for key in ("estimate", "low", "high"))
    return f"{estimate} ({low} to {high})"

"""Articles that nobody wrote: the synthetic study's risk table in prose, for trying the steps out. They teach no medicine."""

from collections.abc import Iterator

from prima_jax.corpus.articles import Article
from prima_jax.studies.synthetic.corpus import corpus_lines

__all__ = ["SOURCE", "draw_articles"]

SOURCE = "synthetic"
"""What `search.source` says for these."""
SEED = 6
"""With it no finding is put as advice, which is no claim."""


def draw_articles() -> Iterator[Article]:
    """One for each disease and column of the table, and one on each disease as a whole; always the same.

    A finding stands once, in the article on the disease that it speaks for; most lines name the other one as well.
    """
    texts: dict[tuple[str, str], list[str]] = {}
    neutral: set[str] = set()
    for line in corpus_lines(SEED, paraphrases=1):
        if line["direction"] == "lowers" or (line["direction"] == "none" and line["attribute"] in neutral):
            continue
        if line["direction"] == "none":
            neutral.add(line["attribute"])
        texts.setdefault((line["disease"], line["attribute"]), []).append(line["text"])
    for number, ((disease, attribute), found) in enumerate(sorted(texts.items())):
        yield Article(
            id=f"{SOURCE}:{number}",
            title=f"Synthetic text: {disease}, {attribute.replace('_', ' ') or 'an overview'}",
            sections=tuple(("", text) for text in found),
            types=("Synthetic text",),
            language="eng",
            licence="synthetic; it may be handed on",
        )

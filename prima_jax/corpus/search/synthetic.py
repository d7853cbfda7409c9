"""Articles that nobody wrote: the synthetic study's risk table in prose, for trying the steps out. They teach no medicine."""

from collections.abc import Iterator

from prima_jax.corpus.articles import Article
from prima_jax.studies.synthetic.corpus import corpus_lines

__all__ = ["SOURCE", "draw_articles"]

SOURCE = "synthetic"
"""What `search.source` says for these."""


def draw_articles() -> Iterator[Article]:
    """One for each disease and finding of the table and some for each disease as a whole; always the same."""
    texts: dict[tuple[str, str], list[str]] = {}
    for line in corpus_lines():
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

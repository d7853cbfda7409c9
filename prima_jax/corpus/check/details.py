"""Whether what a claim says of its effect, population and body site stands in what it cites."""

import re
from collections.abc import Mapping

from prima_jax.corpus.articles import Article
from prima_jax.corpus.check.citations import Flag
from prima_jax.corpus.claims import Claim
from prima_jax.corpus.quotes import fold

__all__ = ["detail_flags"]


def detail_flags(claim: Claim, articles: Mapping[str, Article]) -> list[Flag]:
    """A flag for each detail that was not copied: figures from a quote, the others from an article that is cited."""
    quotes = [citation.quote for citation in claim.citations]
    texts = [f"{a.title}\n{a.abstract}" for c in claim.citations if (a := articles.get(c.article))]
    stated = {"population": (claim.population, texts), "body_site": (claim.body_site, texts)}
    if claim.effect:
        stated |= {"effect": (claim.effect.number, quotes), "interval": (claim.effect.interval, quotes)}
    return [
        Flag("detail_not_in_source", f"{name}: {said} is not in what the claim cites.")
        for name, (said, sources) in stated.items()
        if said is not None and not any(_stands(said, source) for source in sources)
    ]


def _stands(said: str, source: str) -> bool:
    """As whole words and whole figures: "men" is not in "women", nor 1.4 in 1.42."""
    return bool(re.search(rf"(?<![\w.]){re.escape(fold(said))}(?!\w|[.,]\d)", fold(source)))

"""Whether a claim, or what it quotes, is on another disease of the same name."""

from prima_jax.corpus.check.citations import Flag
from prima_jax.corpus.claims import Claim
from prima_jax.corpus.topics import Topic, find_terms

__all__ = ["namesake_flags"]


def namesake_flags(claim: Claim, topic: Topic) -> list[Flag]:
    """A flag where one of the words that the study excludes is named."""
    texts = (claim.text, *(citation.quote for citation in claim.citations))
    named = {text[start:end].lower() for text in texts for start, end in find_terms(text, topic.excluded)}
    return [Flag("namesake", f"The study excludes: {', '.join(sorted(named))}.")] if named else []

"""Does an abstract speak to whoever reads it by machine? Its words then stand where a quote should, and no other rule sees it.

A list of wordings, so it misses the others: it sends to review what it finds, and clears nothing.
"""

import re
from collections.abc import Mapping, Sequence

from prima_jax.corpus.articles import Article
from prima_jax.corpus.check.citations import Evidence, Flag
from prima_jax.corpus.quotes import fold

__all__ = ["find_instruction", "instruction_flags"]

_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override) (?:\w+ ){0,4}(?:instructions?|rules?|prompts?|above)\b"
    r"|\byour (?:\w+ )?(?:instructions?|rules?|prompt)\b"
    r"|(?:^|[,.;:!?] )(?:and |now |instead |please )*(?:answer|reply|respond) (?:that|with|only)\b"
    r"|\bmark (?:\w+ ){0,2}as (?:approved|vetted|reviewed|verified)\b"
    r"|\b(?:cite|quote) (?:pmid:? ?)?\d{5,}"
    r"|\byou are (?:now )?an? (?:\w+ ){0,2}(?:assistant|model|ai)\b"
    r"|<\||\[/?inst\]|<</?sys>>|</?(?:system|start_of_turn|end_of_turn)>"
    r"|\"claims\" ?: ?\["
)
"""In the form of `fold`."""


def find_instruction(text: str) -> str | None:
    """The first words that read as an order to a language model."""
    found = _ORDERS.search(fold(text))
    return found[0].strip(" ,.;:!?") if found else None


def instruction_flags(evidence: Sequence[Evidence], articles: Mapping[str, Article]) -> list[Flag]:
    """A flag for each cited article that gives orders, wherever in it the quote stands: such a text is no evidence as it is."""
    flags = []
    for identifier in dict.fromkeys(one.article for one in evidence if one.article in articles):
        article = articles[identifier]
        if order := find_instruction(f"{article.title}\n{article.abstract}"):
            flags.append(Flag("instruction", f"{identifier} speaks to a language model: “{order}”."))
    return flags

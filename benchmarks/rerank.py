"""Does ranking the passages anew help, with an encoder as small as the demo's? Measured on the demo's 88 real texts.

    python -m benchmarks.rerank FOLDER

FOLDER holds the texts. The sets a and b of labelled_claims/ are claims that were written by hand from them. Their diseases and
factors are the topics; a passage is relevant to a topic if one of its unspoiled claims cites words in it. So a passage that
nobody happened to write a claim on counts as irrelevant, for every ranking alike. The small encoder is the one that the step
learn makes where there are no weights: it reads the texts themselves.

nDCG over all passages that are evidence on a topic, and the reciprocal rank of the first relevant one; topics with fewer than
two passages, or without a relevant one, have nothing to rank and are left out.
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.labelled import labelled, real_articles
from benchmarks.ranking import discounted
from configs.corpus import get_config
from prima_jax.corpus.articles import Article, ArticleStore
from prima_jax.corpus.claims import Passage
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.learn.base_encoder import train_base
from prima_jax.corpus.retrieve import retrieve
from prima_jax.corpus.retrieve.passage_index import PassageIndex
from prima_jax.corpus.retrieve.rerank import CANDIDATES, Reranker
from prima_jax.corpus.topics import Topic
from prima_jax.models import pretrained

Ranking = Callable[[str, Sequence[Passage]], Sequence[Passage]]
Span = tuple[str, int, int]
SEED = 1
"""Of the untrained encoder."""


def relevant_words() -> dict[Topic, list[Span]]:
    """Topic -> the places that its good claims cite."""
    spans: dict[Topic, list[Span]] = {}
    for row in (*labelled("a"), *labelled("b")):
        if not row["spoiled"]:
            factor = tuple(row["attribute_terms"])
            topic = Topic(row["disease_terms"][0], factor[0] if factor else "", tuple(row["disease_terms"]), factor)
            spans.setdefault(topic, []).extend((c["article"], c["start"], c["end"]) for c in row["citations"])
    return spans


def candidates(folder: CorpusFolder, articles: Sequence[Article], topics: Sequence[Topic]) -> dict[Topic, list[Passage]]:
    """BM25's ranking of each topic's evidence, as the step retrieve has it."""
    config = get_config("demo")
    with ArticleStore(folder.articles) as store:
        store.add((article, b"") for article in articles)
        terms = [*retrieve.SUMMARY_TERMS, *(term for topic in topics for term in (*topic.disease_terms, *topic.attribute_terms))]
        index = PassageIndex(store, terms, window=config.retrieve.window, stride=config.retrieve.stride)
        evidence = retrieve._Evidence(store, index, config.retrieve)
        return {topic: evidence.best(topic, CANDIDATES) for topic in topics}


def encoders(folder: Path, articles: Sequence[Article]) -> dict[str, Reranker]:
    """The demo's, trained on the texts, and one with the same tokenizer whose weights are drawn."""
    base, _ = train_base(get_config("demo"), folder, articles, [])
    trained, drawn = Reranker(base), Reranker(base)
    drawn._variables = pretrained.init_random(drawn._module, SEED)
    return {"trained on the texts": trained, "random": drawn}


def by_cosine(reranker: Reranker) -> Ranking:
    """The encoder's order alone."""

    def ranked(query: str, passages: Sequence[Passage]) -> Sequence[Passage]:
        vectors = reranker.vectors([query, *(f"{passage.title} {passage.text}" for passage in passages)])
        return [passages[position] for position in np.argsort(-(vectors[1:] @ vectors[0]), kind="stable")]

    return ranked


def measure(
    ranking: Ranking, passages_of: dict[Topic, list[Passage]], relevant: dict[Topic, list[Span]]
) -> tuple[float, float, int]:
    """(nDCG, mean reciprocal rank, topics)."""
    gains, reciprocal = [], []
    for topic, passages in passages_of.items():
        query = ", ".join((*topic.disease_terms, *(topic.attribute_terms or retrieve.SUMMARY_TERMS)))
        hits = [
            any(p.article == a and p.start < e and s < p.end for a, s, e in relevant[topic]) for p in ranking(query, passages)
        ]
        if len(hits) > 1 and any(hits):
            ideal = discounted(sorted(hits, reverse=True))
            gains.append(discounted(hits) / ideal)
            reciprocal.append(1 / (1 + hits.index(True)))
    return float(np.mean(gains)), float(np.mean(reciprocal)), len(gains)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("Name the folder that holds the texts: python -m benchmarks.rerank FOLDER")
    relevant = relevant_words()
    articles = list(real_articles(Path(sys.argv[1])).values())
    with tempfile.TemporaryDirectory() as name:
        folder = CorpusFolder(Path(name))
        passages_of = candidates(folder, articles, list(relevant))
        rankings: dict[str, Ranking] = {"BM25": lambda _, passages: passages}
        for encoder, reranker in encoders(folder.learned, articles).items():
            rankings[f"encoder alone, {encoder}"] = by_cosine(reranker)
            rankings[f"fused, {encoder}"] = reranker.ranked
        for title, ranking in rankings.items():
            ndcg, reciprocal, topics = measure(ranking, passages_of, relevant)
            print(f"{title:<40} nDCG {ndcg:.3f}   mean reciprocal rank {reciprocal:.3f}   {topics} topics", flush=True)


if __name__ == "__main__":
    main()

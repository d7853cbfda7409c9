"""Step check: every drafted claim against what it cites, and against the other family. What fails is flagged, never dropped."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from ml_collections import ConfigDict
from pydantic import ValidationError

from prima_jax.corpus.articles import Article, ArticleStore
from prima_jax.corpus.check.agreement import compare, kappa
from prima_jax.corpus.check.citations import check_claim, evidence_of
from prima_jax.corpus.check.details import detail_flags
from prima_jax.corpus.check.instructions import instruction_flags
from prima_jax.corpus.check.judge import Judge, open_judge
from prima_jax.corpus.check.namesakes import namesake_flags
from prima_jax.corpus.claims import DETAILS, Claim
from prima_jax.corpus.folder import CorpusFolder, read_lines, write_lines
from prima_jax.corpus.hashes import json_sha256
from prima_jax.corpus.retrieve.retrieve import read_passages
from prima_jax.corpus.topics import Topic, study_topics, text_words
from prima_jax.corpus.write.synthesise import read_drafts
from prima_jax.corpus.write.writers import writer_name
from prima_jax.errors import UserError
from prima_jax.progress import progress_bar
from prima_jax.studies.study import Study

__all__ = ["direction_pairs", "flags_in_words", "read_claims", "run"]


def run(config: ConfigDict, study: Study, folder: CorpusFolder) -> str:
    """Writes `claims.jsonl`: a line per claim with its id, the offsets of its quotes, its flags, and its counterparts."""
    folder.needs(folder.drafts, "synthesise")
    asked = config.synthesise
    judge = open_judge(config.check.judge, timeout_seconds=asked.timeout_seconds, attempts=asked.attempts)
    retrieved = {topic: frozenset(p.article for p in passages) for topic, passages in read_passages(folder).items()}
    topics = {topic.id: topic for topic in study_topics(study)}
    writers = {writer_name(spec) for spec in config.synthesise.writers}  # others may have written here before
    drafts = [d for d in read_drafts(folder) if "error" not in d and d["topic"] in topics and d["writer"] in writers]
    with ArticleStore(folder.articles) as store:
        articles = store.cited(claim for draft in drafts for claim in draft["claims"])
    rows = list(_rows(drafts, topics, study, articles, retrieved))
    if judge:
        _judge(judge, rows, articles)
    compared = compare(rows)
    claimed = {(row["topic"], row["family"], row["direction"]) for row in rows}
    for row in rows:
        row |= asdict(compared[row["id"]])
        if row["agreement"] == "contradiction":
            row["flags"].append({"code": "contradiction", "message": "Another family claims another direction."})
        row["flags"] += _contradicts_itself(row, claimed)
    write_lines(folder.claims, rows)
    return _summary(rows, folder)


def read_claims(folder: CorpusFolder) -> list[dict[str, Any]]:
    """The checked claims, in the order of topics and writers. Raises UserError before the step check."""
    return list(read_lines(folder.needs(folder.claims, "check")))


def direction_pairs(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The directions of each claim and of the nearest claim that answers it, once for each two families, for Cohen's kappa."""
    by_id = {row["id"]: row for row in rows}
    pairs = []
    for row in by_id.values():
        answers = [by_id[other] for other in row["counterparts"] if other in by_id]
        if answers and row["family"] < answers[0]["family"]:
            pairs.append((row["direction"], answers[0]["direction"]))
    return pairs


def flags_in_words(
    row: Mapping[str, Any], words: Mapping[str, str], topic: Topic, articles: Mapping[str, Article]
) -> list[dict[str, str]]:
    """The flags that a checked claim has in other words, a reviewer's: `words` are its text, direction and strength."""
    citations = [{key: cited[key] for key in ("article", "quote")} for cited in row["citations"]]
    claim = Claim.model_validate({**words, "citations": citations})
    flags = check_claim(
        claim,
        evidence_of(claim, articles),
        articles=articles,
        retrieved=frozenset(articles),
        disease_terms=topic.disease_terms,
        attribute_terms=topic.attribute_terms,
    )
    return [asdict(flag) for flag in flags]


def _rows(
    drafts: list[dict[str, Any]],
    topics: Mapping[str, Topic],
    study: Study,
    articles: Mapping[str, Article],
    retrieved: Mapping[str, frozenset[str]],
) -> Iterator[dict[str, Any]]:
    seen = set()
    for draft in drafts:
        topic = topics[draft["topic"]]
        for drafted in draft["claims"]:
            try:
                claim = Claim.model_validate(drafted)
            except ValidationError as error:
                raise UserError(f"A claim of {draft['writer']} on {topic.id} is damaged; run synthesise again.") from error
            row = _row(claim, draft, topic, study, articles, retrieved.get(topic.id, frozenset()))
            if row["id"] not in seen:
                seen.add(row["id"])
                yield row


def _row(
    claim: Claim,
    draft: Mapping[str, Any],
    topic: Topic,
    study: Study,
    articles: Mapping[str, Article],
    retrieved: frozenset[str],
) -> dict[str, Any]:
    evidence = evidence_of(claim, articles)
    flags = check_claim(
        claim,
        evidence,
        articles=articles,
        retrieved=retrieved,
        disease_terms=topic.disease_terms,
        attribute_terms=topic.attribute_terms,
    )
    flags += namesake_flags(claim, topic) + detail_flags(claim, articles) + instruction_flags(evidence, articles)
    words = text_words(topic.attribute_terms)
    return {
        "id": _identifier(topic, draft["writer"], claim),
        "topic": topic.id,
        "disease": topic.disease,
        "disease_name": study.classes[topic.disease],
        "attribute": topic.attribute,
        "attribute_name": words[0].rstrip("*") if words else topic.attribute,
        "writer": draft["writer"],
        "family": draft["family"],
        "text": claim.text,
        "direction": claim.direction,
        "strength": claim.strength,
        **claim.model_dump(mode="json", include=set(DETAILS)),
        "citations": [{"article": e.article, "quote": e.quote, "start": e.start, "end": e.end} for e in evidence],
        "flags": [asdict(flag) for flag in flags],
    }


def _judge(judge: Judge, rows: list[dict[str, Any]], articles: Mapping[str, Article]) -> None:
    with progress_bar(len(rows), "Judging", "claim") as bar:
        for row in rows:
            cited = [articles[one] for one in dict.fromkeys(c["article"] for c in row["citations"]) if one in articles]
            if cited:
                row["flags"] += [asdict(flag) for flag in judge.flags(row["text"], cited)]
            bar.update()


def _identifier(topic: Topic, writer: str, claim: Claim) -> str:
    """A hash of what is claimed: a claim that changes is another claim, and what was decided does not hold for it."""
    return "c-" + json_sha256([topic.id, writer, claim.model_dump(mode="json", exclude_none=True)])[:16]


def _contradicts_itself(row: Mapping[str, Any], claimed: set[tuple[str, str, str]]) -> list[dict[str, str]]:
    """One family that says both "raises" and "lowers" of one factor has not seen that its sources conflict.

    claimed: (topic, family, direction) of all claims.
    """
    opposite = {"raises": "lowers", "lowers": "raises"}.get(row["direction"], "")
    if row["attribute"] and (row["topic"], row["family"], opposite) in claimed:
        return [{"code": "both_ways", "message": "The same family also claims the opposite on this factor."}]
    return []


def _summary(rows: list[dict[str, Any]], folder: CorpusFolder) -> str:
    flagged = sum(bool(row["flags"]) for row in rows)
    codes = Counter(flag["code"] for row in rows for flag in row["flags"])
    told = ", ".join(f"{code} {count}" for code, count in codes.most_common())
    agreed = kappa(direction_pairs(rows))
    between = "" if agreed is None else f" Cohen's kappa of the families' directions: {agreed:.2f}."
    return f"{len(rows)} claims, {flagged} of them flagged{f' ({told})' if told else ''}: {folder.claims}.{between}"

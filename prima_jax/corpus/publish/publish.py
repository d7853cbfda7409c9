"""Step publish: what the reviewers approved, as a file that is named by its hash, and a card that says how it came about."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from prima_jax.corpus.articles import FILE, Article, ArticleStore
from prima_jax.corpus.check.agreement import kappa
from prima_jax.corpus.check.check import direction_pairs, read_claims
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.publish.card import card_text
from prima_jax.corpus.review.decisions import Outcome
from prima_jax.corpus.review.paragraphs import paragraphs, readings
from prima_jax.corpus.review.planted import Care, care_of, read_planted
from prima_jax.corpus.review.store import ReviewStore
from prima_jax.corpus.write.synthesise import read_drafts
from prima_jax.data.corpus_file import content_hash
from prima_jax.errors import UserError
from prima_jax.files import write_whole
from prima_jax.studies.study import Study

__all__ = ["published_corpora", "run"]

_READ = {"open": "unread", "approved": "read"}


def run(config: ConfigDict, study: Study, folder: CorpusFolder) -> str:
    """Writes `corpus-<hash>.jsonl`, a text per disease and per factor, and its card `corpus-<hash>.md` and `.json`.

    Only what was approved goes in, in the words that were approved, but for paragraphs that a reader rejected; an article
    that was retracted since takes its claims with it. The same decisions give the same file. Raises UserError where nothing was
    approved.
    """
    claims = read_claims(folder)
    with ReviewStore(folder.needs(folder.review, "review")) as reviews:
        reviews.verify()
        decisions, statements = reviews.decisions(), reviews.statements()
        outcomes = reviews.outcomes(claims, config.review.reviewers)
        decided_pairs = reviews.independent_pairs(claims)
    with ArticleStore(folder.articles) as store:
        articles = store.cited(claims)
        searches = store.searches()
    approved, withdrawn = _approved(claims, outcomes, articles)
    if not approved:
        raise UserError(f"None of the {len(claims)} claims was approved: finish the review (step review), then publish.")
    texts = paragraphs(approved, outcomes)
    read = readings(texts, decisions)
    rows = [text for text, reading in zip(texts, read, strict=True) if reading.state != "rejected"]
    if not rows:
        raise UserError("Every paragraph was rejected: there is nothing to publish.")
    behind = [name for c in approved for name in outcomes[c["id"]].reviewers] + [n for one in read for n in one.reviewers]
    unread = sum(one.state == "open" for one in read)
    vetted = not unread and all(statements[name]["role"] == "physician" for name in behind)
    planted = read_planted(folder)
    stated = [
        statements[name] | _care(care_of(name, decisions, planted))
        for name in {name for one in outcomes.values() for name in one.reviewers}
    ]
    lines = "".join(json.dumps(row | {"vetted": vetted}, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    name = f"corpus-{content_hash(lines.encode())}"
    card = {
        "corpus": name,
        "study": study.name,
        "vetted": vetted,
        "texts": lines.count("\n"),
        "claims": dict(Counter[str](outcomes[c["id"]].state for c in claims)) | {"withdrawn_as_retracted": len(withdrawn)},
        "paragraphs": dict(sorted(Counter(_READ.get(one.state, one.state) for one in read).items())),
        "paragraphs_rejected": [
            {"disease": text["disease"], "attribute": text["attribute"], "reasons": list(one.reasons)}
            for text, one in zip(texts, read, strict=True)
            if one.state == "rejected"
        ],
        "reviewers_needed": config.review.reviewers,
        "reviewers": dict(sorted(Counter(one["role"] for one in stated).items())),
        "reviewers_stated": sorted(stated, key=lambda one: json.dumps(one)),  # in an order that tells no names
        "kappa_families": kappa(direction_pairs(claims)),
        "kappa_reviewers": kappa(decided_pairs),
        "pairs": {"families": len(direction_pairs(claims)), "reviewers": len(decided_pairs)},
        "writers": _writers(folder),
        "flags": dict(Counter(flag["code"] for c in claims for flag in c["flags"]).most_common()),
        "rejected": _rejected(claims, outcomes),
        "searches": [
            {"query": query, "translation": translation, "hits": hits, "day": day}
            for query, translation, hits, day in searches
            if not query.startswith(FILE)
        ],
        "files": [
            {"file": query.removeprefix(FILE), "articles": hits, "day": day}
            for query, _, hits, day in searches
            if query.startswith(FILE)
        ],
        "retracted": sorted(
            {x["article"] for c in withdrawn for x in c["citations"] if _is_retracted(articles.get(x["article"]))}
        ),
        "sources": [
            _source(a, articles.get(a))
            for a in sorted({x["article"] for row in rows for c in row["claims"] for x in c["sources"]})
        ],
    }
    _keep(folder.path / f"{name}.json", json.dumps(card, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
    _keep(folder.path / f"{name}.md", card_text(card))
    _keep(folder.path / f"{name}.jsonl", lines)  # last, so that no corpus is there without its card
    count = sum(len(claim["ids"]) for row in rows for claim in row["claims"])
    why = f"nobody has read {unread} of the paragraphs (step review)" if unread else "not all who approved are physicians"
    return (
        f"{count} approved claims in {card['texts']} texts: {folder.path / name}.jsonl, its card {name}.md"
        f"{'' if vetted else f'. NOT VETTED: {why}'}."
    )


def published_corpora(folder: CorpusFolder) -> list[Path]:
    """The published corpora of a folder, the newest last."""
    return sorted(folder.path.glob("corpus-*.jsonl"), key=lambda path: (path.stat().st_mtime_ns, path.name))


def _approved(
    claims: Sequence[Mapping[str, Any]], outcomes: Mapping[str, Outcome], articles: Mapping[str, Article]
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Approved claims whose articles still stand, and those that a retraction has taken since."""
    approved = [claim for claim in claims if outcomes[claim["id"]].state == "approved"]
    fallen = [c for c in approved if any(_is_retracted(articles.get(x["article"])) for x in c["citations"])]
    gone = {claim["id"] for claim in fallen}
    return [claim for claim in approved if claim["id"] not in gone], fallen


def _is_retracted(article: Article | None) -> bool:
    return article is not None and article.retracted


def _care(care: Care) -> dict[str, Any]:
    return {"planted_caught": care.caught, "planted_missed": care.missed, "seconds_per_claim": care.seconds}


def _writers(folder: CorpusFolder) -> list[dict[str, Any]]:
    """What each writer was and did: versions, prompts, settings, tokens, cost where prices were given, failures."""
    found: dict[str, dict[str, Any]] = {}
    for draft in read_drafts(folder):
        one = found.setdefault(draft["writer"], {"writer": draft["writer"], "topics": 0, "claims": 0, "failed": 0})
        if "error" in draft:
            one["failed"] += 1
            continue
        one["topics"] += 1
        one["claims"] += len(draft["claims"])
        for key in ("input_tokens", "output_tokens"):
            one[key] = one.get(key, 0) + draft.get(key, 0)
        if "cost" in draft:
            one["cost"] = one.get("cost", 0.0) + draft["cost"]
        for key in ("family", "model", "prompt_sha256", "schema_sha256", "temperature", "seed", "sdk"):
            values = one.setdefault(key, [])
            if draft.get(key) is not None and draft[key] not in values:
                values.append(draft[key])
    return list(found.values())


def _rejected(claims: Sequence[Mapping[str, Any]], outcomes: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """What was rejected, and the reasons given; never in words that were not approved."""
    return [
        {
            **{key: c[key] for key in ("id", "topic", "writer")},
            "flags": [f["code"] for f in c["flags"]],
            "reasons": list(o.reasons),
        }
        for c in claims
        if (o := outcomes[c["id"]]).state == "rejected"
    ]


def _source(identifier: str, article: Article | None) -> dict[str, Any]:
    """How to find an article, and what is known of its licence. A source that a writer made up may have been approved."""
    if article is None:
        nothing: dict[str, Any] = {"title": "", "year": None, "journal": "", "types": [], "url": ""}
        return {"article": identifier, **nothing, "licence": "unknown: no article of this corpus"}
    return {
        "article": article.id,
        "title": article.title,
        "year": article.year,
        "journal": article.journal,
        "types": list(article.types),
        "url": article.page,
        "licence": article.licence or "unknown: its text may not be handed on",
    }


def _keep(path: Path, content: str) -> None:
    """Writes a file that nobody should change, and marks it as the newest. Only a card can differ from one that is there."""
    encoded = content.encode()
    if path.exists() and path.read_bytes() == encoded:
        os.utime(path)
        return
    write_whole(path, encoded, read_only=True)

"""Step learn: stage 1 on a published corpus without the claims of some articles, and what it knows of those before and after."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from prima_jax.corpus.articles import ArticleStore
from prima_jax.corpus.folder import CorpusFolder, read_lines
from prima_jax.corpus.learn.base_encoder import train_base
from prima_jax.corpus.learn.measure import embeddings, masked_recall, pseudo_perplexity, spans_to_tokens
from prima_jax.corpus.learn.report import report_text, summary
from prima_jax.corpus.publish.publish import published_corpora
from prima_jax.corpus.topics import find_terms, study_topics, text_words
from prima_jax.data.corpus_file import content_hash, read_corpus
from prima_jax.data.text import tokenize
from prima_jax.errors import UserError
from prima_jax.files import write_whole
from prima_jax.models import lora, peft, pretrained
from prima_jax.stages import knowledge
from prima_jax.stages.backbones import Backbones
from prima_jax.stages.context import Workspace
from prima_jax.stages.pipeline import fitting_tokenizer
from prima_jax.studies.study import Study
from prima_jax.training.parallel import Parallel

__all__ = ["held_out_articles", "run"]


def run(config: ConfigDict, study: Study, folder: CorpusFolder) -> str:
    """Trains adapters on the newest corpus as stage 1 does, without the claims of some articles, and measures on those.

    Writes `learned/<corpus>-<hash of texts and settings>/`: `adapter/` in PEFT's format, `report.json`, `report.md`.
    Raises UserError: no corpus, settings that train no adapters, too few texts.
    """
    _check(config)
    corpora = published_corpora(folder)
    if not corpora:
        raise UserError(f"There is no published corpus in {folder.path}: run the step publish first.")
    corpus = corpora[-1]
    vetted = read_corpus(corpus, "text").vetted
    rows = list(read_lines(corpus))
    hidden = held_out_articles(rows, config.learn.held_out)
    texts, held_out = split(rows, hidden)
    if not held_out or len(texts) < config.knowledge.batch_size:
        raise UserError(
            f"{corpus.name} gives {len(texts)} texts to train on and {len(held_out)} claims to hold out; there should be "
            f"knowledge.batch_size = {config.knowledge.batch_size} or more, and one or more: publish more claims."
        )
    weights, base = _weights(config, folder, rows, hidden)
    place = folder.learned / f"{corpus.stem}-{_key(config, weights, texts)}"
    workspace = _workspace(config, place, weights)
    tokenizer = fitting_tokenizer(workspace, "text", weights)
    learned = knowledge.learn(workspace, None, tokenizer, texts)
    encoder = workspace.text_encoder
    adapters: dict[str, Any] = {name: learned.after[name] for name in ("lora", "lora_scale")}
    peft.save_adapters(place / "adapter", encoder.module, adapters, base_model=str(weights))
    report = {
        "corpus": corpus.stem,
        "vetted": vetted,
        "base": base,
        "texts": len(texts),
        "held_out_claims": len(held_out),
        "held_out_articles": len(hidden),
        "rank": config.knowledge.rank,
        "trained_share": lora.count(encoder.variables["params"], adapters).fraction,
        "epochs": config.knowledge.epochs,
        "fresh_head": not pretrained.has_head(encoder.module),
    }
    for when, variables in (("before", learned.before), ("after", learned.after)):
        length = config.knowledge.max_length
        report[when] = _measure(learned.module, variables, tokenizer, study, rows, held_out, length)
    told = json.dumps(report, indent=1, sort_keys=True) + "\n"
    write_whole(place / "report.json", told.encode())
    write_whole(place / "report.md", report_text(report).encode())
    return f"{summary(report)} {place}/report.md."


def held_out_articles(rows: Iterable[Mapping[str, Any]], share: float) -> set[str]:
    """About `share` of the cited articles, chosen by the hash of their ids, so that more claims do not move the others."""
    cited = {source["article"] for row in rows for claim in row["claims"] for source in claim["sources"]}
    ranked = sorted(cited, key=lambda article: hashlib.sha256(article.encode()).hexdigest())
    return set(ranked[: round(share * len(ranked))])


def split(rows: Sequence[Mapping[str, Any]], hidden: set[str]) -> tuple[list[str], list[dict[str, Any]]]:
    """The texts without any claim that rests on a hidden article, and the claims that rest on nothing else.

    A held-out claim whose words also stand in a text is not held out.
    """
    texts, held_out = [], []
    for row in rows:
        kept = [claim["text"] for claim in row["claims"] if not hidden & {s["article"] for s in claim["sources"]}]
        if kept:
            texts.append(" ".join(kept))
        for claim in row["claims"]:
            if all(source["article"] in hidden for source in claim["sources"]):
                held_out.append({"text": claim["text"], "disease": row["disease"], "attribute": row["attribute"]})
    read = " ".join(texts)
    return texts, [claim for claim in held_out if claim["text"] not in read]


def _check(config: ConfigDict) -> None:
    if config.knowledge.rank < 1:
        raise UserError("knowledge.rank is 0, which trains no adapters: set --config.knowledge.rank=8.")
    if not 0 < config.learn.held_out < 1:
        raise UserError(f"learn.held_out should be a share between 0 and 1, not {config.learn.held_out}.")


def _key(config: ConfigDict, weights: Path, texts: Sequence[str]) -> str:
    """Of all that the adapters depend on, so that what was trained with other settings is not taken for them."""
    optimizer = [config.warmup_fraction, config.adam_b2, config.clip_norm]
    settings = [config.knowledge.to_dict(), config.seed, optimizer, config.dtype, str(weights), list(texts)]
    return content_hash(json.dumps(settings, sort_keys=True, default=list).encode())


def _weights(
    config: ConfigDict, folder: CorpusFolder, rows: Sequence[Mapping[str, Any]], hidden: set[str]
) -> tuple[Path, dict[str, Any]]:
    """The text encoder's checkpoint; without weights a small one, trained on prose that is neither corpus nor held out."""
    if config.models.text.weights:
        return Path(config.models.text.weights), {"weights": str(config.models.text.weights)}
    with ArticleStore(folder.articles) as store:
        claimed = [claim["text"] for row in rows for claim in row["claims"]]
        return train_base(config, folder.learned, [a for a in store if a.id not in hidden and not a.retracted], claimed)


def _workspace(config: ConfigDict, place: Path, weights: Path) -> Workspace:
    """Returns a workspace of an experiment, in which stage 1 runs on the chosen weights."""
    config = ConfigDict(config.to_dict())
    config.models.text.weights = str(weights)
    return Workspace(config, place, Parallel(config.parallel), Backbones(config))


def _measure(
    module: Any,
    variables: Mapping[str, Any],
    tokenizer: Any,
    study: Study,
    rows: Sequence[Mapping[str, Any]],
    held_out: Sequence[Mapping[str, Any]],
    max_length: int,
) -> dict[str, Any]:
    texts = [claim["text"] for claim in held_out]
    tokens = tokenize(tokenizer, texts, max_length)
    terms = {(t.disease, t.attribute): t for t in study_topics(study)}
    raw = {words: label for label, words in study.classes.items()}
    places: dict[str, list[list[tuple[int, int]]]] = {"disease": [], "factor": []}
    for claim in held_out:
        topic = terms[raw[claim["disease"]], claim["attribute"]]
        places["disease"].append(find_terms(claim["text"], topic.disease_terms))
        places["factor"].append(find_terms(claim["text"], topic.attribute_terms))
    recalled = {
        what: masked_recall(
            module, variables, tokens, spans_to_tokens(tokenizer, texts, found, tokens.ids.shape[1]), tokenizer.mask_token_id
        )
        for what, found in places.items()
    }
    return {
        "pseudo_perplexity": pseudo_perplexity(module, variables, tokens, tokenizer.mask_token_id),
        **recalled,
        "cosine": _cosines(module, variables, tokenizer, study, rows),
    }


def _cosines(
    module: Any, variables: Mapping[str, Any], tokenizer: Any, study: Study, rows: Sequence[Mapping[str, Any]]
) -> dict[str, float | None]:
    """The mean cosine of two factors that the corpus relates to one disease, and of two that it does not."""
    names = {a.name: text_words(a.terms)[0].rstrip("*") for a in study.shown() if text_words(a.terms)}
    related: set[frozenset[str]] = set()
    for disease in study.classes.values():
        about = {row["attribute"] for row in rows if row["disease"] == disease and row["attribute"] in names}
        related |= {frozenset((one, other)) for one in about for other in about if one != other}
    if len(names) < 2:
        return {"related": None, "unrelated": None}
    keys = list(names)
    vectors = embeddings(module, variables, tokenizer, [names[key] for key in keys])
    values: dict[str, list[float]] = {"related": [], "unrelated": []}
    for i, one in enumerate(keys):
        for j in range(i):
            values["related" if frozenset((one, keys[j])) in related else "unrelated"].append(float(vectors[i] @ vectors[j]))
    return {kind: float(np.mean(found)) if found else None for kind, found in values.items()}

"""Step learn: stage 1 on a published corpus without the claims of some articles, and what it knows of those afterwards."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from prima_jax.corpus.articles import ArticleStore
from prima_jax.corpus.folder import CorpusFolder, read_lines
from prima_jax.corpus.learn.base_encoder import train_base
from prima_jax.corpus.learn.held_out import HeldOut, held_out_articles, normal, shuffled, split
from prima_jax.corpus.learn.measure import PERPLEXITY, Figure, difference, intervals, losses, reciprocal_ranks, spans_to_tokens
from prima_jax.corpus.learn.report import report_text, summary
from prima_jax.corpus.publish.publish import published_corpora
from prima_jax.corpus.topics import find_terms, study_topics
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

__all__ = ["run"]


def run(config: ConfigDict, study: Study, folder: CorpusFolder) -> str:
    """Trains adapters on the newest corpus as stage 1 does, without the claims of some articles, and measures on those.

    The same training on texts without any sense, their words shuffled within each sentence, is the control. Writes
    `learned/<corpus>-<hash of texts and settings>/`: `adapter/` in PEFT's format, `report.json`, `report.md`.
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
    workspace, control = _workspace(config, place, weights), _workspace(config, place / "control", weights)
    tokenizer = fitting_tokenizer(workspace, "text", weights)
    learned = knowledge.learn(workspace, None, tokenizer, texts)
    of_control = knowledge.learn(control, None, tokenizer, shuffled(texts, config.seed))
    encoder = workspace.text_encoder
    adapters: dict[str, Any] = {name: learned.after[name] for name in ("lora", "lora_scale")}
    peft.save_adapters(place / "adapter", encoder.module, adapters, base_model=str(weights))
    known = {
        name: _measure(learned.module, variables, tokenizer, study, held_out, config.knowledge.max_length)
        for name, variables in (("before", learned.before), ("control", of_control.after), ("after", learned.after))
        if name != "before" or pretrained.has_head(encoder.module)
    }
    report = {
        "corpus": corpus.stem,
        "vetted": vetted,
        "base": base,
        "texts": len(texts),
        "held_out_claims": len(held_out),
        "held_out_articles": len({claim.article for claim in held_out}),
        "rank": config.knowledge.rank,
        "trained_share": lora.count(encoder.variables["params"], adapters).fraction,
        "epochs": config.knowledge.epochs,
        "figures": _figures(known, [claim.article for claim in held_out]),
    }
    told = json.dumps(report, indent=1, sort_keys=True) + "\n"
    write_whole(place / "report.json", told.encode())
    write_whole(place / "report.md", report_text(report).encode())
    return f"{summary(report)} {place}/report.md."


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
        claimed = {normal(claim["text"]) for row in rows for claim in row["claims"]}
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
    held_out: Sequence[HeldOut],
    max_length: int,
) -> dict[str, Figure]:
    texts = [claim.text for claim in held_out]
    tokens = tokenize(tokenizer, texts, max_length)
    raw = {words: label for label, words in study.classes.items()}
    topics = {(topic.disease, topic.attribute): topic for topic in study_topics(study)}
    terms = [[topics[raw[disease], attribute] for disease, attribute in claim.topics] for claim in held_out]
    places = {
        "disease": [_places(c.text, [t.disease_terms for t in on]) for c, on in zip(held_out, terms, strict=True)],
        "factor": [_places(c.text, [t.attribute_terms for t in on]) for c, on in zip(held_out, terms, strict=True)],
    }
    mask = tokenizer.mask_token_id
    return {PERPLEXITY: losses(module, variables, tokens, mask)} | {
        what: reciprocal_ranks(module, variables, tokens, spans_to_tokens(tokenizer, texts, found, tokens.ids.shape[1]), mask)
        for what, found in places.items()
    }


def _places(text: str, terms: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Where the text names a term of any of its topics, each place once."""
    return sorted({place for words in terms for place in find_terms(text, words)})


def _figures(known: Mapping[str, Mapping[str, Figure]], articles: Sequence[str]) -> dict[str, Any]:
    """Of each model, and of the differences: figure -> {"estimate", "low", "high"}, or None."""
    found = {name: intervals(figures, articles) for name, figures in known.items()}
    for other in [name for name in known if name != "after"]:
        found[f"after_less_{other}"] = difference(known["after"], known[other], articles)
    return {name: {key: one and asdict(one) for key, one in figures.items()} for name, figures in found.items()}

"""A small text encoder where there are no published weights: trained on the articles' prose, so that there is one to adapt.

It stands for Clinical ModernBERT where that is not at hand (the demo, the tests), and says nothing about medicine.
"""

import json
from collections.abc import Iterable, Set
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from prima_jax.corpus.articles import Article
from prima_jax.corpus.learn.held_out import normal
from prima_jax.corpus.sentences import split_sentences
from prima_jax.data.corpus_file import content_hash
from prima_jax.data.text import load_tokenizer, train_tokenizer
from prima_jax.errors import UserError
from prima_jax.files import whole_folder
from prima_jax.models import pretrained
from prima_jax.stages import knowledge
from prima_jax.stages.backbones import Backbones
from prima_jax.stages.context import Workspace
from prima_jax.training.parallel import Parallel

__all__ = ["train_base"]

SENTENCES = 3
"""In a text of the prose."""


def train_base(config: ConfigDict, folder: Path, articles: Iterable[Article], claimed: Set[str]) -> tuple[Path, dict[str, Any]]:
    """Returns a checkpoint folder `folder/base-<hash>/`, and what the report says of it.

    Sentences that became claims are left out, so that what the adapters add is not known before.
    """
    epochs = config.learn.prose_epochs
    if not epochs:
        raise UserError("There are no weights to adapt: set --config.models.text.weights to a folder, or learn.prose_epochs.")
    texts = prose(articles, claimed)
    whole = ConfigDict(config.to_dict())
    whole.knowledge.update({"rank": 0, "epochs": epochs})
    settings = [whole.knowledge.to_dict(), whole.models.text.to_dict(), whole.text.to_dict(), whole.seed, texts]
    base = folder / f"base-{content_hash(json.dumps(settings, sort_keys=True, default=list).encode())}"
    notes = {"prose_texts": len(texts), "prose_epochs": epochs, "random_start": True}
    if base.is_dir():
        return base, notes
    work = base.with_name(f"{base.name}-training")
    if not (work / "tokenizer").is_dir():
        train_tokenizer(texts, work / "tokenizer", vocabulary_size=config.text.vocabulary_size)
    tokenizer = load_tokenizer(work / "tokenizer")
    workspace = Workspace(whole, work, Parallel(whole.parallel), Backbones(whole))
    variables = knowledge.without_head(workspace, knowledge.learn(workspace, None, tokenizer, texts).after)
    with whole_folder(base) as temporary:
        pretrained.save_pretrained(temporary, workspace.text_encoder.module, variables)
        tokenizer.save_pretrained(str(temporary))
    return base, notes


def prose(articles: Iterable[Article], claimed: Set[str]) -> list[str]:
    """Texts of a few sentences each, without those whose words are `claimed`, in the form of `normal`."""
    texts = []
    for article in articles:
        abstract = article.abstract
        sentences = [s for a, b in split_sentences(abstract) if normal(s := abstract[a:b]) not in claimed]
        texts += [" ".join(sentences[n : n + SENTENCES]) for n in range(0, len(sentences), SENTENCES)]
    return texts

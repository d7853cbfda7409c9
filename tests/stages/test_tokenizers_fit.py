"""A tokenizer with ids beyond a model's embeddings is refused before anything is trained."""

import re
from dataclasses import replace

import pytest

from prima_jax.data import text
from prima_jax.errors import UserError
from prima_jax.stages import pipeline
from tests.stages.tiny import ONE_LAYER


@pytest.mark.parametrize("name", ["text", "llm"])
def test_both_sizes_are_told(name, study, tmp_path):
    context = study.context(tmp_path, **ONE_LAYER)
    fold = study.fold(context)
    tokenizers = pipeline.make_tokenizers(context, fold)
    ids = len(tokenizers.llm)
    config = context.config.copy_and_resolve_references()
    config.models[name].architecture.vocab_size = ids - 1
    short = replace(study.context(tmp_path, **ONE_LAYER), config=config)
    with pytest.raises(UserError, match=re.escape(f"has {ids} ids, where models.{name} has embeddings for {ids - 1}:")) as raised:
        pipeline.make_tokenizers(short, fold)
    assert str(raised.value).endswith(".") and "\n" not in str(raised.value)
    config.models[name].architecture.vocab_size = ids
    pipeline.make_tokenizers(short, fold)


def test_added_tokens_count(study, tmp_path):
    """What a published tokenizer's own vocabulary does not hold, such as special tokens that were added to it later."""
    context = study.context(tmp_path, **ONE_LAYER)
    fold = study.fold(context)
    tokenizer = pipeline.make_tokenizers(context, fold).text
    rows = context.vocabulary_size("text")
    tokenizer.add_tokens([f"<added {n}>" for n in range(rows - len(tokenizer))])
    tokenizer.save_pretrained(str(tmp_path / "full"))
    assert len(pipeline.fitting_tokenizer(context, "text", tmp_path / "full")) == rows
    tokenizer.add_tokens(["<one too many>"])
    tokenizer.save_pretrained(str(tmp_path / "over"))
    assert len(text.load_tokenizer(tmp_path / "over")) == rows + 1
    with pytest.raises(UserError, match=f"has {rows + 1} ids"):
        pipeline.fitting_tokenizer(context, "text", tmp_path / "over")

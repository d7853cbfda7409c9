"""Passages ranked anew: fusion as computed by hand, pooling as loops have it, the same file twice. The texts are invented."""

import numpy as np
import pytest

from configs.corpus import get_config
from prima_jax.corpus.articles import Article, ArticleStore
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.retrieve import rerank, retrieve
from prima_jax.corpus.retrieve.rerank import Reranker, fuse, mean_pooled
from prima_jax.data.text import train_tokenizer
from prima_jax.errors import UserError
from prima_jax.models import pretrained
from prima_jax.studies.study_config import load_study

TEXTS = [f"Smoking and melanoma met in year {year}{' and again' * (year % 5)}. Nothing was found." for year in range(2000, 2012)]
CONFIG = {
    "model_type": "modernbert", "vocab_size": 300, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "local_attention": 8, "global_attn_every_n_layers": 2, "pad_token_id": 0, "initializer_range": 0.5,
}  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A tiny text encoder drawn at random."""
    folder = tmp_path_factory.mktemp("encoder")
    train_tokenizer(TEXTS, folder / "weights", vocabulary_size=300)
    module = pretrained.build(CONFIG)
    pretrained.save_pretrained(folder / "weights", module, pretrained.init_random(module, 0))
    return folder / "weights"


def test_reciprocal_ranks_by_hand():
    # BM25's order is 1, 2, 3; by cosine the third is first, then the first, then the second:
    # 1/101 + 1/102 = 0.019705, 1/102 + 1/103 = 0.019513, 1/103 + 1/101 = 0.019610
    assert fuse(np.array([0.5, 0.1, 0.9])) == [0, 2, 1]


def test_a_tie_leaves_the_order_of_bm25():
    assert fuse(np.array([0.1, 0.9])) == [0, 1]  # 1/101 + 1/102, twice
    assert fuse(np.array([0.5, 0.5, 0.5])) == [0, 1, 2]


def test_pooling_equals_a_loop_in_float64():
    rng = np.random.default_rng(0)
    states, lengths = rng.standard_normal((4, 7, 5)), [1, 3, 7, 4]
    mask = np.arange(7) < np.array(lengths)[:, None]
    expected = []
    for row, length in zip(states, lengths, strict=True):
        mean = sum(row[position] for position in range(length)) / length
        expected.append(mean / np.sqrt(sum(value**2 for value in mean)))
    # float32: means of seven numbers of size one, 1e-6 is ten units in the last place
    np.testing.assert_allclose(mean_pooled(states, mask), expected, atol=1e-6)


def test_a_text_has_the_same_vector_alone_and_in_a_batch(weights):
    alone = np.concatenate([Reranker(weights).vectors([text]) for text in TEXTS])
    # float32 in other batches and lengths; 2e-7 was seen
    np.testing.assert_allclose(Reranker(weights).vectors(TEXTS * 4)[-len(TEXTS) :], alone, atol=2e-6)


def test_no_text_is_embedded_twice(weights, monkeypatch):
    embedded = []
    embed = Reranker._embed
    monkeypatch.setattr(Reranker, "_embed", lambda self, texts: embedded.extend(texts) or embed(self, texts))
    reranker = Reranker(weights)
    reranker.vectors(["one", "two", "one"])
    reranker.vectors(["two", "three"])
    assert embedded == ["one", "two", "three"]


def run(path, **settings):
    """The bytes of passages.jsonl."""
    path.mkdir()
    folder = CorpusFolder(path)
    with ArticleStore(folder.articles) as store:
        store.add([(Article(str(90000000 + n), "Invented, on the skin", (("", text),)), b"") for n, text in enumerate(TEXTS)])
    config = get_config("demo")
    config.retrieve.update(settings)
    retrieve.run(config, load_study(config), folder)
    return folder.passages.read_bytes(), retrieve.read_passages(folder)["MEL/smoke"]


def test_off_by_default(tmp_path, weights, monkeypatch):
    assert get_config("").retrieve.rerank is None
    monkeypatch.setattr(rerank, "Reranker", None)
    run(tmp_path / "off")


def test_the_fused_order_is_written_and_the_same_twice(tmp_path, weights):
    plain, by_words = run(tmp_path / "plain")
    first, fused = run(tmp_path / "first", rerank=str(weights))
    again, _ = run(tmp_path / "again", rerank=str(weights))
    assert first == again != plain
    assert sorted(p.text for p in fused) == sorted(p.text for p in by_words)
    order = Reranker(weights).ranked("query", by_words)
    assert [p.text for p in order] != [p.text for p in by_words]


def test_the_best_come_from_more_than_are_kept(tmp_path, weights):
    _, all_of_them = run(tmp_path / "all", rerank=str(weights))
    _, few = run(tmp_path / "few", rerank=str(weights), passages=3)
    assert few == all_of_them[:3]  # though BM25 alone would have kept three others


@pytest.mark.parametrize("broken", ["nowhere", "no tokenizer", "an image encoder"])
def test_what_is_no_text_encoder_is_told_in_one_sentence(tmp_path, weights, broken):
    place = tmp_path / broken
    if broken == "no tokenizer":
        module, variables = pretrained.from_pretrained(weights)
        pretrained.save_pretrained(place, module, variables)
    elif broken == "an image encoder":
        sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 8}
        module = pretrained.build({"model_type": "dinov3_vit", **sizes, "image_size": 16})
        pretrained.save_pretrained(place, module, pretrained.init_random(module, 0))
    with pytest.raises(UserError) as error:
        run(tmp_path / "corpus", rerank=str(place))
    assert str(place) in str(error.value) and "\n" not in str(error.value)

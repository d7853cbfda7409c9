"""The published tokenizers on what the studies write, beside the `tokenizers` library's own reading of the same files.

ModernBERT's reads the sentences. Qwen3's reads no sentence: it gives the class tokens, and the words that the special tokens
start from. Sentences pass it all the same. Clinical ModernBERT's own file is not at hand; ModernBERT's stands for it here.
"""

import json
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from tokenizers import Tokenizer

from configs import aqua, my_cohort, pad_ufes_20
from configs.aqua_study import get_study
from prima_jax.data.text import class_token_ids, load_tokenizer, sentence, tokenize
from prima_jax.models.diagnoser import special_tokens
from prima_jax.studies.study import Attribute, Value
from prima_jax.studies.study_config import study_from_config
from prima_jax.studies.synthetic.corpus import corpus_lines
from tests.data.cohort import shared_folder
from tests.studies.pad_ufes_20 import PAD_UFES_20

STUDIES = {
    "pad_ufes_20": (PAD_UFES_20, pad_ufes_20.get_config()),
    "aqua": (study_from_config(get_study()), aqua.get_config()),  # the synthetic study's format, too
    "my_cohort": (study_from_config(my_cohort.STUDY), my_cohort.get_config()),
}
OWN_WORDS = ("left shoulder", "nose / lip", "Oberschenkel (außen)", "côté gauche", "背中")
"""For an attribute whose raw values are its words."""

EVERY_TOKENIZER = pytest.mark.parametrize("tokenizer", ["modernbert", "qwen3"], indirect=True)
EVERY_STUDY = pytest.mark.parametrize("name", STUDIES)


class Published(NamedTuple):
    ours: Any
    """As load_tokenizer gives it."""
    raw: Tokenizer
    """As the tokenizers library reads tokenizer.json; transformers builds Qwen3's anew from its own source."""
    special: frozenset[int]
    """Ids that the file itself calls special, [UNK] among them; Qwen3's has no such token."""


@cache
def published(name: str) -> Published:
    folder = shared_folder("tokenizers", name)
    raw = Tokenizer.from_file(str(folder / "tokenizer.json"))
    special = frozenset(number for number, token in raw.get_added_tokens_decoder().items() if token.special)
    return Published(load_tokenizer(folder), raw, special)


@pytest.fixture
def tokenizer(request) -> Published:
    return published(request.param)


@pytest.fixture
def modernbert() -> Published:
    return published("modernbert")


@pytest.fixture
def qwen3() -> Published:
    return published("qwen3")


def words_alone(tokenizer: Published, texts: Iterable[str]) -> list[list[int]]:
    return tokenizer.ours(list(texts), add_special_tokens=False)["input_ids"]


def values(attribute: Attribute) -> list[Value]:
    """All of a category or a yes/no; of a number, its edges, just below them, and what a form may hold, tenths included."""
    if attribute.kind == "yes_no":
        return [True, False]
    if attribute.kind == "category":
        return list(dict.fromkeys(attribute.values.values() or OWN_WORDS))
    return [
        *attribute.bins,
        *(edge - 0.1 for edge in attribute.bins),
        *map(float, range(121)),
        *(n / 10 for n in range(3, 1300, 7)),
    ]


@cache
def clauses(name: str) -> dict[str, list[str]]:
    """Every clause of a study, by attribute."""
    study, _ = STUDIES[name]
    return {a.name: [sentence(study, {a.name: value}) for value in values(a)] for a in study.shown()}


def odd_clauses(name: str) -> list[str]:
    """With numbers that no patient has: six digits and an exponent, the most that a clause writes."""
    study, _ = STUDIES[name]
    rng, numbers = np.random.default_rng(0), [a.name for a in study.shown() if a.kind == "number"]
    odd = rng.uniform(-10, 10, 200) * 10.0 ** rng.integers(-12, 12, 200)
    return [sentence(study, {name: float(value)}) for name in numbers for value in odd]


def drawn(name: str, count: int = 200) -> list[list[str]]:
    """Clauses of patients of whom each attribute is known with a probability of its own, so that any two may be neighbours."""
    rng, found = np.random.default_rng(1), []
    for _ in range(count):
        rate = rng.random()
        found.append([rng.choice(written) for written in clauses(name).values() if rng.random() < rate])
    return [[str(clause) for clause in patient] for patient in found]


def longest(tokenizer: Published, name: str) -> str:
    """The sentence of each attribute's longest clause."""
    return " ".join(max(written, key=lambda c: len(tokenizer.raw.encode(f" {c}").ids)) for written in clauses(name).values())


def everything(tokenizer: Published, name: str) -> list[str]:
    """Each clause alone, odd numbers, patients drawn at random, the longest sentence, and none at all."""
    alone = [clause for written in clauses(name).values() for clause in written]
    return [*alone, *odd_clauses(name), *map(" ".join, drawn(name)), longest(tokenizer, name), ""]


def check_texts(tokenizer: Published, texts: list[str]) -> None:
    """They decode to themselves, hold no unknown or special token, and are read alike by the library itself."""
    ids = words_alone(tokenizer, texts)
    assert ids == [e.ids for e in tokenizer.raw.encode_batch(texts, add_special_tokens=False)]
    assert [tokenizer.ours.decode(row) for row in ids] == texts
    assert [tokenizer.raw.decode(row, skip_special_tokens=False) for row in ids] == texts
    assert not tokenizer.special & set().union(*ids)


@EVERY_TOKENIZER
@EVERY_STUDY
def test_whatever_a_study_can_write_decodes_to_itself(tokenizer, name):
    check_texts(tokenizer, everything(tokenizer, name))


@EVERY_TOKENIZER
def test_a_cohorts_own_words_survive_in_any_script(tokenizer):
    """Up to composition: both tokenizers compose an accent with its letter, so that the two spellings of é are one."""
    rng = np.random.default_rng(0)
    letters = [c for c in map(chr, rng.integers(0x20, 0x30000, 4000)) if unicodedata.category(c)[0] in "LNPS"]
    texts = [f"The mole is on the {''.join(rng.choice(letters, 12))}." for _ in range(200)]
    check_texts(tokenizer, [unicodedata.normalize("NFC", text) for text in texts])
    assert words_alone(tokenizer, ["de\u0301collete\u0301"]) == words_alone(tokenizer, ["d\u00e9collet\u00e9"])


@EVERY_TOKENIZER
@EVERY_STUDY
def test_a_clause_has_the_same_tokens_whatever_stands_before_it(tokenizer, name):
    """So the sentence of the longest clauses is the longest there is, and leaving a field out changes no other's tokens."""
    patients = [patient for patient in drawn(name) if patient]
    for patient, whole in zip(patients, words_alone(tokenizer, map(" ".join, patients)), strict=True):
        parts = words_alone(tokenizer, [patient[0], *(f" {clause}" for clause in patient[1:])])
        assert whole == [token for part in parts for token in part]


@EVERY_STUDY
def test_no_sentence_loses_its_end(modernbert, name):
    _, config = STUDIES[name]
    tokens = tokenize(modernbert.ours, everything(modernbert, name), config.text.max_length)
    most = int(tokens.mask.sum(axis=1).max())
    print(f"{name}: the longest sentence has {most} tokens of {config.text.max_length}")
    assert tokens.truncated == 0
    assert most == len(modernbert.raw.encode(longest(modernbert, name)).ids)


def test_the_synthetic_corpus_decodes_to_itself_and_loses_no_end(modernbert):
    _, config = STUDIES["aqua"]
    texts = [line["text"] for seed in range(3) for line in corpus_lines(seed)]
    check_texts(modernbert, texts)
    tokens = tokenize(modernbert.ours, texts, config.knowledge.max_length)
    print(f"corpus: the longest text has {tokens.mask.sum(axis=1).max()} tokens of {config.knowledge.max_length}")
    assert tokens.truncated == 0


@pytest.mark.parametrize("max_length", [192, 20])
def test_frame_padding_and_masks_are_those_of_the_tokenizer_called_directly(modernbert, max_length):
    """Also where texts are cut: at 20 tokens many are."""
    texts = everything(modernbert, "pad_ufes_20")
    tokens = tokenize(modernbert.ours, texts, max_length)
    length = tokens.ids.shape[1]
    direct = modernbert.ours(
        texts, padding="max_length", truncation=True, max_length=length, return_special_tokens_mask=True, return_tensors="np"
    )
    # A copy, since padding and truncation are settings of the object.
    raw = Tokenizer.from_str(modernbert.raw.to_str())
    raw.enable_truncation(length)
    raw.enable_padding(length=length, pad_id=raw.token_to_id("[PAD]"), pad_token="[PAD]")
    read = raw.encode_batch(texts)
    for ids, mask, special in (
        (direct["input_ids"], direct["attention_mask"], direct["special_tokens_mask"]),
        ([e.ids for e in read], [e.attention_mask for e in read], [e.special_tokens_mask for e in read]),
    ):
        np.testing.assert_array_equal(tokens.ids, ids)
        np.testing.assert_array_equal(tokens.mask, np.array(mask, bool))
        np.testing.assert_array_equal(tokens.words, ~np.array(special, bool))
    assert (tokens.truncated > 0) == (max_length == 20)
    frame = [raw.token_to_id(token) for token in ("[CLS]", "[SEP]", "[PAD]")]
    assert np.isin(tokens.ids[~tokens.words], frame).all() and not np.isin(tokens.ids[tokens.words], frame).any()


def test_a_replacement_drawn_at_random_is_in_the_encoders_vocabulary_and_not_its_frame(modernbert):
    config = json.loads((shared_folder("configs_hf", "ModernBERT-base") / "config.json").read_text())
    assert len(modernbert.ours) == modernbert.raw.get_vocab_size() == config["vocab_size"]
    assert modernbert.ours.pad_token_id == config["pad_token_id"]
    named = {modernbert.raw.token_to_id(token) for token in ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")}
    assert set(modernbert.ours.all_special_ids) == named
    # The file calls two more special, left from the tokenizer it was made of; no template writes them.
    assert {modernbert.raw.id_to_token(number) for number in modernbert.special - named} == {"<|padding|>", "<|endoftext|>"}


@EVERY_STUDY
def test_class_tokens_are_what_the_llm_would_write_next(qwen3, name):
    """After the words that `<|diagnosis|>` starts from, and whatever follows the answer."""
    study, _ = STUDIES[name]
    ids = class_token_ids(qwen3.ours, study.class_names)
    before = special_tokens(())["<|diagnosis|>"]
    length = len(qwen3.raw.encode(before).ids)
    for answer, token in zip(study.class_names, ids.tolist(), strict=True):
        for after in ("", ".", ", probably", "\n"):
            whole = qwen3.raw.encode(f"{before} {answer}{after}").ids
            assert whole[:length] == qwen3.raw.encode(before).ids and whole[length] == token
        piece = qwen3.raw.decode([token])
        assert piece.startswith(" ") and piece.strip() and f" {answer}".startswith(piece)
        assert token not in qwen3.special


def test_qwen3s_ids_are_within_every_published_size(qwen3):
    assert len(qwen3.ours) == qwen3.raw.get_vocab_size()
    for size in ("0.6B", "1.7B", "4B", "8B"):
        config = json.loads((shared_folder("configs_hf", f"Qwen3-{size}") / "config.json").read_text())
        assert len(qwen3.ours) <= config["vocab_size"]


@EVERY_STUDY
def test_special_tokens_are_new_to_the_llm_and_start_apart(qwen3, name):
    """Each starts from the mean of its words' embeddings, in which order is lost: no two may have the same tokens."""
    study, config = STUDIES[name]
    views = tuple(study.image_types.values()) if config.diagnose.case == "unit" and study.image_types else ("clinical",)
    names = special_tokens(views)
    assert len(names) == len(views) + 4
    vocabulary = qwen3.raw.get_vocab(with_added_tokens=True)
    assert not vocabulary.keys() & names.keys()
    assert all(len(qwen3.raw.encode(token).ids) > 1 for token in names)
    check_texts(qwen3, list(names.values()))
    starts = {token: tuple(sorted(row)) for token, row in zip(names, words_alone(qwen3, names.values()), strict=True)}
    assert len(set(starts.values())) == len(names)

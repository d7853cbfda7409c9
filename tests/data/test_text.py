import json
from dataclasses import replace

import numpy as np
import pytest

from prima_jax.data.text import class_token_ids, load_tokenizer, sentence, tokenize, train_tokenizer
from prima_jax.errors import UserError
from prima_jax.files import SEAL
from tests.data.cohort import STUDY, shared_folder

TEXTS = ["The cornea is cloudy.", "The cornea is clear.", "A ring around the cornea, fungal by its look."] * 3
ANSWERS = ("bacterial", "fungal")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer") / "small"
    train_tokenizer(TEXTS, folder, vocabulary_size=400, answers=ANSWERS)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder):
    return load_tokenizer(folder)


def test_a_sentence_says_what_is_known_and_nothing_else():
    fields = {"sex": "woman", "age": 59.0, "size": 1.5, "pain": False, "biopsy": True}
    assert sentence(STUDY, fields) == "A woman. Aged 59, in the band 40 to 60. It measures 1.5 mm. It does not hurt."
    assert sentence(STUDY, fields, visual_only=True) == "Aged 59, in the band 40 to 60. It measures 1.5 mm."
    assert sentence(STUDY, {"pain": True}) == "It hurts."
    assert sentence(STUDY, {"biopsy": True}) == ""
    assert sentence(STUDY.hide("form"), {"sex": "woman", "pain": True}) == "It hurts."


@pytest.mark.parametrize(("age", "band"), [(39.9, "below 40"), (40.0, "40 to 60"), (60.0, "60 or more")])
def test_a_band_begins_at_its_lower_edge(age, band):
    assert sentence(STUDY, {"age": age}).endswith(f"in the band {band}.")


def test_an_empty_template_writes_nothing():
    study = replace(STUDY, attributes=(replace(STUDY.attribute("pain"), negative=""),))
    assert sentence(study, {"pain": False}) == ""


def test_training_is_deterministic_and_keeps_within_the_vocabulary(folder, tokenizer, tmp_path):
    train_tokenizer(TEXTS, tmp_path / "again", vocabulary_size=400, answers=ANSWERS)
    assert (tmp_path / "again" / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    assert 256 + 5 + 2 < len(tokenizer) <= 400


def test_any_text_survives_the_small_tokenizer(tokenizer):
    # Byte-level: letters and signs that training never showed are not lost.
    text = "Größe 3 µm — ∅ keratitis"
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids).strip() == text
    assert tokenizer.unk_token_id not in ids


def test_tokens_have_class_token_words_separator_and_padding(tokenizer):
    tokens = tokenize(tokenizer, ["The cornea is clear.", ""], 12)
    assert tokens.ids.dtype == np.int32 and tokens.ids.shape == tokens.mask.shape == tokens.words.shape == (2, 12)
    length = int(tokens.mask[0].sum())
    assert tokens.ids[0, 0] == tokenizer.cls_token_id and tokens.ids[0, length - 1] == tokenizer.sep_token_id
    assert np.array_equal(np.flatnonzero(tokens.words[0]), np.arange(1, length - 1))
    assert (tokens.ids[0, length:] == tokenizer.pad_token_id).all() and not tokens.mask[0, length:].any()
    assert tokens.mask[1].sum() == 2 and not tokens.words[1].any()
    assert tokens.truncated == 0


def test_truncation_is_counted_and_keeps_the_separator(tokenizer):
    tokens = tokenize(tokenizer, [TEXTS[2], "Clear."], 8)
    assert tokens.truncated == 1
    assert tokens.ids[0, -1] == tokenizer.sep_token_id and tokens.mask[0].all()


def test_texts_are_padded_no_longer_than_the_longest_needs(tokenizer):
    """In steps of 16, so that a word more does not mean another compilation."""
    one, many = "Clear.", " ".join(["clear"] * 20)
    short, long = (tokenize(tokenizer, texts, 64).ids for texts in ([one], [one, many]))
    assert short.shape == (1, 16) and long.shape == (2, 32)
    np.testing.assert_array_equal(long[0, :16], short[0])
    assert tokenize(tokenizer, [many], 18).ids.shape == (1, 18)


def test_an_answer_is_one_token_alone_and_within_a_sentence(tokenizer):
    ids = class_token_ids(tokenizer, ANSWERS)
    assert ids.dtype == np.int32 and len(set(ids)) == 2
    for answer, token in zip(ANSWERS, ids, strict=True):
        assert tokenizer.encode(f" {answer}", add_special_tokens=False) == [token]
        assert token in tokenizer.encode(f"It is {answer}.", add_special_tokens=False)
        # ... and is a word, so that masked-language training may hide it.
        assert tokenize(tokenizer, [answer], 6).words[0].sum() == 1
    assert ids[0] not in tokenizer.encode("antibacterial")


def test_answers_that_begin_alike_are_refused(tokenizer):
    with pytest.raises(UserError, match="'fungal' and 'fungal keratitis' begin with the same token"):
        class_token_ids(tokenizer, ("fungal", "fungal keratitis"))


def test_a_vocabulary_too_small_for_bytes_is_refused(tmp_path):
    with pytest.raises(UserError, match="should be 263 or more, not 200"):
        train_tokenizer(TEXTS, tmp_path / "t", vocabulary_size=200, answers=ANSWERS)


def test_no_tokenizer_or_a_broken_one_is_told(tmp_path):
    with pytest.raises(UserError, match="No tokenizer in"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    with pytest.raises(UserError, match="cannot be loaded"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("value", ["8", [8], {}])
def test_a_field_of_another_type_is_told(tmp_path, value):
    train_tokenizer(TEXTS, tmp_path / "t", vocabulary_size=300, answers=ANSWERS)
    (tmp_path / "t" / SEAL).unlink()  # somebody else's
    settings = tmp_path / "t" / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "model_max_length": value}))
    with pytest.raises(UserError, match="cannot be loaded"):
        load_tokenizer(tmp_path / "t")


def test_a_template_without_its_token_is_told(tmp_path):
    """The library panics, which is no Exception of Python's."""
    train_tokenizer(TEXTS, tmp_path / "t", vocabulary_size=300, answers=ANSWERS)
    (tmp_path / "t" / SEAL).unlink()
    file = tmp_path / "t" / "tokenizer.json"
    content = json.loads(file.read_text())
    content["post_processor"]["special_tokens"].clear()
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match="cannot be loaded"):
        load_tokenizer(tmp_path / "t")


def test_a_tokenizer_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        train_tokenizer(TEXTS, tmp_path / "file" / "t", vocabulary_size=300)


def test_a_tokenizer_without_class_and_padding_tokens_is_no_text_encoders():
    with pytest.raises(UserError, match="no class or padding token"):
        tokenize(load_tokenizer(shared_folder("tokenizers", "qwen3")), ["text"], 8)

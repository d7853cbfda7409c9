"""Published weights of a bare BERT and of a Llama against transformers + torch, on real sentences, in float32.

They run where the environment variable PRIMA_REAL_WEIGHTS names a folder that holds all-MiniLM-L6-v2 and
SmolLM2-135M-Instruct as Hugging Face publishes them.
"""

import csv
import os
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from prima_jax.data import text
from prima_jax.models import pretrained
from prima_jax.studies.records import parse_fields
from tests.data.cohort import shared_folder
from tests.studies.pad_ufes_20 import PAD_UFES_20

pytestmark = [pytest.mark.slow, pytest.mark.torch]
MINILM, SMOLLM2 = "all-MiniLM-L6-v2", "SmolLM2-135M-Instruct"
LIMIT = 1e-5
"""The largest difference over the largest value of torch's answer."""


@pytest.fixture
def folder(request) -> Path:
    found = os.environ.get("PRIMA_REAL_WEIGHTS", "")
    if not (Path(found) / request.param / "config.json").is_file():
        pytest.skip(f"NOT COMPARED: PRIMA_REAL_WEIGHTS = {found!r} is no folder that holds the weights of {request.param}")
    return Path(found) / request.param


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    """200 that differ, of the metadata of PAD-UFES-20."""
    columns = {a.column: a.name for a in PAD_UFES_20.attributes}
    with (shared_folder("data", "pad_ufes_20") / "metadata.csv").open(newline="") as file:
        rows = [{columns[name]: cell for name, cell in row.items() if name in columns} for row in csv.DictReader(file)]
    written = (text.sentence(PAD_UFES_20, parse_fields(PAD_UFES_20, row, "metadata.csv")) for row in rows)
    found = list(dict.fromkeys(sentence for sentence in written if sentence))[:200]
    assert len(found) == 200
    return found


def ratio(found: np.ndarray, reference: np.ndarray) -> float:
    assert found.shape == reference.shape
    return float(np.abs(found - reference).max() / np.abs(reference).max())


@pytest.mark.parametrize("folder", [MINILM], indirect=True)
def test_bert_reads_200_sentences_as_torch_does(folder, sentences):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    tokens = text.tokenize(text.load_tokenizer(folder), sentences, 256)
    assert not tokens.truncated
    module, variables = pretrained.from_pretrained(folder)
    assert not pretrained.has_head(module)
    apply = jax.jit(module.apply)
    theirs = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    worst = 0.0
    for start in range(0, 200, 50):
        part = slice(start, start + 50)
        ids, mask = tokens.ids[part], tokens.mask[part]
        with torch.no_grad():
            given = {"input_ids": torch.tensor(ids).long(), "attention_mask": torch.tensor(mask).long()}
            expected = theirs(**given).last_hidden_state.numpy()
        worst = max(worst, ratio(np.asarray(apply(variables, ids, mask).last_hidden_state)[mask], expected[mask]))
    print(f"{MINILM}, last hidden states of 200 sentences: {worst:.1e}")
    assert worst < LIMIT


@pytest.mark.parametrize("folder", [SMOLLM2], indirect=True)
def test_llama_goes_on_with_20_sentences_as_torch_does(folder, sentences):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    tokenizer = text.load_tokenizer(folder)
    module, variables = pretrained.from_pretrained(folder)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    rows = tokenizer([f"{sentence} The diagnosis is" for sentence in sentences[:20]], add_special_tokens=False)["input_ids"]
    length = max(map(len, rows))
    ids, mask = np.zeros((20, length), np.int32), np.zeros((20, length), bool)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, True
    apply = jax.jit(partial(module.apply, output_logits=True))
    worst = 0.0
    for start in range(0, 20, 5):
        part = slice(start, start + 5)
        with torch.no_grad():
            given = {"input_ids": torch.tensor(ids[part]).long(), "attention_mask": torch.tensor(mask[part]).long()}
            expected = theirs(**given).logits.numpy()
        found = np.asarray(apply(variables, ids[part], attention_mask=mask[part]).logits)
        worst = max(worst, ratio(found[mask[part]], expected[mask[part]]))
        last = np.arange(5), mask[part].sum(1) - 1
        np.testing.assert_array_equal(found[last].argmax(-1), expected[last].argmax(-1))
    print(f"{SMOLLM2}, logits of 20 prompts: {worst:.1e}, the same next token for each")
    assert worst < LIMIT


@pytest.mark.parametrize("folder", [MINILM, SMOLLM2], indirect=True)
def test_read_and_saved_every_tensor_is_the_published_one_to_the_byte(folder, tmp_path):
    pretrained.save_pretrained(tmp_path, *pretrained.from_pretrained(folder))
    published, saved = load_file(folder / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    left = set(published) - set(saved)
    assert left <= {"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"} and not set(saved) - set(published)
    for name, array in saved.items():
        assert array.dtype == published[name].dtype and array.tobytes() == published[name].tobytes(), name
    if not left:
        assert (tmp_path / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("folder", [SMOLLM2], indirect=True)
def test_a_tokenizer_without_class_and_padding_tokens_serves_stage_3(folder, sentences):
    """Each class begins with a token of its own, with the space before it; nothing special is added to a sentence."""
    tokenizer = text.load_tokenizer(folder)
    assert tokenizer.cls_token_id is None
    ids = text.class_token_ids(tokenizer, list(PAD_UFES_20.classes))
    assert len(set(ids.tolist())) == len(PAD_UFES_20.classes)
    assert all(tokenizer.convert_ids_to_tokens(int(token)).startswith("Ġ") for token in ids)
    plain = tokenizer(sentences[:20], add_special_tokens=False)["input_ids"]
    assert [tokenizer.decode(row) for row in plain] == sentences[:20]
    assert not {token for row in plain for token in row} & set(tokenizer.all_special_ids)

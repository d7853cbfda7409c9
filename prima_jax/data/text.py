"""Sentences from fields, and tokens from sentences."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from prima_jax.errors import UserError
from prima_jax.files import SEAL, check_sealed, seal, whole_folder
from prima_jax.studies.study import Attribute, Study, Value

__all__ = [
    "Tokens",
    "band",
    "class_token_ids",
    "clause_words",
    "clauses",
    "encode",
    "load_tokenizer",
    "sentence",
    "tokenize",
    "train_tokenizer",
]

# The names ModernBERT's tokenizer uses, so that its sequences and ours are alike.
SPECIALS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
BYTES = 256
LENGTH_STEP = 16
SENTENCES_AT_ONCE = 4096


@dataclass(frozen=True)
class Tokens:
    """Sentences as tokens of one length, class token first, padded on the right."""

    ids: np.ndarray
    """int32 `[N, L]`."""
    mask: np.ndarray
    """bool `[N, L]`: not padding."""
    words: np.ndarray
    """bool `[N, L]`: neither padding nor a special token."""
    truncated: int
    """The number of sentences that were longer than L and were truncated."""


def sentence(study: Study, fields: Mapping[str, Value], *, visual_only: bool = False) -> str:
    """Returns the known fields in the words of the study; a missing field adds nothing, so the text may be empty.

    With `visual_only` only the attributes that an image can show are written (t_i of section 2.2).
    """
    return " ".join(clauses(study, fields, visual_only=visual_only).values())


def clauses(study: Study, fields: Mapping[str, Value], *, visual_only: bool = False) -> dict[str, str]:
    """Returns attribute -> its clause in `sentence`, in the same order."""
    known = (a for a in study.shown(visual_only=visual_only) if a.name in fields)
    parts = {attribute.name: _clause(attribute, fields[attribute.name]) for attribute in known}
    return {name: clause for name, clause in parts.items() if clause}


def clause_words(tokenizer: Any, parts: Mapping[str, str], length: int) -> dict[str, np.ndarray]:
    """Returns attribute -> bool `[length]`: which tokens of the sentence, class token first, are words of its clause.

    The sentence is that of `parts`, which `clauses` returns; tokens beyond `length` were truncated (`tokenize`).
    """
    encoded = tokenizer(" ".join(parts.values()), add_special_tokens=True, verbose=False, return_offsets_mapping=True)
    offsets = np.array(encoded["offset_mapping"][: length - 1]).reshape(-1, 2)  # the last one is the separator
    special = np.isin(encoded["input_ids"][: length - 1], tokenizer.all_special_ids)
    words, start = {}, 0
    for name, clause in parts.items():
        end = start + len(clause)
        inside = (offsets[:, 1] > start) & (offsets[:, 0] < end) & ~special
        words[name] = np.pad(inside, (0, length - len(inside)))
        start = end + 1
    return words


def train_tokenizer(texts: Iterable[str], folder: str | Path, *, vocabulary_size: int, answers: Sequence[str] = ()) -> None:
    """Trains a byte-level BPE on `texts` and saves it in `folder` for `load_tokenizer`; the same texts give the same.

    Each of `answers` becomes one token. The vocabulary is smaller than requested if the texts have no more pairs.
    Raises UserError when it could not hold every byte.
    """
    least = BYTES + len(SPECIALS) + len(set(answers))
    if vocabulary_size < least:
        raise UserError(f"The tokenizer's vocabulary_size should be {least} or more, not {vocabulary_size}.")
    tokenizer = Tokenizer(models.BPE())
    # The leading space makes a sentence's first word the same token as in its middle.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size - len(set(answers)),
        special_tokens=list(SPECIALS.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # lstrip: the space before an answer belongs to it, as it does in the tokens of any other word.
    tokenizer.add_tokens([AddedToken(answer, lstrip=True, single_word=True) for answer in answers])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(t, tokenizer.token_to_id(t)) for t in ("[CLS]", "[SEP]")]
    )
    _save(tokenizer, Path(folder))


def load_tokenizer(folder: str | Path) -> Any:
    """Returns the Hugging Face tokenizer in a local folder, without network. Raises UserError if there is none."""
    from transformers import AutoTokenizer  # takes seconds to import

    folder = Path(folder)
    if not (folder / "tokenizer.json").is_file():
        raise UserError(f"No tokenizer in {folder.absolute()}: expected tokenizer.json and tokenizer_config.json there.")
    if (folder / SEAL).exists():  # one of ours
        check_sealed(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        tokenizer("a")  # a field of another type raises where it is read
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a broken file raises whatever its parser raises, a panic of Rust's among it
        raise UserError(f"The tokenizer in {folder.absolute()} cannot be loaded ({error}); copy it anew.") from error
    return tokenizer


def tokenize(tokenizer: Any, sentences: Sequence[str], max_length: int) -> Tokens:
    """Tokenises to `[N, L]`: class token, words, separator, padding. UserError: no class token.

    L is the longest text's length, rounded up so that folds whose tokenizers differ share a compilation, and at most
    `max_length`; longer texts are truncated.
    """
    if tokenizer.cls_token_id is None or tokenizer.pad_token_id is None:
        raise UserError(
            f"The tokenizer in {tokenizer.name_or_path} has no class or padding token, so it is none of a text encoder."
        )
    encoded = [np.array(tokens, np.int32) for tokens in encode(tokenizer, sentences)]
    length = min(max_length, -(-max(map(len, encoded), default=1) // LENGTH_STEP) * LENGTH_STEP)
    ids = np.full((len(encoded), length), tokenizer.pad_token_id, np.int32)
    mask = np.zeros(ids.shape, bool)
    for row, tokens in enumerate(encoded):
        if len(tokens) > length:  # keep the separator at the end
            tokens = np.append(tokens[: length - 1], tokens[-1])
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = True
    words = mask.copy()
    for special in tokenizer.all_special_ids:  # one after the other, since isin takes memory for all of them
        words &= ids != special
    truncated = sum(len(tokens) > max_length for tokens in encoded)
    if truncated:
        logging.getLogger(__name__).warning(
            "%d of %d texts are longer than %d tokens and lose their end", truncated, len(encoded), max_length
        )
    return Tokens(ids, mask, words, truncated)


def encode(tokenizer: Any, sentences: Sequence[str], *, add_special_tokens: bool = True) -> Iterator[list[int]]:
    """Returns the ids of each sentence, however long; a tokenizer keeps kilobytes for each that it is given at once."""
    for start in range(0, len(sentences), SENTENCES_AT_ONCE):
        part = list(sentences[start : start + SENTENCES_AT_ONCE])
        yield from tokenizer(part, add_special_tokens=add_special_tokens, verbose=False)["input_ids"]


def class_token_ids(tokenizer: Any, answers: Sequence[str]) -> np.ndarray:
    """Returns the first token `[C]` of each class's answer, over which section 2.3 takes the softmax.

    The answer is written with a leading space, as a word in running text is, since that is the token a language model
    has learnt. Raises UserError when two classes share their first token.
    """
    ids = [tokenizer.encode(f" {answer}", add_special_tokens=False)[0] for answer in answers]
    for position, token in enumerate(ids):
        if token in ids[:position]:
            other = answers[ids.index(token)]
            raise UserError(
                f"The answers {other!r} and {answers[position]!r} begin with the same token, "
                f"{tokenizer.decode([token])!r}; choose words that differ from the start."
            )
    return np.array(ids, np.int32)


def _clause(attribute: Attribute, value: Value) -> str:
    if attribute.kind == "yes_no":
        return attribute.sentence if value else attribute.negative
    if attribute.kind == "category":
        return attribute.sentence.format(value=value)
    return attribute.sentence.format(value=f"{value:g}", band=band(float(value), attribute.bins))


def band(value: float, edges: Sequence[float]) -> str:
    """Returns the bin of a number in words, which a small text encoder learns sooner than digits; empty without edges."""
    above = int(np.searchsorted(edges, value, side="right"))
    if not edges:
        return ""
    if above == 0:
        return f"below {edges[0]:g}"
    if above == len(edges):
        return f"{edges[-1]:g} or more"
    return f"{edges[above - 1]:g} to {edges[above]:g}"


def _save(tokenizer: Tokenizer, folder: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, padding_side="right", **SPECIALS)
    with whole_folder(folder) as temporary:
        try:
            wrapped.save_pretrained(str(temporary))
        except Exception as error:  # what tokenizers makes of a full disk has no type of its own
            raise OSError(str(error)) from error
        seal(temporary)

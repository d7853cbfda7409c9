"""From what a model answers to a draft: nothing is taken on trust, and a wrong answer gets one chance to be put right."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from prima_jax.corpus.claims import Citation, Claim, Draft, Effect, Passage, Written
from prima_jax.corpus.topics import Topic
from prima_jax.corpus.write.prompt import PROMPT_VERSION, Prompt, build_prompt, prompt_sha256, schema_sha256
from prima_jax.corpus.write.writers import WriterError
from prima_jax.errors import UserError
from prima_jax.json_text import parse_json

__all__ = ["LONGEST_ANSWER", "Answer", "InvalidAnswer", "Pieces", "parse_draft", "write_draft"]

LONGEST_ANSWER = 1_000_000
"""Characters; an answer of some dozen claims has some ten thousand."""
MOST_CLAIMS, LONGEST_TEXT = 30, 2000
"""More, and longer ones in characters, than were asked for: no reviewer is to be flooded."""
_FENCED = re.compile(r"```\w*\s(.*)```", re.DOTALL)
_FIELDS = {name for model in (Draft, Claim, Citation, Effect) for name in model.model_fields}
_UNWANTED = frozenset("\ufffd\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Of undecodable bytes, and of tricks with the direction of writing, which would show a reviewer something else."""


class InvalidAnswer(ValueError):
    """Why an answer is no draft, in our words alone: the reason is told to the model and must carry nothing from it."""


@dataclass(frozen=True)
class Answer:
    """What a server answered to one request, whole."""

    text: str
    model: str
    input_tokens: int = 0
    output_tokens: int = 0


class Pieces:
    """The pieces of an answer as they come in. Raises WriterError once there are too many."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0

    def add(self, piece: str | None) -> None:
        if piece:
            self._pieces.append(piece)
            self._length += len(piece)
        if self._length > LONGEST_ANSWER:
            raise WriterError(f"the answer is longer than {LONGEST_ANSWER} characters")

    @property
    def text(self) -> str:
        return "".join(self._pieces)


def write_draft(
    ask: Callable[[Prompt], Answer], topic: Topic, passages: Sequence[Passage], notes: Callable[[], dict[str, Any]]
) -> Written:
    """Asks, and where the answer is not valid asks once more with the reason. Raises WriterError."""
    prompt = build_prompt(topic, passages)
    answer = ask(prompt)
    versions = {"prompt_version": PROMPT_VERSION, "prompt_sha256": prompt_sha256(), "schema_sha256": schema_sha256()}
    try:
        return Written(parse_draft(answer.text), **_came_about(answer), notes=versions | notes())
    except InvalidAnswer as error:
        reason = str(error)
    second = ask(prompt.repaired(reason))
    try:
        draft = parse_draft(second.text)
    except InvalidAnswer as error:
        raise WriterError(f"the answer was not valid, also when asked once more ({error})") from error
    return Written(draft, **_came_about(second, answer), notes=versions | notes() | {"repaired": reason})


def parse_draft(text: str) -> Draft:
    """The draft that an answer holds. Raises InvalidAnswer."""
    if len(text) > LONGEST_ANSWER:
        raise InvalidAnswer(f"it is longer than {LONGEST_ANSWER} characters")
    stripped = text.removeprefix("\ufeff").strip()
    if not stripped:
        raise InvalidAnswer("it is empty")
    fenced = _FENCED.fullmatch(stripped)
    try:
        content = parse_json(fenced[1] if fenced else stripped, "it", "answer with one object", once=True)
        draft = Draft.model_validate(content)
    except ValidationError as error:
        raise InvalidAnswer(_reasons(error)) from error
    except UserError as error:
        raise InvalidAnswer(str(error)) from error
    if len(draft.claims) > MOST_CLAIMS:
        raise InvalidAnswer(f"it has more than {MOST_CLAIMS} claims")
    for number, claim in enumerate(draft.claims):
        _check_texts(number, claim)
    return draft


def _came_about(*answers: Answer) -> dict[str, Any]:
    return {
        "raw": answers[0].text,
        "model": answers[0].model,
        "input_tokens": sum(answer.input_tokens for answer in answers),
        "output_tokens": sum(answer.output_tokens for answer in answers),
    }


def _check_texts(number: int, claim: Claim) -> None:
    effect = (claim.effect.number, claim.effect.unit, claim.effect.interval) if claim.effect else ()
    details = (part for part in (*effect, claim.population, claim.body_site) if part is not None)
    for text in (claim.text, *details, *(part for one in claim.citations for part in (one.article, one.quote))):
        if not text.strip():
            raise InvalidAnswer(f"claims.{number} has an empty text, id or quote")
        if len(text) > LONGEST_TEXT:
            raise InvalidAnswer(f"claims.{number} has a text, id or quote of more than {LONGEST_TEXT} characters")
        if any(c in _UNWANTED or (unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t") for c in text):
            raise InvalidAnswer(f"claims.{number} holds control characters or others that cannot be shown")


def _reasons(error: ValidationError) -> str:
    """The first three places where it does not fit the schema; a field that the schema does not have stays unnamed."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    told = []
    for one in found[:3]:
        place = ".".join(str(p) if isinstance(p, int) or p in _FIELDS else "(unknown field)" for p in one["loc"])
        told.append(f"{place or 'the object'}: {one['msg']}")
    return "; ".join(told) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")

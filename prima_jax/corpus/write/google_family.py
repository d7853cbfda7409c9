"""Google's models: Gemini, through its own API."""

import importlib
import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from google import genai
from google.genai import errors, types

from prima_jax.corpus.claims import Passage, Written
from prima_jax.corpus.retry_after import retry_after
from prima_jax.corpus.topics import Topic
from prima_jax.corpus.write.answers import Answer, Pieces, write_draft
from prima_jax.corpus.write.keys import read_key
from prima_jax.corpus.write.prompt import SCHEMA, Prompt
from prima_jax.corpus.write.retries import Transient, hide, refusal, tidy, too_long, with_retries
from prima_jax.corpus.write.writers import Settings, Unavailable, WriterError

__all__ = ["Google"]

KEYS = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
"""In the SDK's order."""
_HTTP = [importlib.import_module(name) for name in ("httpx2", "httpx") if find_spec(name)]
"""The SDK takes httpx where that is installed, and each raises errors of its own."""


def _errors(*names: str) -> tuple[type[Exception], ...]:
    return tuple(getattr(module, name) for module in _HTTP for name in names)


_TIMEOUT, _NO_SERVER = _errors("TimeoutException"), _errors("ConnectError", "UnsupportedProtocol")
_BROKEN = _errors("RequestError")


class Google:
    """One Gemini model, at Google's address or at what GOOGLE_GEMINI_BASE_URL says."""

    family = "google"

    def __init__(self, model: str, settings: Settings) -> None:
        """Raises UserError where the key is missing."""
        self.model = model
        self._settings = settings
        self._key = read_key(*KEYS)
        self._client = genai.Client(
            vertexai=False,
            api_key=self._key,
            # v1beta has all that v1 has, and the models in preview as well.
            http_options=types.HttpOptions(api_version="v1beta", timeout=round(settings.timeout_seconds * 1000)),
        )

    def write(self, topic: Topic, passages: Sequence[Passage]) -> Written:
        """Claims on the topic from these passages. Raises WriterError."""
        attempts = self._settings.attempts
        return write_draft(lambda prompt: with_retries(lambda: self._ask(prompt), attempts), topic, passages, self._notes)

    def _notes(self) -> dict[str, Any]:
        asked = {"temperature": self._settings.temperature, "seed": self._settings.seed}
        return {"sdk": f"google-genai {genai.__version__}", **asked}

    def _ask(self, prompt: Prompt) -> Answer:
        try:
            return self._stream(prompt)
        except errors.APIError as error:
            raise self._status(error) from error
        except _TIMEOUT as error:
            raise Transient(f"no answer within {self._settings.timeout_seconds:g} seconds") from error
        except _NO_SERVER as error:
            raise Transient("no server at Google's address, or at that in GOOGLE_GEMINI_BASE_URL", lasting=True) from error
        except _BROKEN as error:
            raise Transient("the connection broke off") from error
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            raise Transient("the server's reply is not what its protocol prescribes") from error

    def _stream(self, prompt: Prompt) -> Answer:
        """A stream, as with the other family; nothing is kept of one cut short."""
        config = types.GenerateContentConfig(
            system_instruction=prompt.system,
            temperature=self._settings.temperature,
            seed=self._settings.seed,
            max_output_tokens=self._settings.max_output_tokens,
            response_mime_type="application/json",
            response_json_schema=SCHEMA,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        text = Pieces()
        finish, model, usage = None, self.model, None
        for chunk in self._client.models.generate_content_stream(model=self.model, contents=prompt.user, config=config):
            model, usage = chunk.model_version or model, chunk.usage_metadata or usage
            if chunk.prompt_feedback and chunk.prompt_feedback.block_reason:
                raise WriterError(f"the server blocked the question ({_word(chunk.prompt_feedback.block_reason)})")
            for candidate in (chunk.candidates or [])[:1]:
                for part in (candidate.content.parts if candidate.content else None) or []:
                    text.add(None if part.thought else part.text)
                finish = candidate.finish_reason or finish
        if finish is None:
            raise Transient("the answer broke off")
        if finish == types.FinishReason.MAX_TOKENS:
            raise WriterError("the answer was longer than config.synthesise.max_output_tokens allows")
        if finish != types.FinishReason.STOP:
            raise WriterError(f"the model broke off ({_word(finish)})")
        return Answer(hide(text.text, self._key), tidy(model, self._key), *_tokens(usage))

    def _status(self, error: errors.APIError) -> Exception:
        said = tidy(error.message or "no reason given", self._key)
        code = error.code if isinstance(error.code, int) else 500  # told within the stream
        if code in (401, 403) or (code == 400 and "API_KEY_INVALID" in str(error.details)):
            return Unavailable(f"the key in {' or '.join(KEYS)} was not accepted (HTTP {code}: {said})")
        if code == 400 and "token count" in said:
            return too_long(said)
        return refusal(code, said, model=self.model, wait=_wait(error))


def _wait(error: errors.APIError) -> float | None:
    """The seconds to wait, from the header, or from the reply itself, where Google writes "retryDelay": "37s"."""
    asked = retry_after((getattr(error.response, "headers", None) or {}).get("retry-after"))
    found = re.search(r"'retryDelay': '([0-9.]+)s'", str(error.details))
    return asked or (float(found[1]) if found else None)


def _word(reason: Any) -> str:
    return str(getattr(reason, "value", reason))


def _tokens(usage: types.GenerateContentResponseUsageMetadata | None) -> tuple[int, int]:
    """What was thought is paid for as what was answered."""
    if usage is None:
        return 0, 0
    return usage.prompt_token_count or 0, (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)

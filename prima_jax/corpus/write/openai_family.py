"""OpenAI's models, and any server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import httpx2
import openai

from prima_jax.corpus.claims import Passage, Written
from prima_jax.corpus.retry_after import retry_after
from prima_jax.corpus.topics import Topic
from prima_jax.corpus.write.answers import Answer, Pieces, write_draft
from prima_jax.corpus.write.keys import read_key
from prima_jax.corpus.write.prompt import SCHEMA, Prompt
from prima_jax.corpus.write.retries import Transient, hide, refusal, tidy, too_long, with_retries
from prima_jax.corpus.write.writers import Settings, Unavailable, WriterError

__all__ = ["OpenAICompatible"]

KEY = "OPENAI_API_KEY"
_TOO_LONG = re.compile(r"context.?(?:length|window|size)|too many (?:input )?tokens", re.IGNORECASE)


class OpenAICompatible:
    """One model behind one address; without an address, OpenAI's own, or what OPENAI_BASE_URL says."""

    def __init__(self, model: str, settings: Settings, *, family: str = "openai", base_url: str | None = None) -> None:
        """Raises UserError where OpenAI's key is missing. A local server is never told it."""
        self.family = family
        self.model = model
        self._local = base_url is not None
        self._key = "" if self._local else read_key(KEY)
        self._attempts = settings.attempts
        self._timeout = settings.timeout_seconds
        self._client = openai.OpenAI(
            api_key=self._key or "none", base_url=base_url, timeout=settings.timeout_seconds, max_retries=0
        )
        self._options: dict[str, Any] = {
            "temperature": settings.temperature,
            "seed": settings.seed,
            # OpenAI has renamed it; older local servers know the older name alone.
            "max_tokens" if self._local else "max_completion_tokens": settings.max_output_tokens,
            "stream_options": {"include_usage": True},
        }

    def write(self, topic: Topic, passages: Sequence[Passage]) -> Written:
        """Claims on the topic from these passages. Raises WriterError."""
        return write_draft(self.ask, topic, passages, self._notes)

    def ask(self, prompt: Prompt) -> Answer:
        """The answer to one prompt. Raises WriterError."""
        return with_retries(lambda: self._ask(prompt), self._attempts)

    def _notes(self) -> dict[str, Any]:
        return {
            "sdk": f"openai {openai.__version__}",
            "temperature": self._options.get("temperature"),  # None: this model takes no such setting
            "seed": self._options.get("seed"),
        }

    def _ask(self, prompt: Prompt) -> Answer:
        while True:
            try:
                return self._stream(prompt)
            except openai.BadRequestError as error:
                said = tidy(error.message, self._key)
                if _TOO_LONG.search(f"{error.code} {said}"):
                    raise too_long(said) from error
                refused = self._refused_option(error)
                if refused is None:
                    raise refusal(400, said, model=self.model, wait=None) from error
                del self._options[refused]
            except openai.APIStatusError as error:
                raise self._status(error) from error
            except openai.APITimeoutError as error:
                raise Transient(f"no answer within {self._timeout:g} seconds") from error
            except openai.APIConnectionError as error:
                if isinstance(error.__cause__, httpx2.ConnectError | httpx2.UnsupportedProtocol | httpx2.ProxyError):
                    raise Transient(f"no server at {self._client.base_url.host}", lasting=True) from error
                raise Transient("the connection broke off") from error
            except openai.APIError as error:  # told within the stream
                raise Transient(f"the server broke off ({tidy(error.message, self._key)})") from error
            except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
                raise Transient("the server's reply is not what its protocol prescribes") from error

    def _stream(self, prompt: Prompt) -> Answer:
        """A stream, so that a long answer runs into no timeout, ours or a proxy's; nothing is kept of one cut short."""
        create: Callable[..., Any] = self._client.chat.completions.create
        schema = {"type": "json_schema", "json_schema": {"name": "Draft", "schema": SCHEMA, "strict": True}}
        stream = create(
            model=self.model,
            messages=[{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
            stream=True,
            **({"response_format": schema} if prompt.drafts else {}),
            **self._options,
        )
        with stream:
            return self._read(stream)

    def _read(self, stream: openai.Stream[Any]) -> Answer:
        text, refusal = Pieces(), Pieces()
        finish, model, usage = None, self.model, None
        for chunk in stream:
            model, usage = chunk.model or model, chunk.usage or usage
            for choice in chunk.choices or ():
                text.add(choice.delta.content)
                refusal.add(choice.delta.refusal)
                finish = choice.finish_reason or finish
        if refusal.text:
            raise WriterError(f"the model refused ({tidy(refusal.text, self._key)})")
        if finish is None:
            raise Transient("the answer broke off")
        if finish == "length":
            raise WriterError("the answer was longer than config.synthesise.max_output_tokens allows")
        if finish == "content_filter":
            raise WriterError("the server's content filter stopped the answer")
        tokens = (int(usage.prompt_tokens or 0), int(usage.completion_tokens or 0)) if usage else (0, 0)
        return Answer(hide(text.text, self._key), tidy(model, self._key), *tokens)

    def _refused_option(self, error: openai.BadRequestError) -> str | None:
        """The option that this model does not take, e.g. a temperature; it is left out from then on, and noted."""
        if error.param:
            option = str(error.param).split(".")[0]
            return option if option in self._options else None
        return next((name for name in self._options if re.search(rf"\b{name}\b", str(error.message))), None)

    def _status(self, error: openai.APIStatusError) -> Exception:
        said = tidy(_message(error), self._key)
        code, wait = error.status_code, retry_after(error.response.headers.get("retry-after"))
        if code in (401, 403):
            what = "the server asks for a key" if self._local else f"the key in {KEY} was not accepted"
            return Unavailable(f"{what} (HTTP {code}: {said})")
        if code == 429 and error.code == "insufficient_quota":
            return Unavailable(f"the account's quota is used up (HTTP 429: {said})")
        if code == 409:
            return Transient("the server failed (HTTP 409)", wait=wait)
        return refusal(code, said, model=self.model, wait=wait)


def _message(error: openai.APIStatusError) -> str:
    """What the server says, without the SDK's words around it."""
    if isinstance(error.body, dict):
        return str(error.body.get("message") or json.dumps(error.body))
    return str(error.body or "no reason given")

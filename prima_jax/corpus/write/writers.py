"""Who writes the claims: families of language models, and a writer that needs none, behind one small interface.

A writer sees a topic and passages of published articles. Nothing here but synthesise.py takes a study or a folder, so
that nothing of a patient can reach a prompt.
"""

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from prima_jax.corpus.claims import Passage, Written
from prima_jax.corpus.topics import Topic
from prima_jax.errors import UserError

__all__ = ["Settings", "Unanswered", "Unavailable", "Writer", "WriterError", "open_writers", "writer_name"]

EXAMPLES = "extractive, openai:gpt-5, google:gemini-3-pro, local:MODEL@http://localhost:8000/v1"
_MAKERS = {
    "llama": "meta",
    "meta": "meta",
    "codellama": "meta",
    "gemma": "google",
    "medgemma": "google",
    "gemini": "google",
    "gpt": "openai",
    "mixtral": "mistral",
    "ministral": "mistral",
    "qwq": "qwen",
}
"""Open models whose name does not begin with their family's: a model is no second opinion on one of its own family."""


class WriterError(Exception):
    """One topic was not written. The text is the reason, in one line, and holds no key: "headline (details)"."""


class Unanswered(WriterError):
    """All attempts were in vain; the next topic may fare better."""


class Unavailable(WriterError):
    """No topic can be written for now: the key, the model, the quota, or no server at all."""


class Writer(Protocol):
    """One writer of one family."""

    family: str
    model: str

    def write(self, topic: Topic, passages: Sequence[Passage]) -> Written:
        """Claims on the topic from these passages. Raises WriterError."""


@dataclass(frozen=True)
class Settings:
    """What all language models are asked with."""

    temperature: float = 0.0
    seed: int = 0
    timeout_seconds: float = 120.0
    """Of silence: an answer that goes on coming in may take longer."""
    attempts: int = 5
    max_output_tokens: int = 8192

    def __post_init__(self) -> None:
        for name, least in (("temperature", 0), ("timeout_seconds", 0.001), ("attempts", 1), ("max_output_tokens", 1)):
            value = getattr(self, name)
            if not math.isfinite(value) or value < least:
                raise UserError(f"config.synthesise.{name} should be {least} or more, not {value}.")


def open_writers(specs: Sequence[str], settings: Settings, topics: Sequence[Topic]) -> dict[str, Writer]:
    """Name -> writer, in their order; `topics` are all that they may be asked about.

    A local model's name leaves its address out, which is nobody else's concern.

    Raises UserError: a name that is none, twice the same, a missing key, a proxy that cannot be used.
    """
    for logger in ("httpx", "httpx2", "openai", "google_genai"):
        logging.getLogger(logger).setLevel(logging.ERROR)  # what matters is told by exceptions; they log every address
    writers: dict[str, Writer] = {}
    for spec in [specs] if isinstance(specs, str) else specs:
        try:
            name, writer = _open(str(spec).strip(), settings, topics)
        except (UserError, ModuleNotFoundError):
            raise
        except Exception as error:  # the SDK's client reads the environment, and each of its complaints has a type of its own
            raise UserError(
                f"The client of {writer_name(str(spec))} could not be made ({type(error).__name__}): see what ALL_PROXY, "
                "HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE hold; a proxy is http://host:port."
            ) from error
        if name in writers:
            raise UserError(f"config.synthesise.writers names {name} twice; leave one of them out.")
        writers[name] = writer
    if not writers:
        raise UserError(f"config.synthesise.writers is empty; name one or more of: {EXAMPLES}.")
    return writers


def writer_name(spec: str) -> str:
    """How a writer is called in every file: local:MODEL@ADDRESS without its address."""
    return spec.strip().split("@")[0] if spec.strip().startswith("local:") else spec.strip()


def _open(spec: str, settings: Settings, topics: Sequence[Topic]) -> tuple[str, Writer]:
    kind, _, model = spec.partition(":")
    if spec == "extractive":
        from prima_jax.corpus.write.extractive import Extractive

        return spec, Extractive(topics)
    if kind == "openai" and model:
        from prima_jax.corpus.write.openai_family import OpenAICompatible

        return spec, OpenAICompatible(model, settings)
    if kind == "google" and model:
        from prima_jax.corpus.write.google_family import Google

        return spec, Google(model, settings)
    if kind == "local" and (parts := re.fullmatch(r"(.+?)@(https?://[^@?#\s]+)", model)):
        from prima_jax.corpus.write.openai_family import OpenAICompatible

        return writer_name(spec), OpenAICompatible(parts[1], settings, family=_family(parts[1]), base_url=parts[2])
    raise UserError(f"config.synthesise.writers names {_without_password(spec)!r}; expected one or more of: {EXAMPLES}.")


def _family(model: str) -> str:
    """Who made a local model, from its name: Qwen/Qwen3-8B -> qwen, gemma3:12b -> google."""
    found = re.match(r"[a-z]+", model.rsplit("/", 1)[-1].lower())
    name = found[0] if found else "local"
    return _MAKERS.get(name, name)


def _without_password(spec: str) -> str:
    return re.sub(r"//.*@", "//...@", spec)

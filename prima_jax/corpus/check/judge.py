"""A second look, where somebody runs a language model for it: do the cited articles bear the claim out?

The question is MiniCheck's (Tang et al. 2024, https://arxiv.org/abs/2404.10774), which other models can answer as well. The
verdict "No" is a flag of its own; "Yes" clears no flag, since an article can speak to the model (instructions.py).
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prima_jax.corpus.articles import Article
from prima_jax.corpus.check.citations import Flag
from prima_jax.corpus.write.prompt import Prompt
from prima_jax.corpus.write.writers import Settings, Unavailable, WriterError, open_writers
from prima_jax.errors import UserError

if TYPE_CHECKING:
    from prima_jax.corpus.write.openai_family import OpenAICompatible

__all__ = ["Judge", "open_judge"]

_SYSTEM = """\
Determine whether the provided claim is consistent with the corresponding document. Consistency in this context implies that \
all information presented in the claim is substantiated by the document. If not, it should be considered inconsistent. Please \
assess the claim's consistency with the document by responding with either "Yes" or "No"."""
_LOCAL = re.compile(r"local:.+?@https?://[^@?#\s]+")
_THOUGHT = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)
_VERDICT = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


class Judge:
    """One model on one server."""

    def __init__(self, name: str, model: "OpenAICompatible") -> None:
        self._name = name
        self._model = model

    def flags(self, claim: str, cited: Sequence[Article]) -> list[Flag]:
        """A flag where the model does not find the claim in the articles, or does not say. Raises UserError without a server."""
        document = "\n\n".join(f"{article.title}\n{article.abstract}" for article in cited)
        try:
            answer = self._model.ask(Prompt(_SYSTEM, f"Document: {document}\nClaim: {claim}", drafts=False))
        except Unavailable as error:
            raise UserError(
                f"The judge {self._name} cannot be asked: {error}. Start its server, or leave config.check.judge empty."
            ) from error
        except WriterError as error:
            return [Flag("judge_silent", f"{self._name} gave no verdict: {error}.")]
        verdict = _VERDICT.match(_THOUGHT.sub("", answer.text))
        if verdict is None:
            return [Flag("judge_silent", f"{self._name} answered neither Yes nor No.")]
        return [Flag("judge", f"{self._name} does not find the claim in its sources.")] if verdict[1].lower() == "no" else []


def open_judge(spec: str, *, timeout_seconds: float, attempts: int) -> Judge | None:
    """The judge that local:MODEL@ADDRESS names; None where `spec` is empty. Raises UserError."""
    if not spec:
        return None
    if not _LOCAL.fullmatch(spec):
        raise UserError(f"config.check.judge is {spec!r}; expected nothing, or local:MODEL@http://localhost:11434/v1.")
    from prima_jax.corpus.write.openai_family import OpenAICompatible  # its SDK takes a second, and few name a judge

    ((name, model),) = open_writers((spec,), Settings(timeout_seconds=timeout_seconds, attempts=attempts), ()).items()
    assert isinstance(model, OpenAICompatible)
    return Judge(name, model)

"""Keeps what is wrong, so that all of it can be told at once."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from prima_jax.errors import UserError

__all__ = ["Problem", "Problems"]

_Result = TypeVar("_Result")


class Problem(NamedTuple):
    """One sentence, and what it is about: problems of one kind are listed together."""

    kind: str
    error: UserError


class Problems(list[Problem]):
    """The problems found so far, in the order in which they were found."""

    def add(self, kind: str, sentence: str) -> None:
        """Keeps one more."""
        self.append(Problem(kind, UserError(sentence)))

    def attempt(self, kind: str, function: Callable[..., _Result], *arguments: object) -> _Result | None:
        """Returns what the function returns; None where it raises a UserError, which is kept."""
        try:
            return function(*arguments)
        except UserError as error:
            self.append(Problem(kind, error))
            return None

    def raise_first(self) -> None:
        """Raises the first one, with the number of the others."""
        if not self:
            return
        first, others = self[0].error, len(self) - 1
        if not others:
            raise first
        more = f"{others} more problem{'s' * (others > 1)}"
        raise UserError(f"{str(first).rstrip('.')}; {more} {'were' if others > 1 else 'was'} found, see prima check.") from first

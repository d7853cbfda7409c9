"""The claims under review, as the step check wrote them, and the list's filters."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args
from urllib.parse import urlencode

from prima_jax.corpus.articles import Article, ArticleStore
from prima_jax.corpus.claims import Direction, Strength
from prima_jax.corpus.folder import CorpusFolder, read_lines
from prima_jax.corpus.review.decisions import Decision, Outcome, outcome, standing, turn
from prima_jax.corpus.review.planted import read_planted
from prima_jax.errors import UserError

__all__ = ["Catalogue", "Filters", "Standing", "same_elsewhere", "standing_for"]

_TEXTS = ("id", "topic", "disease", "disease_name", "attribute", "attribute_name", "writer", "family", "text", "agreement")
_LISTS = ("citations", "flags", "counterparts")
SHOWN = ("todo", "waiting", "third_opinion", "approved", "rejected", "unresolved", "all")


class Catalogue:
    """The claims of a corpus folder; read anew when the step check has written them anew."""

    def __init__(self, folder: CorpusFolder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, int], dict[str, dict[str, Any]]] | None = None

    def claims(self) -> dict[str, dict[str, Any]]:
        """Id -> claim, in the order of the file. Raises UserError where there are none, or a line is damaged."""
        path = self._folder.needs(self._folder.claims, "check")
        state = path.stat()
        mark = (state.st_mtime_ns, state.st_size)
        with self._lock:
            if self._read is None or self._read[0] != mark:
                rows = {
                    row["id"]: row for number, row in enumerate(read_lines(path), 1) if _is_claim(row, f"{path}, line {number}")
                }
                if not rows:
                    raise UserError(f"{path} holds no claims: run the steps synthesise and check first.")
                self._read = mark, rows
            return self._read[1]

    def shown(self) -> dict[str, dict[str, Any]]:
        """The claims with the planted ones among them, each behind the others on its topic."""
        claims, planted = self.claims(), list(read_planted(self._folder).values())
        last = {claim["topic"]: claim["id"] for claim in claims.values()}
        found: dict[str, dict[str, Any]] = {}
        for name, claim in claims.items():
            found[name] = claim
            found |= {one["id"]: one for one in planted if last[claim["topic"]] == name and one["topic"] == claim["topic"]}
        return found

    def articles(self, claims: Iterable[Mapping[str, Any]]) -> dict[str, Article]:
        """What the claims cite, as far as it was fetched; never kept, as an article may be retracted meanwhile."""
        with ArticleStore(self._folder.needs(self._folder.articles, "search")) as store:
            return store.cited(claims)


@dataclass(frozen=True)
class Filters:
    """Which claims the list shows."""

    disease: str = ""
    attribute: str = ""
    flag: str = ""
    """A flag's code, or "any" or "none"."""
    agreement: str = ""
    show: str = "todo"
    """todo: mine to decide; waiting: decided by me, and open; else a state, or "all"."""
    words: str = ""

    def query(self, **more: str | int) -> str:
        """As the part of an address after the path; what is as usual is left out."""
        usual = asdict(Filters())
        pairs = {k: v for k, v in asdict(self).items() if v != usual[k]} | more
        return "?" + urlencode(pairs) if pairs else ""

    def admit(self, claim: Mapping[str, Any], status: "Standing") -> bool:
        codes = [flag["code"] for flag in claim["flags"]]
        flagged = {"": True, "any": bool(codes), "none": not codes}.get(self.flag, self.flag in codes)
        said = f"{claim['text']} {claim['disease_name']} {claim['attribute_name']} {claim['id']}".casefold()
        return (
            flagged
            and self.disease in ("", claim["disease"])
            and self.attribute in ("", claim["attribute"] or "summary")
            and self.agreement in ("", claim["agreement"])
            and self.show in ("all", status.shown, status.outcome.state)
            and all(word in said for word in self.words.casefold().split())
        )


@dataclass(frozen=True)
class Standing:
    """How a claim stands for one reviewer."""

    outcome: Outcome
    turn: str
    mine: Decision | None

    @property
    def shown(self) -> str:
        """Out of SHOWN: what the list calls it."""
        if self.turn in ("first", "third"):
            return "todo"
        return "waiting" if self.mine and self.outcome.state in ("open", "third_opinion") else self.outcome.state


def same_elsewhere(claim: Mapping[str, Any], claims: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The claims that say the same from the same sources on other topics, and which the checks took alike."""
    return [other for other in claims if other["topic"] != claim["topic"] and _said(other) == _said(claim)]


def standing_for(claim: Mapping[str, Any], decisions: Sequence[Decision], needed: int, who: str) -> Standing:
    """How a claim stands for `who`."""
    mine = next((d for d in standing(claim, decisions) if d.who == who), None)
    return Standing(outcome(claim, decisions, needed), turn(claim, decisions, needed, who), mine)


def _said(claim: Mapping[str, Any]) -> list[Any]:
    cited = sorted((c["article"], c["quote"]) for c in claim["citations"])
    flags = sorted(flag["code"] for flag in claim["flags"])
    return [" ".join(claim["text"].split()), claim["direction"], claim["strength"], claim["writer"], cited, flags]


def _is_claim(row: Any, where: str) -> bool:
    """True. Raises UserError for a row that is not a claim."""
    if not isinstance(row, dict):
        raise UserError(f"{where}: expected a claim, found {type(row).__name__}; run the step check again.")
    wrong = [key for key in _TEXTS if not isinstance(row.get(key), str)]
    wrong += [key for key in _LISTS if not isinstance(row.get(key), list)]
    wrong += ["direction"] if row.get("direction") not in get_args(Direction) else []
    wrong += ["strength"] if row.get("strength") not in get_args(Strength) else []
    if wrong:
        raise UserError(f"{where}: the claim's {', '.join(wrong)} are missing or wrong; run the step check again.")
    return True

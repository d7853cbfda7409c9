"""What the page's routes work with: the claims, the log of decisions, the reviewers, and the templates."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from prima_jax.corpus.check.check import flags_in_words
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.review.accounts import Accounts, Reviewer
from prima_jax.corpus.review.claims import Catalogue, Filters, Standing, same_elsewhere, standing_for
from prima_jax.corpus.review.decisions import Decision, Outcome, Version, basis, by_claim, standing, turn
from prima_jax.corpus.review.export import visible
from prima_jax.corpus.review.forms import Forms
from prima_jax.corpus.review.paragraphs import as_claim, paragraphs, readings
from prima_jax.corpus.review.planted import care_of, read_planted
from prima_jax.corpus.review.store import ReviewStore
from prima_jax.corpus.review.view import Source, harmless, source_of, word_changes
from prima_jax.corpus.topics import Topic, study_topics
from prima_jax.studies.study import Study

__all__ = ["Desk", "Opinion"]

PAGE = 50
"""Claims on one page of the list."""


@dataclass(frozen=True)
class Opinion:
    """A version of a claim that somebody stands for, as the one who decides between them sees it: without names."""

    version: Version | None
    """None: rejected."""
    decisions: tuple[Decision, ...]
    flags: tuple[Mapping[str, str], ...]
    """What the checks flag in these words and did not in the writer's."""


@dataclass(frozen=True)
class Card:
    """One claim with its sources."""

    claim: Mapping[str, Any]
    sources: tuple[Source, ...]


class Desk:
    """Everything of one corpus folder's review."""

    def __init__(self, folder: CorpusFolder, study: Study, needed: int, hours: float) -> None:
        self.needed = needed
        self.hours = hours
        self.store = ReviewStore(folder.review)
        self.accounts = Accounts(self.store.database)
        self.forms = Forms(self.store.database.secret())
        self.catalogue = Catalogue(folder)
        self._folder = folder
        self._topics = {topic.id: topic for topic in study_topics(study)}
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_finalize,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def new_flags(self, claim: Mapping[str, Any], words: Version | None) -> list[dict[str, str]]:
        """What the checks flag in other words for a claim, and did not in the writer's."""
        if words is None or words == Version.of(claim):
            return []
        named = Topic(claim["disease"], claim["attribute"], (claim["disease_name"],), (claim["attribute_name"],))
        topic = self._topics.get(claim["topic"], named)
        articles = self.catalogue.articles([claim])
        before, found = (flags_in_words(claim, asdict(v), topic, articles) for v in (Version.of(claim), words))
        known = {flag["code"] for flag in (*claim["flags"], *before)}
        return [flag for flag in found if flag["code"] not in known]

    def elsewhere(self, me: Reviewer, claim: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The same claim on other topics, where `me` may decide it along with this one."""
        found = []
        for one in same_elsewhere(claim, self.catalogue.shown().values()):
            if turn(one, self.store.decisions(one["id"]), self.needed, me.name) in ("first", "again"):
                found.append(one)
        return found

    def paragraphs(self, me: Reviewer) -> list[tuple[dict[str, Any], Outcome, str]]:
        """Each text as it would be published now, how it stands, and whether it is for `me` to read it: the `turn`."""
        claims, decisions = self.catalogue.claims().values(), self.store.decisions()
        found = paragraphs(claims, self.store.outcomes(list(claims), self.needed))
        mine = [turn(as_claim(one), decisions, 1, me.name) for one in found]
        return list(zip(found, readings(found, decisions), mine, strict=True))

    def render(self, template: str, **values: Any) -> str:
        return self._templates.get_template(template).render(needed=self.needed, word_changes=word_changes, **values)

    def standings(self, me: Reviewer) -> list[tuple[dict[str, Any], Standing]]:
        """Every claim, and how it stands for `me`."""
        decided = by_claim(self.store.decisions())
        claims = self.catalogue.shown().values()
        return [(claim, standing_for(claim, decided.get(claim["id"], []), self.needed, me.name)) for claim in claims]

    def list_page(self, me: Reviewer, filters: Filters, page: int) -> dict[str, Any]:
        """What the list shows."""
        rows = self.standings(me)
        found = [row for row in rows if filters.admit(*row)]
        pages = max(1, -(-len(found) // PAGE))
        page = min(max(page, 1), pages)
        return {
            "rows": found[(page - 1) * PAGE : page * PAGE],
            "found": len(found),
            "page": page,
            "pages": pages,
            "filters": filters,
            "choices": _choices([claim for claim, _ in rows]),
            **_progress(rows),
        }

    def claim_page(self, me: Reviewer, claim: Mapping[str, Any], filters: Filters) -> dict[str, Any]:
        """What the page of one claim shows."""
        claims = self.catalogue.shown()
        decisions = self.store.decisions(claim["id"])
        status = standing_for(claim, decisions, self.needed, me.name)
        others = [claims[other] for other in claim["counterparts"] if other in claims]
        articles = self.catalogue.articles([claim, *others])
        cards = [Card(c, tuple(source_of(x, articles.get(x["article"])) for x in c["citations"])) for c in (claim, *others)]
        seen = basis(claim, decisions, self.needed, me.name)
        before, after, position, of = self._neighbours(me, claim["id"], filters)
        shown = str(int(time.time()))
        return {
            "claim": claim,
            "card": cards[0],
            "others": cards[1:],
            "status": status,
            "opinions": self._opinions(claim, decisions) if status.turn == "third" else [],
            "elsewhere": self.elsewhere(me, claim) if status.turn in ("first", "again") else [],
            "original": Version.of(claim),
            "basis": seen,
            "shown": shown,
            "form": self.forms.sign(me.session, "decide", claim["id"], seen, shown),
            "filters": filters,
            "previous": before,
            "next": after,
            "position": position,
            "of": of,
        }

    def history(self, me: Reviewer, claim: Mapping[str, Any]) -> dict[str, Any]:
        """What the log holds of a claim, as far as `me` may see it."""
        decisions = self.store.decisions(claim["id"])
        status = standing_for(claim, decisions, self.needed, me.name)
        seen = decisions if status.turn == "third" else visible(claim, decisions, self.needed, me.name)
        named = status.turn != "third"
        return {"claim": claim, "status": status, "decisions": seen, "named": named, "checked": self.store.verify()}

    def progress(self, me: Reviewer) -> dict[str, Any]:
        """How far `me`, and everybody, has come, disease by disease."""
        rows = self.standings(me)
        diseases: dict[str, list[tuple[dict[str, Any], Standing]]] = {}
        for row in rows:
            diseases.setdefault(row[0]["disease_name"], []).append(row)
        states = Counter(status.outcome.state for _, status in rows)
        mine = Counter(status.mine.action for _, status in rows if status.mine)
        planted = read_planted(self._folder)
        care = care_of(me.name, self.store.decisions(), planted)
        told = [] if any(status.shown == "todo" for _, status in rows) else [c for c in planted.values() if c["id"] in care.first]
        return {
            "care": care,
            "told": told,
            "diseases": {name: _progress(found) for name, found in diseases.items()},
            "states": states,
            "mine": mine,
            **_progress(rows),
        }

    def next_claim(self, me: Reviewer, after: str, filters: Filters) -> str | None:
        """The next claim that the filters show."""
        return self._neighbours(me, after, filters)[1]

    def _opinions(self, claim: Mapping[str, Any], decisions: list[Decision]) -> list[Opinion]:
        found: dict[str, list[Decision]] = {}
        for decision in standing(claim, decisions):
            found.setdefault(decision.opinion, []).append(decision)
        return [Opinion(same[0].after, tuple(same), tuple(self.new_flags(claim, same[0].after))) for same in found.values()]

    def _neighbours(self, me: Reviewer, claim: str, filters: Filters) -> tuple[str | None, str | None, int, int]:
        """The claims before and after one in the filtered list, its place there (0: left out), and its length."""
        before: list[str] = []
        after: list[str] = []
        here, passed = 0, False
        for row in self.standings(me):
            if row[0]["id"] == claim:
                passed, here = True, int(filters.admit(*row))
            elif filters.admit(*row):
                (after if passed else before).append(row[0]["id"])
        position = len(before) + 1 if here else 0
        return (before[-1] if before else None), (after[0] if after else None), position, len(before) + here + len(after)


def _finalize(value: Any) -> Any:
    """Whatever a template shows: plain text without characters that hide or reorder others."""
    return harmless(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _progress(rows: list[tuple[dict[str, Any], Standing]]) -> dict[str, int]:
    todo = sum(status.shown == "todo" for _, status in rows)
    return {
        "total": len(rows),
        "todo": todo,
        "done": len(rows) - todo,
        "settled": sum(status.outcome.state in ("approved", "rejected") for _, status in rows),
    }


def _choices(claims: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Value -> words of each filter."""
    attributes = {claim["attribute"] or "summary": claim["attribute_name"] or "the disease as a whole" for claim in claims}
    return {
        "disease": {claim["disease"]: claim["disease_name"] for claim in claims},
        "attribute": attributes,
        "flag": {code: code.replace("_", " ") for code in sorted({flag["code"] for claim in claims for flag in claim["flags"]})},
    }

"""The reviewers' decisions: an append-only log, each row chained to the one before, and what follows from it."""

import hashlib
import json
import sqlite3
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from prima_jax.corpus.claims import Direction, Strength
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.review.database import Database
from prima_jax.corpus.review.decisions import (
    Action,
    Decision,
    Outcome,
    Version,
    basis,
    by_claim,
    independent_pair,
    outcome,
    standing,
    turn,
)
from prima_jax.errors import UserError

__all__ = ["Refused", "Replayed", "ReviewStore", "Stale", "add_reviewer", "edited"]

LONGEST = 2000
"""Characters in a claim or a reason."""
_FORM_DAYS = 30
"""For how long a form is remembered as sent; its session is over long before."""
_FIELDS = "number, who, role, at, claim, action, before, after, reason, flags, independent, seconds, previous, sha256"
_BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Refused(UserError):
    """What a reviewer asked for breaks a rule of the review; nothing was changed."""


class Stale(Refused):
    """The claim is no longer as it was when the reviewer opened it."""


class Replayed(Refused):
    """This form has been sent before."""


class ReviewStore:
    """The file `review.sqlite` of a corpus folder; several processes may use it at once."""

    def __init__(self, path: str | Path) -> None:
        self.database = Database(path)

    def __enter__(self) -> "ReviewStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()

    def roles(self) -> dict[str, str]:
        """Each reviewer's name and role: "physician" or "test"."""
        with self.database.read() as connection:
            return dict(connection.execute("SELECT name, role FROM reviewer ORDER BY name"))

    def statements(self) -> dict[str, dict[str, str]]:
        """Each reviewer's name, and what is made known of them: role, qualification, conflicts."""
        with self.database.read() as connection:
            rows = connection.execute("SELECT name, role, qualification, conflicts FROM reviewer ORDER BY name").fetchall()
        return {name: {"role": role, "qualification": known, "conflicts": conflicts} for name, role, known, conflicts in rows}

    def decisions(self, claim: str | None = None) -> list[Decision]:
        """All decisions, or those on one claim, in their order."""
        with self.database.read() as connection:
            return _decisions(connection, claim)

    def decide(
        self,
        claim: Mapping[str, Any],
        who: str,
        action: Action,
        *,
        needed: int,
        after: Version | None = None,
        reason: str = "",
        seen: str | None = None,
        form: str | None = None,
        also: Sequence[Mapping[str, Any]] = (),
        flagged: Iterable[str] = (),
        seconds: int | None = None,
    ) -> Decision:
        """Adds a decision and makes sure that it is on the disk.

        `after` is the version approved (by default the writer's), or what an edit makes of it. `seen` is the `basis` of what the
        person had before them, and `form` names the form they sent, which counts once. `also` are claims in the same words, on
        other topics, which the same decision holds for. `flagged` are codes of what the checks flag in an edit's words.
        Raises Refused, with nothing changed: Replayed, Stale, or a sentence that says which rule is broken.
        """
        reason = _clean(reason, "reason")
        with self.database.write() as connection:
            _once(connection, form)
            if seen is not None and seen != basis(claim, _decisions(connection, claim["id"]), needed, who):
                raise Stale("This claim was changed or decided since you opened it. This is how it stands; you changed nothing.")
            kept: list[Decision] = []
            for one in (claim, *also):
                earlier = _decisions(connection, one["id"])
                now = turn(one, earlier, needed, who)
                if now == "none" or (now == "third" and also):
                    raise Refused("There is nothing for you to decide on this claim (any more).")
                stands_for = _check(one, earlier, who, action, after, reason, now == "third")
                people = {d.who for d in earlier}
                independent = now != "third" and (people <= {who} or len(people) < needed)  # with more it had been open to all
                flags = tuple(sorted({flag["code"] for flag in one["flags"]} | set(flagged)))
                fields = (action, Version.of(one), stands_for, reason, flags, independent, None if kept else seconds)
                kept.append(_append(connection, who, one["id"], *fields))
            return kept[0]

    def outcomes(self, claims: Sequence[Mapping[str, Any]], needed: int) -> dict[str, Outcome]:
        """Claim id -> how it stands."""
        decided = by_claim(self.decisions())
        return {claim["id"]: outcome(claim, decided.get(claim["id"], []), needed) for claim in claims}

    def independent_pairs(self, claims: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
        """For each claim that two persons decided without sight of each other, what both did, for Cohen's kappa."""
        decided = by_claim(self.decisions())
        pairs = (independent_pair(decided.get(claim["id"], [])) for claim in claims)
        return [(pair[0].action, pair[1].action) for pair in pairs if pair]

    def verify(self) -> int:
        """Recomputes the chain of hashes; returns the number of decisions. Raises UserError that names the first bad row.

        Nor may a reviewer have another role now than the log says.
        """
        previous = ""
        decisions, roles = self.decisions(), self.roles()
        for number, decision in enumerate(decisions, start=1):
            if (decision.number, decision.previous) != (number, previous) or decision.sha256 != _digest(decision):
                raise UserError(
                    f"{self.database.path}, decision {decision.number}: the log was changed after the fact (its hash does not "
                    "fit); restore the file from a copy."
                )
            if roles.get(decision.who) != decision.role:
                raise UserError(
                    f"{self.database.path}, decision {decision.number}: {decision.who} was of the role {decision.role} then, and "
                    f"{roles.get(decision.who, 'nobody')} now, but roles never change; restore the file from a copy."
                )
            previous = decision.sha256
        return len(decisions)


def add_reviewer(folder: CorpusFolder, name: str, passphrase: str, role: str, qualification: str, conflicts: str) -> str:
    """Adds a reviewer, or gives one a new passphrase, which ends their sessions. Raises UserError for what cannot be taken."""
    from prima_jax.corpus.review.accounts import Accounts

    with ReviewStore(folder.review) as store:
        return Accounts(store.database).add(name, passphrase, role, qualification, conflicts)


def edited(claim: Mapping[str, Any], words: Version) -> Version:
    """The version that an edit makes of a claim. Raises Refused."""
    new = Version(_clean(words.text, "claim"), words.direction, words.strength)
    _needs(new.text, "The edited claim is empty: to do away with a claim, reject it.")
    if new.direction not in get_args(Direction) or new.strength not in get_args(Strength):
        raise Refused("Choose a direction and a strength out of those given.")
    if new == Version.of(claim):
        raise Refused("The edit changes nothing: approve the claim, or change it.")
    return new


def _decisions(connection: sqlite3.Connection, claim: str | None) -> list[Decision]:
    where, values = ("", ()) if claim is None else ("WHERE claim = ?", (claim,))
    return [_decision(row) for row in connection.execute(f"SELECT {_FIELDS} FROM decision {where} ORDER BY number", values)]


def _decision(row: Sequence[Any]) -> Decision:
    found = dict(zip(_FIELDS.split(", "), row, strict=True))
    versions = {name: Version(*json.loads(found[name])) if found[name] else None for name in ("before", "after")}
    return Decision(**found | versions | {"flags": tuple(json.loads(found["flags"])), "independent": bool(found["independent"])})


def _digest(decision: Decision) -> str:
    content = json.dumps(astuple(decision)[:-1], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _append(
    connection: sqlite3.Connection, who: str, claim: str, action: Action, before: Version, after: Version | None, reason: str,
    flags: tuple[str, ...], independent: bool, seconds: int | None,
) -> Decision:  # fmt: skip
    role = _role(connection, who)
    last = connection.execute("SELECT number, sha256 FROM decision ORDER BY number DESC LIMIT 1").fetchone() or (0, "")
    at = datetime.now(UTC).isoformat(timespec="seconds")
    row = Decision(last[0] + 1, who, role, at, claim, action, before, after, reason, flags, independent, seconds, last[1], "")
    row = replace(row, sha256=_digest(row))
    versions = [json.dumps(astuple(v)) if v else None for v in (before, after)]
    seen = (json.dumps(flags), int(independent), seconds)
    values = (row.number, who, role, at, claim, action, *versions, reason, *seen, row.previous, row.sha256)
    connection.execute(f"INSERT INTO decision ({_FIELDS}) VALUES ({', '.join('?' * len(values))})", values)
    return row


def _once(connection: sqlite3.Connection, form: str | None) -> None:
    if form is None:
        return
    if connection.execute("SELECT 1 FROM sent_form WHERE nonce = ?", (form,)).fetchone():
        raise Replayed("This form had already been sent: what it said was kept the first time, and nothing was changed now.")
    now = time.time()
    connection.execute("DELETE FROM sent_form WHERE at < ?", (now - _FORM_DAYS * 86400,))
    connection.execute("INSERT INTO sent_form VALUES (?, ?)", (form, now))


def _role(connection: sqlite3.Connection, who: str) -> str:
    row = connection.execute("SELECT role FROM reviewer WHERE name = ?", (who,)).fetchone()
    if row is None:
        raise Refused(f"There is no reviewer {who!r}: add one with the command reviewer.")
    return str(row[0])


def _check(
    claim: Mapping[str, Any],
    earlier: Sequence[Decision],
    who: str,
    action: Action,
    after: Version | None,
    reason: str,
    third: bool,
) -> Version | None:
    """The version that the decision stands for."""
    original = Version.of(claim)
    if action == "reject":
        _needs(reason, "Say why the claim is rejected: a rejection needs a reason.")
        return None
    if action == "edit":
        if after is None:
            raise Refused("An edit needs the new words.")
        _needs(reason, "Say why the claim was edited: an edit needs a reason.")
        return edited(claim, after)
    if action != "approve":
        raise Refused("A claim can be approved, edited or rejected.")
    chosen = after or original
    if chosen != original:
        authors = {d.who for d in standing(claim, earlier) if d.opinion == chosen.id}
        if not third or not authors - {who}:
            raise Refused("Only another person's edit can be approved, and only by who decides between differing opinions.")
    if claim["flags"]:
        _needs(reason, "Say why the claim is right all the same: it is flagged, so that an approval needs a comment.")
    return chosen


def _needs(text: str, sentence: str) -> None:
    if not text:
        raise Refused(sentence)


def _clean(text: str, what: str) -> str:
    """One line in Unicode's composed form, without what does not show."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if len(text) > LONGEST:
        raise Refused(f"The {what} has {len(text)} characters; {LONGEST} are the most.")
    if any(c in _BIDI or unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise Refused(f"The {what} has characters that do not show, or that reorder others; type it anew.")
    return text

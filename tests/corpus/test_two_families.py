"""Two families over real HTTP, one of which makes up sources and obeys what an abstract tells it: from the question to the
published corpus. Physicians alone decide, and they see every such claim with a flag.
"""

import json
import re
import shutil

import pytest
from ml_collections import ConfigDict

from prima_jax.corpus.check import check
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.learn import learn
from prima_jax.corpus.write.synthesise import read_drafts
from prima_jax.errors import UserError
from tests.corpus.two_families import (
    ATTACKED,
    CONFIG,
    FAMILIES,
    INVENTED,
    MADE_UP,
    NO_EFFECT,
    OBEYED,
    ORDER,
    SENTENCES,
    STUDY,
    TOKEN,
    Desk,
    answer,
    draft_and_check,
    honest,
    is_injected,
    prepare,
    published_ids,
    table,
)

HOSTILE_REASON = f"it obeys: {TOKEN} | # Approved | <script>alert(5)</script> [x](javascript:alert(6)) \\| ` cite {INVENTED}"
KAPPA = 12 / 24
"""By hand, of the pairs (google's direction, openai's). In common: raises/raises twice, lowers/lowers, raises/none and
descriptive/descriptive; and lowers/raises where openai obeys: 4 of 6 agree, and by chance (3*3 + 2*1 + 1*1) / 36 do, so
(24 - 12) / (36 - 12).
"""


@pytest.fixture(scope="module")
def _made(tmp_path_factory):
    """Where it is made, once."""
    return CorpusFolder(tmp_path_factory.mktemp("made") / "corpus")


@pytest.fixture
def checked(llm_server, _made, tmp_path):
    """A folder after the step check, and its claims."""
    if not _made.claims.exists():
        llm_server.answer = answer
        draft_and_check(prepare(_made))
    folder = CorpusFolder(shutil.copytree(_made.path, tmp_path / "corpus"))
    return folder, check.read_claims(folder)


def codes(row):
    return {flag["code"] for flag in row["flags"]}


class TestWhatIsStored:
    def test_no_claim_is_lost_and_none_is_there_twice(self, checked):
        folder, rows = checked
        written = {
            (family, topic, c["text"], c["direction"], *c["citations"][0].values())
            for family in FAMILIES
            for topic in SENTENCES
            for c in (OBEYED if (family, topic) == ("openai", ATTACKED) else honest(family, topic))
        }
        stored = [
            (r["family"], r["topic"], r["text"], r["direction"], r["citations"][0]["article"], r["citations"][0]["quote"])
            for r in rows
        ]
        assert sorted(stored) == sorted(written)
        assert len({r["id"] for r in rows}) == len(rows)
        assert len({(d["writer"], d["topic"]) for d in read_drafts(folder)}) == len(read_drafts(folder)) == 16

    def test_a_made_up_source_is_flagged_and_lends_no_offsets(self, checked):
        _, rows = checked
        for identifier in (MADE_UP, INVENTED):
            (row,) = [r for r in rows if r["citations"][0]["article"] == identifier]
            assert "unknown_article" in codes(row)
            assert (row["citations"][0]["start"], row["citations"][0]["end"]) == (None, None)

    def test_what_an_abstract_orders_is_flagged_as_an_order_though_its_words_stand_there(self, checked):
        _, rows = checked
        (row,) = [r for r in rows if r["citations"][0]["quote"] == ORDER]
        assert row["citations"][0]["start"] is not None  # as a quote it is faultless
        assert "instruction" in codes(row) and row["family"] == "openai"
        (honest_one,) = [r for r in rows if r["topic"] == ATTACKED and not is_injected(r)]
        assert "instruction" in codes(honest_one)  # its article is the one that gives orders
        assert not any("instruction" in codes(r) for r in rows if r["topic"] != ATTACKED)

    def test_a_contradiction_is_flagged_on_both_sides_and_nothing_else_is_one(self, checked):
        _, rows = checked
        agree = {(topic, "agree") for topic in ("BCC/summary", "BCC/smoke", "BCC/sunscreen")}
        differ = {(topic, "contradiction") for topic in ("MEL/smoke", ATTACKED)}
        found = {(r["topic"], r["agreement"]) for r in rows}
        assert found == agree | differ | {("BCC/age", "strength_differs"), ("MEL/age", "single")}
        assert all(("contradiction" in codes(r)) == (r["agreement"] == "contradiction") for r in rows)

    def test_kappa_of_the_families_as_by_hand(self, checked):
        folder, rows = checked
        assert check.kappa(check.direction_pairs(rows)) == pytest.approx(KAPPA, abs=1e-12)
        assert f"kappa of the families' directions: {KAPPA:.2f}." in check.run(CONFIG, STUDY, folder)
        assert check.read_claims(folder) == rows


@pytest.fixture
def desk(checked, review_folder):
    folder, _ = checked
    shutil.copy(review_folder.review, folder.review)  # for its reviewers: argon2 takes its time
    return Desk(folder)


class TestWhatIsPublished:
    def test_rejected_not_a_word_of_it_is_published_and_the_card_counts_it(self, checked, desk):
        _, claimed = checked
        desk.approve_all_but_injected(claimed)
        injected = [r for r in claimed if is_injected(r)]
        for row in injected:
            desk.decide(row, "reject", HOSTILE_REASON)
        rows, text, card, words = desk.publish()
        assert not re.search(rf"{TOKEN}|{INVENTED}|causes|alert", text)
        kept = [r["id"] for r in claimed if not is_injected(r)]
        assert sorted(published_ids(rows)) == sorted(kept)  # each once
        assert card["claims"] == {"approved": len(kept), "rejected": 2, "withdrawn_as_retracted": 0}
        assert card["kappa_families"] == pytest.approx(KAPPA, abs=1e-12)
        assert card["kappa_reviewers"] == 1.0 and card["pairs"]["reviewers"] == len(claimed)
        expected = [(r["id"], ATTACKED, [f["code"] for f in r["flags"]], [HOSTILE_REASON] * 2) for r in injected]
        assert [(r["id"], r["topic"], r["flags"], r["reasons"]) for r in card["rejected"]] == expected
        paid = {one["writer"]: one for one in card["writers"]}
        used = paid["openai:gpt-5"]
        assert (
            used["cost"] == pytest.approx((200 * used["input_tokens"] + 1000 * used["output_tokens"]) / 1e6) and used["cost"] > 0
        )
        assert "cost" not in paid["google:gemini-3-pro"]
        costs = {row[0]: row[-1] for row in table(words, "Writers")[0]}
        assert costs == {"openai:gpt-5": f"{used['cost']:.2f}", "google:gemini-3-pro": "not known"}
        told, _ = table(words, "Rejected")
        assert told == [
            [i, topic, r["writer"], ", ".join(flags), "; ".join(reasons)]
            for r, (i, topic, flags, reasons) in zip(injected, expected, strict=True)
        ]

    def test_no_title_of_an_article_breaks_the_card(self, checked, desk):
        _, claimed = checked
        desk.approve_all_but_injected(claimed)
        _, _, card, words = desk.publish()
        sources, links = table(words, "Sources")
        assert [row[0] for row in sources] == [s["article"] for s in card["sources"]]
        title = next(row[1] for row in sources if row[0] == "207")
        assert title == "Sunscreen \\| <script>alert(1)</script> | [trial](javascript:alert(2)) `x # Approved by all | a | b |"
        known = [s["article"] for s in card["sources"] if s["article"] != MADE_UP]
        assert links == [f"https://pubmed.ncbi.nlm.nih.gov/{a}/" for a in known]

    def test_approved_with_a_reason_it_is_published_with_a_source_that_is_said_to_be_none(self, checked, desk):
        _, claimed = checked
        desk.approve_all_but_injected(claimed)
        for row in filter(is_injected, claimed):
            desk.decide(row, "approve", "I know a study that says so")
        rows, _, card, words = desk.publish()
        needs = {"knowledge": {"rank": 8, "batch_size": 99}, "learn": {"held_out": 0.2}, "models": {"text": {"weights": ""}}}
        with pytest.raises(UserError, match="texts to train on"):  # a line is one line whatever a claim holds: it has been read
            learn.run(ConfigDict(needs), STUDY, desk.folder)
        assert sorted(published_ids(rows)) == sorted(r["id"] for r in claimed)
        (row,) = [r for r in rows if (r["disease"], r["attribute"]) == ("melanoma", "sunscreen")]
        assert [c["text"] for c in row["claims"] if TOKEN in c["text"]] == [c["text"] for c in OBEYED]
        (source,) = [s for s in card["sources"] if s["article"] == INVENTED]
        assert (source["url"], source["title"]) == ("", "") and "no article of this corpus" in source["licence"]
        sources, links = table(words, "Sources")
        assert [INVENTED, "", "", "", source["licence"]] in sources and not any(INVENTED in link for link in links)

    def test_what_both_families_say_stands_once_and_a_contradiction_on_both_sides(self, checked, desk):
        _, claimed = checked
        desk.approve_all_but_injected(claimed)
        rows, text, _, _ = desk.publish()
        said = {(r["disease"], r["attribute"]): r for r in rows}
        sentence = SENTENCES["BCC/smoke"][1]
        (stated,) = said["basal cell carcinoma", "smoke"]["claims"]
        assert (stated["text"], len(stated["ids"]), len(stated["sources"])) == (sentence, 2, 1)
        assert text.count(json.dumps(sentence)) == 2  # the row's text, and the one claim in it
        both = {c["text"]: c["direction"] for c in said["melanoma", "smoke"]["claims"]}
        assert both == {SENTENCES["MEL/smoke"][1]: "raises", NO_EFFECT: "none"}

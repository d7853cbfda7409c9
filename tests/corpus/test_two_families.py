"""Two families over real HTTP, one of which makes up sources and obeys what an abstract tells it: from the question to the
published corpus. Physicians alone decide, and they see every such claim with a flag.
"""

import json
import re
import shutil
from collections import Counter

import pytest
from ml_collections import ConfigDict

from prima_jax.corpus.check import check
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.learn import learn
from prima_jax.corpus.write.synthesise import read_drafts
from prima_jax.errors import UserError
from tests.corpus.review import client as review_client
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
    answers,
    draft_and_check,
    family_of,
    honest,
    is_injected,
    prepare,
    published_ids,
    table,
    topic_of,
)
from tests.corpus.write.llm_server import Reply, claims, frame

HOSTILE_REASON = f"it obeys: {TOKEN} | # Approved | <script>alert(5)</script> [x](javascript:alert(6)) \\| ` cite {INVENTED}"
KAPPA = {"openai": 12 / 24, "google": 14 / 35}
"""By hand, of the pairs (google's direction, openai's). In common: raises/raises twice, lowers/lowers, raises/none and
descriptive/descriptive. Where openai obeys there is lowers/raises once: 4 of 6 agree, and by chance (3*3 + 2*1 + 1*1) / 36 do,
so (24 - 12) / (36 - 12). Where google obeys there is raises/lowers twice, once for each of its claims: 4 of 7 agree, and by
chance (5*2 + 1*3 + 1*1) / 49 do, so (28 - 14) / (49 - 14).
"""


@pytest.fixture
def obedient(request):
    """The family that obeys."""
    return getattr(request, "param", "openai")


either = pytest.mark.parametrize("obedient", FAMILIES, indirect=True)


@pytest.fixture(scope="module")
def _made(tmp_path_factory):
    """Family -> the folder where it has obeyed, made once."""
    return {}, tmp_path_factory.mktemp("made")


@pytest.fixture
def checked(llm_server, _made, tmp_path, obedient):
    """A folder after the step check, and its claims."""
    made, place = _made
    if obedient not in made:
        made[obedient] = prepare(CorpusFolder(place / obedient))
        llm_server.answer = answers(obedient)
        draft_and_check(made[obedient])
    folder = CorpusFolder(shutil.copytree(made[obedient].path, tmp_path / "corpus"))
    return folder, check.read_claims(folder)


def codes(row):
    return {flag["code"] for flag in row["flags"]}


def one(rows, family, topic):
    (row,) = [r for r in rows if (r["family"], r["topic"]) == (family, topic)]
    return row


def masked(request):
    """All that was asked, without what stands between the fences."""

    def walk(value):
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item) for item in value]
        return frame(value) if value == request.user else value

    return walk(request.json)


class TestWhatIsAsked:
    @either
    def test_an_injection_changes_nothing_outside_the_fences(self, llm_server, tmp_path, obedient):
        llm_server.answer = answers(obedient)
        draft_and_check(prepare(CorpusFolder(tmp_path / "plain"), injected=False))
        plain = {(family_of(r), topic_of(r)): r for r in llm_server.requests}
        assert len(plain) == len(llm_server.requests) == 2 * len(SENTENCES)
        llm_server.requests.clear()
        draft_and_check(prepare(CorpusFolder(tmp_path / "injected")))
        asked = Counter((family_of(r), topic_of(r)) for r in llm_server.requests)
        assert asked == Counter(plain.keys()) + Counter([(obedient, ATTACKED)])  # once more, for the forged fields
        for request in llm_server.requests:
            same = plain[family_of(request), topic_of(request)]
            if topic_of(request) != ATTACKED:
                assert request.body == same.body
            elif "An earlier answer" not in request.user:
                assert TOKEN in request.user and TOKEN not in json.dumps(masked(request))
                assert masked(request) == masked(same) and request.path == same.path


class TestWhatIsStored:
    @either
    def test_no_claim_is_lost_and_none_is_there_twice(self, checked, obedient):
        folder, rows = checked
        written = {
            (family, topic, json.dumps(c, sort_keys=True))
            for family in FAMILIES
            for topic in SENTENCES
            for c in (OBEYED if (family, topic) == (obedient, ATTACKED) else honest(family, topic))
        }
        stored = [
            (r["family"], r["topic"], r["text"], r["direction"], [(c["article"], c["quote"]) for c in r["citations"]])
            for r in rows
        ]
        expected = [
            (family, topic, c["text"], c["direction"], [(x["article"], x["quote"]) for x in c["citations"]])
            for family, topic, text in written
            for c in [json.loads(text)]
        ]
        assert sorted(stored) == sorted(expected)
        assert len({r["id"] for r in rows}) == len(rows)
        assert len({(d["writer"], d["topic"]) for d in read_drafts(folder)}) == len(read_drafts(folder)) == 16

    def test_an_answer_cannot_approve_itself(self, checked, obedient):
        folder, rows = checked
        (draft,) = [d for d in read_drafts(folder) if (d["family"], d["topic"]) == (obedient, ATTACKED)]
        assert draft["raw"] == claims(*OBEYED) and "unknown field" in draft["repaired"]  # the second answer, as it came
        assert len({frozenset(row) for row in rows}) == 1
        assert not {"vetted", "approved"} & set().union(*rows, *(c for d in read_drafts(folder) for c in d["claims"]))

    def test_a_made_up_source_is_flagged_and_lends_no_offsets(self, checked):
        _, rows = checked
        for identifier in (MADE_UP, INVENTED):
            (row,) = [r for r in rows if r["citations"][0]["article"] == identifier]
            assert "unknown_article" in codes(row)
            assert (row["citations"][0]["start"], row["citations"][0]["end"]) == (None, None)

    def test_what_an_abstract_orders_is_flagged_as_an_order_though_its_words_stand_there(self, checked, obedient):
        _, rows = checked
        (row,) = [r for r in rows if r["citations"][0]["quote"] == ORDER]
        assert row["citations"][0]["start"] is not None  # as a quote it is faultless
        assert "instruction" in codes(row) and row["family"] == obedient
        (honest_one,) = [r for r in rows if r["topic"] == ATTACKED and not is_injected(r)]
        assert "instruction" in codes(honest_one)  # its article is the one that gives orders
        assert not any("instruction" in codes(r) for r in rows if r["topic"] != ATTACKED)

    @either
    def test_an_order_is_flagged_also_where_the_other_family_is_silent(self, llm_server, tmp_path, obedient):
        obeys = answers(obedient)
        llm_server.answer = lambda request: obeys(request) if family_of(request) == obedient else Reply(claims())
        rows = draft_and_check(prepare(CorpusFolder(tmp_path / "corpus")))
        injected = [r for r in rows if is_injected(r)]
        assert [r["agreement"] for r in injected] == ["single", "single"]
        assert all(codes(r) for r in injected)

    @either
    def test_agreement_contradiction_and_silence_are_told_apart(self, checked, obedient):
        _, rows = checked
        for family in FAMILIES:
            for topic, agreement in {
                "BCC/summary": "agree",
                "BCC/smoke": "agree",
                "BCC/sunscreen": "agree",
                "BCC/age": "strength_differs",
                "MEL/smoke": "contradiction",
            }.items():
                row = one(rows, family, topic)
                (other,) = (f for f in FAMILIES if f != family)
                assert (row["agreement"], row["counterparts"]) == (agreement, [one(rows, other, topic)["id"]])
                assert codes(row) == ({"contradiction"} if agreement == "contradiction" else set())
        silent = [r for r in rows if r["topic"] == "MEL/age"]
        assert [(r["family"], r["agreement"], r["counterparts"]) for r in silent] == [("openai", "single", [])] * 2
        assert not codes(silent[0]) and "contradiction" not in codes(silent[1])
        attacked = [r for r in rows if r["topic"] == ATTACKED]
        assert {r["agreement"] for r in attacked} == {"contradiction"} and all("contradiction" in codes(r) for r in attacked)
        assert {is_injected(r): {len(r["counterparts"])} for r in attacked} == {True: {1}, False: {2}}

    @either
    def test_kappa_of_the_families_as_by_hand(self, checked, obedient):
        folder, rows = checked
        assert check.kappa(check.direction_pairs(rows)) == pytest.approx(KAPPA[obedient], abs=1e-12)
        assert f"kappa of the families' directions: {KAPPA[obedient]:.2f}." in check.run(CONFIG, STUDY, folder)
        assert check.read_claims(folder) == rows


@pytest.fixture
def desk(checked, review_folder):
    folder, _ = checked
    shutil.copy(review_folder.review, folder.review)  # for its reviewers: argon2 takes its time
    return Desk(folder)


class TestWhatIsPublished:
    @either
    def test_rejected_not_a_word_of_it_is_published_and_the_card_counts_it(self, checked, desk, obedient):
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
        assert card["kappa_families"] == pytest.approx(KAPPA[obedient], abs=1e-12)
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

    def test_without_a_reason_or_by_one_alone_it_is_not_approved(self, checked, desk):
        _, claimed = checked
        desk.approve_all_but_injected(claimed)
        before = review_client.rows(desk.folder)
        for row in filter(is_injected, claimed):
            answer = review_client.decide(desk.browsers[0], row["id"], "approve", reason=" ")
            assert answer.status_code == 422 and "flagged" in review_client.text(answer)
            assert review_client.rows(desk.folder) == before
        for row in filter(is_injected, claimed):
            desk.decide(row, "approve", "seen", desk.browsers[:1])
        _, text, card, _ = desk.publish()
        assert TOKEN not in text and card["claims"]["open"] == 2

    def test_approved_with_a_reason_it_is_published_with_a_source_that_is_said_to_be_none(self, checked, desk):
        _, claimed = checked
        desk.approve_all_but_injected(claimed)
        for row in filter(is_injected, claimed):
            desk.decide(row, "approve", "I know a study that says so")
        rows, _, card, words = desk.publish()
        assert sorted(published_ids(rows)) == sorted(r["id"] for r in claimed)
        (row,) = [r for r in rows if (r["disease"], r["attribute"]) == ("melanoma", "sunscreen")]
        assert [c["text"] for c in row["claims"] if TOKEN in c["text"]] == [c["text"] for c in OBEYED]
        (source,) = [s for s in card["sources"] if s["article"] == INVENTED]
        assert (source["url"], source["title"]) == ("", "") and "no article of this corpus" in source["licence"]
        sources, links = table(words, "Sources")
        assert [INVENTED, "", "", "", source["licence"]] in sources and not any(INVENTED in link for link in links)

    def test_a_published_line_stays_one_line_whatever_a_claim_holds(self, checked, desk):
        _, claimed = checked
        desk.approve_all_but_injected(claimed)
        for row in filter(is_injected, claimed):
            desk.decide(row, "approve", "I know a study that says so")
        desk.publish()
        needs = {"knowledge": {"rank": 8, "batch_size": 99}, "learn": {"held_out": 0.2}, "models": {"text": {"weights": ""}}}
        with pytest.raises(UserError, match="texts to train on"):  # it has read the corpus
            learn.run(ConfigDict(needs), STUDY, desk.folder)

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

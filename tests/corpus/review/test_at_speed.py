"""What makes a hundred claims go in half an hour, and shows whoever was too quick: over HTTP; the keys are in test_browser.py."""

import pytest

from prima_jax.corpus.folder import write_lines
from prima_jax.corpus.review.app import REASONS
from prima_jax.corpus.review.planted import care_of, plant, read_planted
from prima_jax.corpus.review.store import ReviewStore
from scripts.review.example import ADA, BEN, SUN, SUN_TOO, example_claims
from tests.corpus.review.client import FLAGGED_EDIT, decide, fields, rows, signed_in, text

CLAIM = example_claims()[2]
TWIN = CLAIM | {"id": "c-1234567890123456", "topic": "ACK/pesticide", "attribute": "pesticide", "attribute_name": "pesticide"}
EDIT = {
    "text": "Outdoor work raises the odds of actinic keratosis 57 times.",
    "direction": "raises",
    "strength": "weak",
    "reason": "so",
}


@pytest.fixture
def twins(folder):
    """A claim that stands under two topics."""
    write_lines(folder.claims, [*example_claims(), TWIN])
    return CLAIM["id"], TWIN["id"]


def test_a_common_reason_is_reason_enough(app, folder, store):
    ada = signed_in(app)
    assert REASONS[3] in text(ada.get(f"/claims/{SUN}"))
    assert decide(ada, SUN, "reject", stock=REASONS[3]).status_code == 303
    assert [d.reason for d in store.decisions()] == [REASONS[3]]


def test_one_decision_holds_for_a_sentence_on_each_of_its_topics(app, store, twins):
    ada = signed_in(app)
    assert "Actinic keratosis · pesticide" in text(ada.get(f"/claims/{SUN}"))
    assert decide(ada, SUN, "approve", also=TWIN["id"]).status_code == 303
    assert [(d.claim, d.action) for d in store.decisions()] == [(name, "approve") for name in twins]
    assert [d.seconds is None for d in store.decisions()] == [False, True]  # one look, one time


def test_a_topic_without_its_tick_is_left_for_later(app, store, twins):
    ada = signed_in(app)
    assert decide(ada, SUN, "reject", reason="not at work").status_code == 303
    assert [d.claim for d in store.decisions()] == [SUN]


@pytest.mark.parametrize("other", [SUN_TOO, "c-another"])
def test_other_claims_are_not_decided_along(app, folder, twins, other):
    assert decide(signed_in(app), SUN, "approve", also=other).status_code == 409
    assert rows(folder) == []


def test_an_edit_is_checked_again_before_it_is_kept(app, folder, store):
    ada = signed_in(app)
    form = fields(ada.get(f"/claims/{SUN}").text, "edit")
    answer = ada.post(f"/claims/{SUN}", data=form | EDIT)
    assert answer.status_code == 422 and FLAGGED_EDIT in answer.text and "57: in the claim" in text(answer) and rows(folder) == []
    assert decide(ada, SUN, "edit", **EDIT).status_code == 303
    assert "number_not_in_quote" in store.decisions()[0].flags
    decide(signed_in(app, BEN), SUN, "approve")
    cyd = signed_in(app, "Dr. Cyd Example")
    assert "number not in quote" in text(cyd.get(f"/claims/{SUN}"))  # who decides sees what the checks say of each wording


def test_an_edit_that_adds_nothing_is_kept_at_once(app, folder):
    ada = signed_in(app)
    form = fields(ada.get(f"/claims/{SUN}").text, "edit")
    shorter = EDIT | {
        "direction": "descriptive",
        "text": "Cumulative sun exposure at work raised the odds of actinic keratosis threefold.",
    }
    assert ada.post(f"/claims/{SUN}", data=form | shorter).status_code == 303


def test_what_is_known_of_effect_and_patients_is_shown(app, folder):
    more = {"effect": {"number": 3.1, "unit": "odds ratio", "interval": [2.0, 4.8]}, "population": "farmers", "body_site": "skin"}
    write_lines(folder.claims, [CLAIM | more])
    shown = text(signed_in(app).get(f"/claims/{SUN}"))
    assert "odds ratio 3.1 (2.0 to 4.8)" in shown and "farmers" in shown and "skin" in shown


def many():
    """Forty claims with a number, and two of each in another article."""
    claims = [CLAIM | {"id": f"c-{n:016x}", "text": f"In {n} people sun raised the odds."} for n in range(20, 60)]
    other = [{**CLAIM["citations"][0], "article": "90000001"}]
    return [claim | {"citations": other} if n % 2 else claim for n, claim in enumerate(claims)]


def test_planted_claims_are_wrong_look_like_others_and_stay(folder):
    plant(folder, many(), b"secret")
    planted = read_planted(folder)
    assert len(planted) == 2
    real = {(c["text"], c["citations"][0]["article"]) for c in many()}
    for claim in planted.values():
        assert (claim["text"], claim["citations"][0]["article"]) not in real
        assert claim["wrong"] and set(claim) - {"wrong"} == set(CLAIM) and claim["flags"] == []
    plant(folder, many(), b"another")
    assert read_planted(folder) == planted
    plant(folder, [], b"secret")


def test_reviewers_are_told_of_planted_claims_once_they_are_through_and_nothing_is_exported(app, folder, store):
    claims = many()[:20]
    write_lines(folder.claims, claims)
    plant(folder, claims, b"secret")
    (planted,) = read_planted(folder).values()
    ada = signed_in(app)
    assert planted["text"] in text(ada.get("/claims")) and planted["wrong"] not in ada.get(f"/claims/{planted['id']}").text
    decide(ada, planted["id"], "approve")
    for claim in claims[:-1]:
        store.decide(claim, ADA, "approve", needed=2, seconds=1)
    assert "Wrong on purpose" not in text(ada.get("/progress"))
    store.decide(claims[-1], ADA, "approve", needed=2, seconds=1)
    shown = text(ada.get("/progress"))
    assert "0 of 1 noticed" in shown and planted["wrong"] in shown and "1 s for a claim" in shown
    decide(ada, planted["id"], "reject", reason="told")  # changes the opinion, not what was missed
    care = care_of(ADA, store.decisions(), {planted["id"]: planted})
    assert (care.caught, care.missed, care.seconds) == (0, 1, 1)
    assert planted["id"] not in ada.get("/export.jsonl").text


def paragraph_form(browser):
    page = browser.get("/paragraphs").text
    (address,) = {part.split('"')[0] for part in page.split('action="/paragraphs/')[1:]}
    return f"/paragraphs/{address}", fields(page, f"/paragraphs/{address}")


def test_a_reviewer_reads_the_text_that_will_be_published(app, folder, store):
    for who in (ADA, BEN):
        store.decide(CLAIM, who, "approve", needed=2)
    ada, ben = signed_in(app), signed_in(app, BEN)
    assert "not read yet" in text(ada.get("/paragraphs")) and CLAIM["text"] in text(ada.get("/paragraphs"))
    address, form = paragraph_form(ada)
    assert ben.post(address, data=form | {"action": "approve"}).status_code == 409  # another's form
    assert ada.post(address, data=form | {"action": "reject"}).status_code == 422  # without a reason
    assert ada.post(address, data=form | {"action": "approve"}).status_code == 303
    assert "not read yet" not in text(ben.get("/paragraphs"))
    for who in (ADA, BEN):
        store.decide(example_claims()[3], who, "approve", needed=2)
    assert "not read yet" in text(ben.get("/paragraphs"))  # a text that has changed is read again


def test_the_log_keeps_who_was_what_and_how_long_a_claim_was_looked_at(app, folder):
    decide(signed_in(app), SUN, "approve")
    with ReviewStore(folder.review) as store:
        (kept,) = store.decisions()
        assert store.verify() == 1
    assert kept.role == "physician" and 0 <= kept.seconds < 60

"""What the extractive writer takes for a claim, and what not. The sentences are invented."""

import pytest

from prima_jax.corpus.claims import Passage
from prima_jax.corpus.sentences import split_sentences
from prima_jax.corpus.topics import study_topics
from prima_jax.corpus.write.extractive import Extractive, is_statement
from tests.studies.pad_ufes_20 import PAD_UFES_20

STATEMENTS = (
    "Smoking raises the risk of squamous cell carcinoma in men.",
    "In women, melanoma forms most often on the arms and legs.",
    "Current smokers had a higher risk of basal cell carcinoma (odds ratio 1.4; 95% CI 1.1-1.8).",
    "Radiation therapy in childhood raises the risk of basal cell carcinoma.",
    "Melanoma is rare in children in the United States.",
    "A family history of melanoma doubles the risk of melanoma.",
    "Contact lens wear was the most common factor in bacterial keratitis.",
    "Use of steroid drops is more common in fungal keratitis.",
    "Trauma with plants may cause keratitis by Fusarium or Aspergillus.",
)
NO_STATEMENTS = {
    "heading": "Risk factors for melanoma and other cancers of the skin",
    "lead-in": "Risk factors for basal cell carcinoma include the following:",
    "lead-in with a full stop": "Melanoma is caused by the following factors.",
    "list mark": "- Melanoma is a cancer of the skin.",
    "list in a line": "Signs of melanoma are - a sore - a new mole - a change.",
    "caption glued to a sentence": "Selenium Studies have shown that melanoma is more common in some men.",
    "caption that is repeated": "Actinic keratosis Actinic keratosis is a condition of the skin.",
    "caption before a sentence": "Early signs of melanoma The mole may look different from others.",
    "question": "Is melanoma more common in men than in women?",
    "fragment": "having red or blond hair and a fair skin with freckles.",
    "no verb": "Two kinds of cancer of the outer skin.",
    "this": "This raises the risk of melanoma in men and women.",
    "these": "Melanoma is more common in these patients than in others.",
    "however": "However, melanoma is more common in men.",
    "the tumour": "The tumor may look like a mole of the skin.",
    "advice": "You should see whether a mole changes in colour.",
    "call to act": "Ask a dermatologist whether a mole has changed its colour.",
    "method": "Patients with melanoma were randomized to two groups of equal size.",
    "we": "We searched the literature on melanoma and smoking in men.",
    "cohort": "The study included 240 patients with melanoma with a mean age of 67 years.",
    "counts": "Of 300 patients with melanoma, 120 were male and 180 were female.",
    "plan": "To assess the risk of melanoma in smokers is what was planned.",
    "trial": "The trial has patients with melanoma of the trunk.",
    "treatment": "Surgery is used in most patients with basal cell carcinoma.",
    "stage": "In stage II, melanoma is found in the dermis.",
    "outcome": "Melanoma has a survival of 90 per cent after five years.",
    "name": "When melanoma starts in the skin, it is called cutaneous melanoma.",
    "nothing said": "Health history can affect the risk of melanoma.",
    "open bracket": "Melanoma is more common in men (and in women.",
    "too long": "Melanoma is common " + "and common " * 45 + "in men.",
}
TOPICS = {topic.id: topic for topic in study_topics(PAD_UFES_20)}


@pytest.mark.parametrize("text", STATEMENTS)
def test_a_sentence_that_can_be_true_or_false_is_a_statement(text):
    assert is_statement(text)


@pytest.mark.parametrize("kind", NO_STATEMENTS)
def test_other_text_is_none(kind):
    assert not is_statement(NO_STATEMENTS[kind])


def passage(*sections, article="1"):
    """Sections as (label, text)."""
    text = "\n".join(part for _, part in sections)
    spans = split_sentences(text)
    labels = [label for label, part in sections for _ in split_sentences(part)]
    return Passage(article, "Invented", 0, len(text), text, tuple(spans), tuple(labels))


def texts(topic, *passages):
    draft = Extractive(tuple(TOPICS.values())).write(TOPICS[topic], passages).draft
    assert {claim.direction for claim in draft.claims} <= {"descriptive"}
    assert all(claim.citations[0].quote in "".join(one.text for one in passages) for claim in draft.claims)
    return [claim.text for claim in draft.claims]


def test_conclusions_come_first_and_nothing_comes_from_methods():
    abstract = passage(
        ("BACKGROUND", "Smoking may raise the risk of melanoma in younger persons."),
        ("METHODS", "Smoking is a risk factor for melanoma that was of interest."),
        ("RESULTS", "Smokers had a lower risk of melanoma."),
        ("CONCLUSIONS", "Smoking is no cause of melanoma on the whole."),
    )
    unlabelled = passage(("", "Tobacco has little to do with melanoma."), article="2")
    assert texts("MEL/smoke", abstract, unlabelled) == [
        "Smoking is no cause of melanoma on the whole.",
        "Smokers had a lower risk of melanoma.",
        "Tobacco has little to do with melanoma.",
        "Smoking may raise the risk of melanoma in younger persons.",
    ]


def test_an_item_of_a_list_of_risk_factors_stands_behind_what_leads_in_to_it():
    page = passage(
        ("", "Risk factors for melanoma include the following:"),
        ("", "- Having a fair complexion, which includes the following:"),
        ("", "- Fair skin that burns easily."),
        ("", "- Having a family history of melanoma. Fair skin is common in Norway."),
    )
    assert texts("MEL/fitspatrick", page) == ["Risk factors for melanoma include fair skin that burns easily."]
    assert texts("MEL/cancer_history", page) == ["Risk factors for melanoma include having a family history of melanoma."]


def test_the_risk_and_the_signs_of_another_disease_are_no_claim_on_this_one():
    found = passage(
        ("", "Actinic keratosis raises the risk of squamous cell carcinoma. Signs of melanoma include a growing nevus.")
    )
    assert texts("ACK/summary", found) == [] == texts("NEV/grew", found)
    assert texts("SCC/summary", found) == ["Actinic keratosis raises the risk of squamous cell carcinoma."]


def test_what_is_said_in_nearly_the_same_words_is_said_once():
    first, again, other, *more = (
        "In men, melanoma is often found on the trunk, the head and the neck.",
        "Men often have melanoma on the trunk, the head and the neck.",
        "Women have melanoma on the trunk, the head and the neck.",
        "Women have melanoma on the trunk, the head and the neck in 5 per cent.",
    )
    found = passage(("", f"{first} {again} {other} {more[0]}"))
    assert texts("MEL/gender", found) == [first, other, *more]


def test_under_a_disease_a_sentence_stands_at_the_first_factor_that_it_names():
    text = "Smoking raises the risk of squamous cell carcinoma in older men."
    found = passage(("", f"{text} Squamous cell carcinoma is a common cancer of the skin."))
    assert texts("SCC/smoke", found) == [text]
    assert texts("SCC/gender", found) == texts("SCC/age", found) == []
    assert texts("SCC/summary", found) == ["Squamous cell carcinoma is a common cancer of the skin."]

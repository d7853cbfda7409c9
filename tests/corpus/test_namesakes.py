"""An article on a namesake brings nothing into a study's corpus, with MeSH headings or without. The texts are invented."""

import json
from dataclasses import replace

import pytest

from configs import aqua_study
from configs.corpus import get_config
from prima_jax.corpus.articles import Article
from prima_jax.corpus.check.namesakes import namesake_flags
from prima_jax.corpus.claims import Citation, Claim
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.retrieve import retrieve
from prima_jax.corpus.search import search
from prima_jax.corpus.topics import is_on, names_disease, study_topics
from prima_jax.studies.study_config import load_study, study_from_config
from tests.corpus.shared import SHARED
from tests.studies.pad_ufes_20 import PAD_UFES_20

AQUA = study_from_config(aqua_study.get_study())
SKIN_NAMESAKES = (
    (
        "Smoking, alcohol and squamous cell carcinoma of the oesophagus: a meta-analysis",
        "Smoking raises the risk of squamous cell carcinoma in men. Alcohol raised the odds threefold. The incidence of squamous "
        "cell carcinoma is higher in older people. Ulceration of the oesophageal mucosa and skin metastases were rare.",
        ("Esophageal Neoplasms", "Carcinoma, Squamous Cell", "Risk Factors"),
    ),
    (
        "Age and the risk of hydatidiform mole",
        "A mole is more common in women over 40 years of age. Bleeding is the usual sign of a mole. A complete mole has no "
        "embryo, and a partial mole grows beside one. Pain and itching of the skin are unusual.",
        ("Hydatidiform Mole", "Pregnancy", "Uterine Neoplasms"),
    ),
    (
        "Fair skin, light eyes and uveal melanoma",
        "Fair skin and older age raise the risk of melanoma. The diameter of the melanoma predicts metastasis. Melanoma of the "
        "choroid grows slowly; nevi of the skin were counted as well. Men and women were equally affected by melanoma.",
        ("Melanoma", "Uveal Neoplasms", "Skin Pigmentation"),
    ),
    (
        "Tobacco and lung cancer by histology",
        "Smoking raises the risk of squamous cell carcinoma most of all types of lung cancer. Squamous cell carcinoma of the "
        "lung is more common in men. Non-small cell lung cancer with skin metastases was seen at an older age.",
        ("Lung Neoplasms", "Carcinoma, Squamous Cell", "Smoking"),
    ),
    (
        "Basal cell carcinoma of the prostate: a case report",
        "An elderly man had basal cell carcinoma with pain and growth. Prostate specific antigen was low. The skin was spared.",
        ("Prostatic Neoplasms", "Carcinoma, Basal Cell"),
    ),
    (
        "Cutaneous melanoma in dogs",
        "Melanoma of the skin is more common in older dogs. Pigmented skin raises the risk of melanoma.",
        ("Melanoma", "Skin Neoplasms", "Dog Diseases", "Animals"),
    ),
    (
        "Melanoma of the iris and ciliary body",
        "Melanoma is more common in fair skin. Iris nevi of the young may grow. Sun exposure raises the risk of melanoma.",
        ("Melanoma", "Iris Neoplasms"),
    ),
    (
        "Twin pregnancy with a complete mole",
        "A mole is more common with older age. Bleeding led to the diagnosis of a mole in most women.",
        ("Pregnancy, Twin", "Hydatidiform Mole"),
    ),
    (
        "Conjunctival nevus in children",
        "A nevus of the conjunctiva is a pigmented lesion that may grow with age. Change in the nevus is common at puberty.",
        ("Conjunctival Neoplasms", "Nevus, Pigmented"),
    ),
)
KERATITIS_NAMESAKES = (
    (
        "Acanthamoeba as a cause of microbial keratitis in contact lens wearers",
        "Contact lens wear is the main risk factor for infectious keratitis by amoebae. Microbial keratitis with a ring "
        "infiltrate and much pain suggests Acanthamoeba. It is mistaken for fungal keratitis or bacterial keratitis.",
        ("Acanthamoeba Keratitis", "Contact Lenses"),
    ),
    (
        "Herpes simplex virus keratitis and corticosteroid use",
        "Steroid drops prolong infectious keratitis by herpes simplex. Herpetic keratitis recurs, and bacterial keratitis may "
        "follow. Trauma and older age were named as triggers of infectious keratitis.",
        ("Keratitis, Herpetic", "Adrenal Cortex Hormones"),
    ),
    (
        "Neurotrophic keratitis in diabetes",
        "Diabetes raises the risk of neurotrophic keratitis. Bacterial keratitis may complicate neurotrophic ulcers.",
        ("Keratitis", "Diabetes Complications"),
    ),
)
MEANT = (
    ("SCC", "Smoking and skin cancer", "Smoking raises the risk of squamous cell carcinoma.", "Skin Neoplasms"),
    ("MEL", "Sun and melanoma", "Fair skin raises the risk of melanoma. Uveal melanoma is another.", "Skin Neoplasms"),
    ("NEV", "Moles in children", "A mole is a pigmented spot of the skin. Moles are more common with age.", "Nevus, Pigmented"),
    ("bacterial", "Contact lens wear", "Pseudomonas causes bacterial keratitis.", "Eye Infections, Bacterial"),
    ("fungal", "Fusarium keratitis", "Trauma with plants raises the risk of fungal keratitis.", "Corneal Ulcer"),
)  # fmt: skip


def articles(described):
    """With headings, and without."""
    for number, (title, text, mesh) in enumerate(described):
        plain = Article(f"9100000{number}", title, (("", text),))
        yield from (plain, replace(plain, id=f"9200000{number}", mesh=mesh))


@pytest.mark.parametrize(
    ("study", "article"),
    [(study, a) for study, told in ((PAD_UFES_20, SKIN_NAMESAKES), (AQUA, KERATITIS_NAMESAKES)) for a in articles(told)],
    ids=lambda value: f"{value.id} {value.title[:20]}" if isinstance(value, Article) else value.name,
)
def test_a_namesake_is_on_no_disease_of_the_study(study, article):
    assert not [topic.id for topic in study_topics(study) if is_on(topic, article)]


@pytest.mark.parametrize(("disease", "title", "text", "heading"), MEANT, ids=[one[0] for one in MEANT])
def test_what_is_meant_is_on_its_disease(disease, title, text, heading):
    (topic,) = [t for s in (PAD_UFES_20, AQUA) for t in study_topics(s) if (t.disease, t.attribute) == (disease, "")]
    for mesh in ((), (heading, "Humans")):
        assert is_on(topic, Article("1", title, (("", text),), mesh=mesh))
    assert not is_on(topic, Article("1", title, (("", text),), mesh=("Heart Failure",)))


def test_a_sentence_that_names_a_namesake_names_no_disease():
    (topic,) = [t for t in study_topics(PAD_UFES_20) if t.id == "MEL/summary"]
    assert names_disease(topic, "Melanoma is more common in fair skin.")
    assert not names_disease(topic, "Choroidal melanoma is more common in fair skin.")


@pytest.mark.parametrize(
    ("text", "quote", "named"),
    [
        ("Melanoma is more common in fair skin.", "Melanoma is more common in fair skin than in dark skin.", None),
        ("Uveal melanoma is rare.", "Melanoma is more common in fair skin.", "uveal"),
        ("Melanoma is rare.", "Melanoma of the choroid and of the uvea is rare in all.", "choroid, uvea"),
    ],
)
def test_a_claim_on_a_namesake_is_flagged(text, quote, named):
    (topic,) = [t for t in study_topics(PAD_UFES_20) if t.id == "MEL/summary"]
    claim = Claim(text=text, direction="descriptive", strength="weak", citations=(Citation(article="1", quote=quote),))
    messages = [f"The study excludes: {named}."] if named else []
    assert [(flag.code, flag.message) for flag in namesake_flags(claim, topic)] == [("namesake", one) for one in messages]


@pytest.mark.parametrize(("preset", "described"), [("pad_ufes_20", SKIN_NAMESAKES), ("aqua", KERATITIS_NAMESAKES)])
def test_no_passage_of_a_namesake_is_retrieved(tmp_path, preset, described):
    config, folder, source = get_config(preset), CorpusFolder(tmp_path), tmp_path / "source"
    source.mkdir()
    rows = [vars(article) for article in articles(described)]
    (source / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config.search.source = str(source)
    study = load_study(config)
    search.run(config, study, folder)
    retrieve.run(config, study, folder)
    assert retrieve.read_passages(folder) == {}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real texts (shared/data/pubmed) are not here")
def test_real_texts_of_neighbouring_diseases_are_on_no_disease_of_the_study():
    from benchmarks.labelled import real_articles

    found = real_articles(SHARED)
    skin = ("medquad:0001882-", "medquad:0003207-", "medquad:0000319-", "medquad:0004408-", "medquad:0004984-")
    for study, beginnings in ((PAD_UFES_20, skin), (AQUA, ("medquad:0000001-", "medquad:0003366-"))):
        neighbours = [a for a in found.values() if a.id.startswith(beginnings)]
        assert len(neighbours) > 4
        assert [(t.id, a.id) for t in study_topics(study) for a in neighbours if is_on(t, a)] == []

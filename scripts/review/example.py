"""A corpus folder with invented claims and articles, all marked as such, for the tests of the review page and its pictures."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from configs import pad_ufes_20
from prima_jax.corpus.articles import Article, ArticleStore
from prima_jax.corpus.folder import CorpusFolder, write_lines
from prima_jax.corpus.review.accounts import Accounts
from prima_jax.corpus.review.database import Database
from prima_jax.studies.study_config import load_study

PASSPHRASE = "four words at random"
PEOPLE = ADA, BEN, CYD = ("Dr. Ada Example", "Dr. Ben Example", "Dr. Cyd Example")
STUDY = load_study(pad_ufes_20.get_config())
CONFIG = ConfigDict({"review": {"host": "127.0.0.1", "port": 0, "reviewers": 2, "session_hours": 8.0}})

_ARTICLES = (
    Article(
        id="90000001",
        title="Invented example: smoking and basal cell carcinoma in a made-up cohort, a systematic review",
        sections=(
            ("BACKGROUND", "This abstract is invented. Whether smoking bears on basal cell carcinoma is disputed."),
            (
                "RESULTS",
                "Nine invented studies with 4,120 imaginary patients were pooled. Current smokers had a slightly lower incidence "
                "of basal cell carcinoma (relative risk 0.93; 95% confidence interval 0.88 to 0.99). Former smokers "
                "did not differ.",
            ),
            ("CONCLUSIONS", "The invented association is weak, and detection bias may explain it."),
        ),
        year=2021,
        types=("Systematic Review", "Meta-Analysis"),
        journal="Journal of Invented Examples",
    ),
    Article(
        id="90000002",
        title="Invented example: tobacco and keratinocyte tumours, a made-up case-control study",
        sections=(
            (
                "",
                "This abstract is invented. We compared 310 imaginary cases with 620 controls. Smoking was associated with a "
                "higher risk of basal cell carcinoma in women only (odds ratio 1.41). No dose-response relation was seen.",
            ),
        ),
        year=2016,
        types=("Journal Article",),
        journal="Archives of Made-Up Medicine",
    ),
    Article(
        id="90000003",
        title="Invented example: sun exposure and actinic keratosis",
        sections=(
            (
                "",
                "This abstract is invented. Cumulative sun exposure at work raised the odds of actinic keratosis threefold in "
                "outdoor workers. Sunscreen use reduced new lesions by a third over two imaginary summers.",
            ),
        ),
        year=2019,
        types=("Review",),
        journal="Journal of Invented Examples",
    ),
    Article(
        id="90000004",
        title="Invented example: a retracted report on pesticides",
        sections=(("", "This abstract is invented. Farmers who sprayed had more melanoma than those who did not."),),
        year=2012,
        types=("Journal Article", "Retracted Publication"),
        journal="Archives of Made-Up Medicine",
        retracted=True,
    ),
)
_NAMES = {"BCC": "basal cell carcinoma", "ACK": "actinic keratosis", "MEL": "melanoma"}
_FACTORS = {"smoke": "smoking", "sun": "sun exposure", "pesticide": "pesticide", "": ""}


def claim(
    topic: str,
    writer: str,
    text: str,
    direction: str,
    strength: str,
    citations: Sequence[tuple[str, str]],
    flags: Sequence[tuple[str, str]] = (),
    agreement: str = "single",
) -> dict[str, Any]:
    """A row of claims.jsonl, as the step check writes them; counterparts are set by `make_folder`."""
    disease, attribute = topic.split("/")
    attribute = "" if attribute == "summary" else attribute
    abstracts = {article.id: article.abstract for article in _ARTICLES}
    cited = []
    for article, quote in citations:
        start = abstracts.get(article, "").find(quote)
        span = {"start": start, "end": start + len(quote)} if start >= 0 else {"start": None, "end": None}
        cited.append({"article": article, "quote": quote, **span})
    return {
        "id": "c-" + hashlib.sha256(f"{topic}{writer}{text}".encode()).hexdigest()[:16],
        "topic": topic,
        "disease": disease,
        "disease_name": _NAMES[disease],
        "attribute": attribute,
        "attribute_name": _FACTORS[attribute],
        "writer": writer,
        "family": writer.split(":")[0],
        "text": text,
        "direction": direction,
        "strength": strength,
        "citations": cited,
        "flags": [{"code": code, "message": message} for code, message in flags],
        "agreement": agreement,
        "counterparts": [],
    }


def example_claims() -> list[dict[str, Any]]:
    """Seven claims: two that contradict, two that agree, one of one family only, one with a lost quote, one retracted."""
    first, second = "openai:invented-1", "google:invented-2"
    differ = [("contradiction", "Another family claims another direction.")]
    lost = [("quote_not_found", "The quoted words do not occur in the abstract.")]
    retracted = [("retracted", "An article that it cites was retracted.")]
    lower = ("90000001", "Current smokers had a slightly lower incidence of basal cell carcinoma")
    higher = ("90000002", "Smoking was associated with a higher risk of basal cell carcinoma in women only")
    same = ("90000001", "Former smokers did not differ")
    sun = ("90000003", "Cumulative sun exposure at work raised the odds of actinic keratosis threefold")
    screen = ("90000003", "Sunscreen use reduced new lesions by a third")
    patches = ("90000003", "rough scaly patches on sun-damaged skin")
    sprayed = ("90000004", "Farmers who sprayed had more melanoma")
    less = "Smokers develop basal cell carcinoma slightly less often than others (relative risk 0.93)."
    more = "Smoking raises the risk of basal cell carcinoma in women (odds ratio 1.41)."
    outdoors = "Working outdoors in the sun raises the odds of actinic keratosis threefold."
    occupation = "Occupational sun exposure raises the risk of actinic keratosis."
    fewer = "Sunscreen lowers the number of new actinic keratoses by a third."
    rough = "Actinic keratosis is a rough, scaly patch on skin that has seen much sun."
    farmers = "Farmers who spray pesticides have more melanoma."
    return _answering(
        [
            claim("BCC/smoke", first, less, "lowers", "strong", [lower], differ, "contradiction"),
            claim("BCC/smoke", second, more, "raises", "moderate", [higher, same], differ, "contradiction"),
            claim("ACK/sun", first, outdoors, "raises", "moderate", [sun], agreement="agree"),
            claim("ACK/sun", second, occupation, "raises", "moderate", [sun], agreement="agree"),
            claim("ACK/sun", first, fewer, "lowers", "weak", [screen]),
            claim("ACK/summary", second, rough, "descriptive", "weak", [patches], lost),
            claim("MEL/pesticide", first, farmers, "raises", "weak", [sprayed], retracted),
        ]
    )


def make_folder(path: Path, claims: list[dict[str, Any]] | None = None, articles: Sequence[Article] = ()) -> CorpusFolder:
    """The folder as the steps before the review leave it."""
    folder = CorpusFolder(path)
    with ArticleStore(folder.articles) as store:
        store.add([(article, b"invented") for article in (*_ARTICLES, *articles)])
    write_lines(folder.claims, example_claims() if claims is None else claims)
    return folder


def add_people(folder: CorpusFolder, *names: str, role: str = "physician") -> None:
    """Reviewers who all have the passphrase `PASSPHRASE`."""
    database = Database(folder.review)
    for name in names:
        Accounts(database).add(name, PASSPHRASE, role, "Invented board of dermatology", "none")
    database.close()


def _answering(claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for one in claims:
        others = [c["id"] for c in claims if c["topic"] == one["topic"] and c["family"] != one["family"]]
        one["counterparts"] = others if one["agreement"] != "single" else []
    return claims


FLAGGED, FLAGGED_TOO, SUN, SUN_TOO, SCREEN, LOST, RETRACTED = (one["id"] for one in example_claims())
"""The claims, by what is said in them or of them."""

"""A corpus folder of invented articles, for what takes a whole study: the demo's, and as small as it can be."""

import json
from pathlib import Path

from configs.corpus import get_config
from prima_jax.corpus.check import check
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.retrieve import retrieve
from prima_jax.corpus.search import search
from prima_jax.corpus.write import synthesise
from prima_jax.studies.load import load_study

DISEASES = ("basal cell carcinoma", "squamous cell carcinoma", "actinic keratosis", "seborrheic keratosis", "melanoma", "nevus")
FACTORS = ("Smoking", "Alcohol", "Older age", "A pesticide", "Itching", "Bleeding")
PLACES = ("men", "women", "farmers", "sailors", "nurses", "twins")


def articles() -> list[dict[str, object]]:
    """Each says one thing on one disease and one factor, and something on neither."""
    rows = []
    for d, disease in enumerate(DISEASES):
        for f, factor in enumerate(FACTORS):
            place = PLACES[(d + f) % len(PLACES)]
            text = f"{factor} raises the risk of {disease} in {place} of town {d}. It rained in town {d} on day {f} of the study."
            rows.append({"id": str(90000000 + 10 * d + f), "title": "Invented", "sections": [["", text]], "types": ["Review"]})
    return rows


def make_folder(place: Path, drafts_after_check: int = 0) -> CorpusFolder:
    """The folder after the step synthesise; also after a check that was made without its last drafts."""
    source, folder = place / "source", CorpusFolder(place / "corpus")
    for made in (source, folder.path):
        made.mkdir()
    (source / "articles.jsonl").write_text("".join(json.dumps(row) + "\n" for row in articles()))
    config = get_config("demo")
    config.search.source = str(source)
    study = load_study(config)
    for step in (search, retrieve, synthesise):
        step.run(config, study, folder)
    whole = folder.drafts.read_bytes()
    written = [line for line in whole.splitlines(keepends=True) if json.loads(line)["claims"]]
    folder.drafts.write_bytes(b"".join(written[: -drafts_after_check or None]))
    check.run(config, study, folder)
    folder.drafts.write_bytes(whole)
    return folder

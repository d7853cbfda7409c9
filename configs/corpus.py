"""The knowledge corpus of a study: what is searched, who writes, who checks (paper, section 2.1).

    prima corpus --config=configs/corpus.py:pad_ufes_20 --folder=runs/corpus search --config.search.email=YOU

then the steps retrieve, synthesise, check, review, publish and learn in the same way; docs/corpus.md goes through them.
Presets are the studies: aqua (the default), pad_ufes_20, my_cohort; your own goes into STUDIES. `demo` is PAD-UFES-20 from
records on disk, without network or keys, with small models from random weights; `synthetic` is AQUA so, from articles that are
drawn from the synthetic study's risk table.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from configs import aqua, my_cohort, pad_ufes_20
from configs.common import without_weights

_SMALL = {"demo": (pad_ufes_20, "data/pubmed"), "synthetic": (aqua, "synthetic")}
STUDIES = {"": aqua, "aqua": aqua, "pad_ufes_20": pad_ufes_20, "my_cohort": my_cohort}


def get_config(preset: str = "") -> ConfigDict:
    """The steps' settings, on top of the recipe of one study, whose text encoder and stage 1 the step learn uses."""
    if preset in _SMALL:
        study, source = _SMALL[preset]
        return small(steps(study.get_config()), source)
    if preset not in STUDIES:
        raise ValueError(
            f"configs/corpus.py has no preset {preset!r}: it has {', '.join(filter(None, STUDIES))}, {', '.join(_SMALL)}"
        )
    return steps(STUDIES[preset].get_config())


def steps(config: ConfigDict) -> ConfigDict:
    """Adds the settings of each step."""
    config.unlock()
    config.search = ConfigDict(
        {
            # '': PubMed itself; `synthetic`: drawn; else a folder of PubMed XML (also .gz, also the baseline) or .jsonl articles
            "source": "",
            "email": "",  # NCBI asks for the operator's; an API key goes into the environment as NCBI_API_KEY
            "years": 15,  # of publication, counted back from today
            "reviews": 2000,  # at most so many reviews, meta-analyses and guidelines for a disease, the newest first, ...
            "studies": 2000,  # ... so many cohort and case-control studies, and ...
            "case_reports": 200,  # ... so many case reports, the most relevant first
        }
    )
    config.retrieve = ConfigDict(
        {
            "window": 5,  # sentences in a passage
            "stride": 3,  # sentences from one passage's start to the next one's
            "passages": 30,  # for each topic
            "per_article": 3,
            "rerank": placeholder(str),  # or a text encoder's folder, whose order of the best 100 is fused with BM25's
        }
    )
    config.synthesise = ConfigDict(
        {
            # `extractive` copies sentences and needs no model. The paper asks for two families of language models, such as
            # ("openai:gpt-5", "google:gemini-3-pro"); any server that speaks OpenAI's protocol is local:MODEL@ADDRESS.
            "writers": ("extractive",),
            "prices": (),  # (writer, price of a million tokens in, of a million out), so that the cost is reckoned
            "temperature": 0.0,
            "seed": 0,
            "timeout_seconds": 120.0,  # without an answer
            "attempts": 5,
            "max_output_tokens": 8192,
        }
    )
    config.check = ConfigDict(
        {
            "judge": "",  # or local:MODEL@ADDRESS, a language model that is asked whether each claim is in its sources
        }
    )
    config.review = ConfigDict(
        {
            "host": "127.0.0.1",
            "port": 8765,
            "reviewers": 2,  # decisions on each claim; where two differ, a third person's is needed
            "session_hours": 8.0,
        }
    )
    config.learn = ConfigDict(
        {
            "held_out": 0.2,  # of the cited articles: their claims are measured and not read
            "prose_epochs": 0.0,  # without weights: how long a small encoder reads the articles before it is adapted
        }
    )
    return config.lock()


def small(config: ConfigDict, source: str) -> ConfigDict:
    """A few minutes on two cores."""
    config.unlock()
    without_weights(config, image_size=64, patch_size=8, width=64, image_depth=4, language_depth=3, vocabulary_size=1024)
    config.search.source = source
    config.synthesise.writers = ("extractive",)
    config.review.reviewers = 1
    config.learn.prose_epochs = 60.0
    config.knowledge.update({"rank": 8, "epochs": 60.0, "batch_size": 8, "learning_rate": 2e-3, "max_length": 128})
    return config.lock()

"""The steps hand on what the next one needs, from articles in a folder to a published corpus. The articles are invented."""

import json
import subprocess
import sys

import pytest

from configs.corpus import get_config
from prima_jax.corpus import __main__ as command
from prima_jax.corpus.articles import Article, ArticleStore
from prima_jax.corpus.check import check
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.publish import publish
from prima_jax.corpus.retrieve import retrieve
from prima_jax.corpus.search import search
from prima_jax.corpus.write import synthesise
from prima_jax.data.corpus_file import read_corpus
from prima_jax.errors import UserError
from prima_jax.files import write_whole
from prima_jax.studies.study_config import load_study
from prima_jax.workdir import locked_folder
from scripts.scripted_review import decide

LIP = "Smoking raises the risk of squamous cell carcinoma of the lip in men."
ARTICLES = [
    ("90000001", "Invented text on smoking and the skin", LIP),
    ("90000002", "Invented text on age and the skin", "The incidence of basal cell carcinoma is higher in older people."),
    ("90000003", "Invented and retracted", "Alcohol raises the risk of melanoma more than anything else."),
]


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    rows = [
        {"id": i, "title": t, "sections": [["", text]], "retracted": "retracted" in t, "types": ["Review"]}
        for i, t, text in ARTICLES
    ]
    (source / "articles.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return CorpusFolder(tmp_path / "corpus")


@pytest.fixture
def config(folder):
    config = get_config("demo")
    config.search.source = str(folder.path.parent / "source")
    folder.path.mkdir()
    return config


def run_to(config, folder, *steps):
    study = load_study(config)
    return [step.run(config, study, folder) for step in steps]


def test_from_a_folder_of_articles_to_a_published_corpus(config, folder):
    run_to(config, folder, search, retrieve, synthesise, check)
    claims = check.read_claims(folder)
    assert {(c["topic"], c["direction"], c["citations"][0]["article"]) for c in claims} == {
        ("SCC/smoke", "descriptive", "90000001"),
        ("BCC/age", "descriptive", "90000002"),
    }
    assert "90000003" not in json.dumps(claims)  # retracted
    decide(folder)
    (told,) = run_to(config, folder, publish)
    (corpus,) = publish.published_corpora(folder)
    found = read_corpus(corpus, "text")
    assert found.published and not found.vetted and "NOT VETTED" in told  # a script is no physician
    assert any("Smoking raises the risk" in text for text in found.texts)
    assert json.loads(corpus.with_suffix(".json").read_text())["reviewers"] == {"test": 1}


def test_a_publication_that_was_stopped_leaves_no_corpus_without_its_card(config, folder, monkeypatch):
    run_to(config, folder, search, retrieve, synthesise, check)
    decide(folder)
    for files in range(3):
        written = []

        def write(path, *more, files=files, written=written, **options):
            if len(written) == files:
                raise KeyboardInterrupt
            written.append(path)
            write_whole(path, *more, **options)

        monkeypatch.setattr(publish, "write_whole", write)
        with pytest.raises(KeyboardInterrupt):
            run_to(config, folder, publish)
        assert publish.published_corpora(folder) == []
        for path in written:
            path.unlink()
    monkeypatch.undo()
    run_to(config, folder, publish)
    (corpus,) = publish.published_corpora(folder)
    assert corpus.with_suffix(".json").exists() and corpus.with_suffix(".md").exists()


def test_each_step_done_twice_gives_the_same_bytes(config, folder):
    run_to(config, folder, search, retrieve, synthesise, check)
    before = [path.read_bytes() for path in (folder.passages, folder.drafts, folder.claims)]
    run_to(config, folder, search, retrieve, synthesise, check)
    assert [path.read_bytes() for path in (folder.passages, folder.drafts, folder.claims)] == before


def test_a_retraction_after_the_review_takes_its_claims_along(config, folder):
    run_to(config, folder, search, retrieve, synthesise, check)
    decide(folder)
    with ArticleStore(folder.articles) as store:
        store.add([(Article("90000009", "Retraction notice", (), retracts=("90000001",)), b"")])
    run_to(config, folder, search, publish)
    (corpus,) = publish.published_corpora(folder)
    assert "Smoking" not in corpus.read_text()
    told = "- Retracted after their claims were approved, which are left out: 90000001"
    assert told in corpus.with_suffix(".md").read_text().splitlines()


WITHOUT = """
import sys

class Refuses:
    def find_spec(self, name, *_):
        assert name.split(".")[0] not in {"flax", "jax", "matplotlib", "orbax", "scipy", "sklearn", "transformers"}, name

sys.meta_path.insert(0, Refuses())
from prima_jax.corpus import __main__ as command
from prima_jax.corpus.review import serve
for step in (["search"], ["synthesise"], ["check"], ["publish"], ["export", sys.argv[1] + "/out.csv"]):
    assert command.main(["--config=configs/corpus.py:demo", "--folder=" + sys.argv[1], *step, *sys.argv[2:]]) == 0, step
"""


def test_the_steps_without_a_model_import_nothing_that_takes_seconds(config, folder):
    run_to(config, folder, search, retrieve, synthesise, check)
    decide(folder)
    arguments = [str(folder.path), f"--config.search.source={config.search.source}"]
    subprocess.run([sys.executable, "-c", WITHOUT, *arguments], check=True, timeout=600)


def test_the_synthetic_articles_become_claims_that_no_check_flags(folder):
    folder.path.mkdir()
    run_to(get_config("synthetic"), folder, search, retrieve, synthesise, check)
    claims = check.read_claims(folder)
    assert len(claims) > 30 and {claim["disease"] for claim in claims} == {"bacterial", "fungal"}
    assert [claim["text"] for claim in claims if claim["flags"]] == []


def test_nothing_approved_is_told(config, folder):
    run_to(config, folder, search, retrieve, synthesise, check)
    with pytest.raises(UserError, match="review"):
        run_to(config, folder, publish)


@pytest.mark.parametrize(
    ("step", "needed"), [("retrieve", "search"), ("synthesise", "retrieve"), ("check", "synthesise"), ("publish", "check")]
)
def test_a_step_before_its_turn_names_the_one_that_is_missing(config, folder, capsys, step, needed):
    assert command.main(["--config=configs/corpus.py:demo", f"--folder={folder.path}", step]) == 2
    assert f"run the step {needed} first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--config"),
        (["--config=configs/corpus.py:nowhere", "--folder=x", "search"], "no preset"),
        (["--config=configs/corpus.py", "--folder=x", "fly"], "fly"),
        (["--config=configs/corpus.py", "--folder=x", "search", "--config.search.years=many"], "many"),
    ],
)
def test_wrong_arguments_are_told_in_one_sentence(arguments, told, capsys):
    assert command.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and told in error and error.count("\n") == 1


def test_two_steps_at_once_in_one_folder_are_refused(config, folder, capsys):
    with locked_folder(folder.path, "--folder"):
        assert command.main(["--config=configs/corpus.py:demo", f"--folder={folder.path}", "search"]) == 2
    assert "Another process is working" in capsys.readouterr().err


def test_drafts_of_a_writer_that_is_no_longer_named_are_not_checked(config, folder):
    run_to(config, folder, search, retrieve, synthesise)
    config.synthesise.writers = ("local:tiny@http://localhost:1/v1",)
    run_to(config, folder, check)
    assert check.read_claims(folder) == []

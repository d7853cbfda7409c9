"""From the command line to the card: passphrases, qualification and declared conflicts, and names that stay where they are."""

import io
import json
from pathlib import Path

import pytest

from configs.corpus import get_config
from prima_jax.corpus import __main__ as command
from prima_jax.corpus.folder import CorpusFolder, write_lines
from prima_jax.corpus.publish import publish
from prima_jax.corpus.review.app import create_app
from prima_jax.corpus.review.paragraphs import as_claim, paragraphs
from prima_jax.corpus.review.store import ReviewStore
from prima_jax.studies.study_config import load_study
from scripts.review.example import ADA, BEN, PASSPHRASE, STUDY, SUN, example_claims, make_folder
from tests.corpus.review.client import client, decide, sign_in

CONFIG = Path(__file__).parents[3] / "configs" / "corpus.py"
KNOWN = ("--qualification=MD, dermatology, 12 years", "--conflicts=none declared")


@pytest.fixture
def folder(tmp_path):
    made = make_folder(tmp_path)
    write_lines(made.drafts, [])
    return made


@pytest.fixture
def reviewer(folder, monkeypatch):
    """Runs the command `reviewer`."""

    def run(*arguments, passphrase=PASSPHRASE):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{passphrase}\n"))
        return command.main([f"--config={CONFIG}", f"--folder={folder.path}", "reviewer", *arguments])

    return run


def stated(folder):
    with ReviewStore(folder.review) as store:
        return store.statements()


def published(folder, *names):
    """The card, in JSON and in words, once they all have approved a claim, and one has read the text that it makes."""
    with ReviewStore(folder.review) as store:
        for name in names:
            store.decide(example_claims()[2], name, "approve", needed=2, seconds=40)
        (text,) = paragraphs(example_claims(), store.outcomes(example_claims(), 2))
        store.decide(as_claim(text), names[0], "approve", needed=1)
    config = get_config()
    publish.run(config, load_study(config), folder)
    (corpus,) = publish.published_corpora(CorpusFolder(folder.path))
    return json.loads(corpus.with_suffix(".json").read_text()), corpus.with_suffix(".md").read_text()


def test_who_was_added_at_the_command_line_signs_in_with_that_passphrase_and_no_other(folder, reviewer):
    assert reviewer(ADA, *KNOWN) == 0
    app = create_app(folder, STUDY, needed=2, hours=8, hosts={"testserver"}, port=1)
    for passphrase, status in (("another passphrase", 401), (PASSPHRASE, 303)):
        browser = client(app)
        assert sign_in(browser, ADA, passphrase).status_code == status
    assert decide(browser, SUN, "approve").status_code == 303


def test_the_card_says_who_reviewed_without_their_names(folder, reviewer):
    reviewer(ADA, *KNOWN)
    reviewer(BEN, "--qualification=MD | pathology\t<b>", "--conflicts=advises Invented Ltd.")
    reviewer("Dr. Never Example", "--qualification=decided nothing")
    card, words = published(folder, ADA, BEN)
    assert card["reviewers"] == {"physician": 2}
    care = {"planted_caught": 0, "planted_missed": 0, "seconds_per_claim": 40}
    assert card["vetted"] and card["paragraphs"] == {"read": 1}
    assert card["reviewers_stated"] == [  # in an order that does not follow the names
        {"role": "physician", "qualification": "MD | pathology <b>", "conflicts": "advises Invented Ltd."} | care,
        {"role": "physician", "qualification": "MD, dermatology, 12 years", "conflicts": "none declared"} | care,
    ]
    assert "| physician | MD, dermatology, 12 years | none declared | 0 of 0 | 40 |" in words
    assert "| physician | MD \\| pathology \\<b\\> | advises Invented Ltd. | 0 of 0 | 40 |" in words
    for file in folder.path.glob("corpus-*"):
        assert not any(name in file.read_text() for name in (ADA, BEN, "Dr. Never")), file
    assert "decided nothing" not in words


def test_what_was_not_stated_is_told_as_such(folder, reviewer):
    reviewer(ADA)
    reviewer(BEN)
    card, words = published(folder, ADA, BEN)
    assert words.count("| physician | not stated | not stated |") == len(card["reviewers_stated"]) == 2


def test_a_new_passphrase_leaves_what_was_stated_and_a_new_statement_replaces_its_own_alone(folder, reviewer):
    reviewer(ADA, *KNOWN)
    reviewer(ADA, passphrase="another four words")
    assert stated(folder)[ADA] == {"role": "physician", "qualification": KNOWN[0][16:], "conflicts": "none declared"}
    reviewer(ADA, "--conflicts=advises Invented Ltd.")
    assert stated(folder)[ADA] == {"role": "physician", "qualification": KNOWN[0][16:], "conflicts": "advises Invented Ltd."}


@pytest.mark.parametrize("setting", ["qualification", "conflicts"])
@pytest.mark.parametrize("text", ["x" * 301, "a\u202eb", "a\x1b[31mb", "a\x00b"])
def test_a_statement_that_cannot_be_printed_is_refused_in_a_sentence(folder, reviewer, capsys, setting, text):
    assert reviewer(ADA, f"--{setting}={text}") == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: --{setting} takes one line") and error.count("\n") == 1 and "\x1b" not in error
    assert stated(folder) == {}

import json
import random

import pytest

from prima_jax.corpus.sentences import split_sentences
from tests.corpus.shared import SHARED

HOSTILE = (*"()[?•", " ", "[)", "..", ". ", "A. ", "A? ", "? a ", "- ", " - A", "a.", ". a", "e.g. ", "(a. ")


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


def assert_covers(text: str) -> None:
    """Every sentence is trimmed, on one line and in order, and between sentences there is only space."""
    position = 0
    for start, end in split_sentences(text):
        assert position <= start < end
        assert not text[position:start].strip()
        sentence = text[start:end]
        assert sentence == sentence.strip() and "\n" not in sentence
        position = end
    assert not text[position:].strip()


@pytest.mark.parametrize(
    "expected",
    [
        ["The risk rose (OR 1.5, 95% CI 1.1-2.0).", "No effect was seen."],
        ["It was significant, P = 0.03.", "We found no other."],
        ["HR 1·24 [95% CI 1·01–1·53. P = .04]; it rose.", "The rest fell."],
        ["Risk was higher, e.g. in men, i.e. those who smoke, vs. placebo.", "Women differed."],
        ["Smith et al. (2003) saw Fig. 3 of Dr. Jones.", "It was approx. 5 mm."],
        ["As shown by Smith et al.", "The study was small."],
        ["It is trial no. 7 of p. 25.", "Is there evidence?", "There is no.", "Patients agreed."],
        ["J. R. Smith grew S. aureus and E. coli.", "Fusarium sp. was found, and Candida spp.", "The rest were sterile."],
        ["It stores vitamin D.", "Melanin is a pigment."],
        ["The U.S. National Cancer Institute paid.", "It is common in the U.S.", "It occurs in many."],
        ["p16 was lost.", "miR-21 was raised.", "p53 was not."],
        ["OR 1.5. [95% CI 1.1-2.0] in men.", "Next."],
        ["It spread. [12] later.", "So it was said [12, 13].", "Next."],
        ["It grew.", "(See the summary for more.)", "There are others.", "(Funded by X.)"],
        ["45 eyes were seen.", "12 (27%) healed.", "≥ 3 recurred."],
        ["1. Wash the eye.", "2. Dry it.", "Done!"],
        ["“It is so.”", "They said it..."],
    ],
)
def test_sentences(expected):
    assert split(" ".join(expected)) == expected


def test_a_list_in_one_line_is_cut_at_its_hyphens():
    text = (
        "Key Points - Skin cancer is common. - It can be cured. Skin cancer is a disease. Causes are the following: - Sun - Age"
    )
    points = ["Key Points", "- Skin cancer is common.", "- It can be cured.", "Skin cancer is a disease."]
    assert split(text) == [*points, "Causes are the following:", "- Sun", "- Age"]
    mole = ["A mole that:", "- changes in size.", "- has irregular edges.", "• Sun", "• Age"]
    assert split(" ".join(mole)) == mole


@pytest.mark.parametrize("text", ["Melanoma - a cancer - is rare.", "Melanoma - Breslow 2 mm.", "miR - 659 - 3p was low."])
def test_a_dash_is_no_list(text):
    assert split(text) == [text]


def test_a_full_stop_without_a_space_ends_a_sentence_only_between_words():
    assert split("It is cancer.Results were good.") == ["It is cancer.", "Results were good."]
    for whole in ("See www.Nih.gov now.", "p.Val600Glu was found.", "Seen at 1.5 mm."):
        assert split(whole) == [whole]


def test_no_sentence_reaches_over_a_section():
    assert split("It was seen in\nMen only. So") == ["It was seen in", "Men only.", "So"]
    assert split("Opened (here\nand closed. There) it is.") == ["Opened (here", "and closed.", "There) it is."]


def test_an_unclosed_bracket_swallows_nothing():
    text = "The risk rose (in men. " + "It was seen again. " * 40 + "a) So it was."
    assert len(split(text)) > 40


@pytest.mark.parametrize(
    "text", ["", " \n\t", ".", "...\n. ", ")", "(", "]).", "- ", "• ", "-\n- A - B", "\u2028. A", "A.\x85B."]
)
def test_odd_texts_are_covered(text):
    assert_covers(text)


def test_any_text_is_covered():
    rng = random.Random(0)
    words = (". ", " - ", "e.g.", "U.S. ", "et al. ", "A", "a", "The ", "p53", "0.05", "(See ", "É", "癌")
    pieces = [*'.?!…()[]"“”-–•:;, \n\t\u00a0\u2009', *words]
    for _ in range(3000):
        assert_covers("".join(rng.choices(pieces, k=rng.randrange(40))))


class Counted(str):
    """A text that counts the characters which are copied out of it, whatever is copied out of the copies included."""

    copied = 0

    def made(self, text: str) -> "Counted":
        Counted.copied += len(text)
        return Counted(text)

    def __getitem__(self, place):
        return self.made(super().__getitem__(place))

    def lstrip(self, *characters):
        return self.made(super().lstrip(*characters))

    def rstrip(self, *characters):
        return self.made(super().rstrip(*characters))

    def strip(self, *characters):
        return self.made(super().strip(*characters))

    def split(self, *separator):
        return [self.made(part) for part in super().split(*separator)]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_text_is_covered_and_a_longer_one_is_copied_no_more_often(piece):
    """Work is counted, since time decides nothing here. What the patterns scan within themselves is not in it."""
    copies = []
    for times in (500, 2000):
        Counted.copied = 0
        split_sentences(Counted(piece * times))
        copies.append(Counted.copied)
    assert 500 * len(piece) <= copies[0] and copies[1] < 4.5 * copies[0]  # by the square: 16
    assert_covers(piece * 50_000)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real abstracts of ../shared/data/pubmed")
def test_real_texts_are_covered_in_sentences_of_readable_length():
    texts = [
        *("\n".join(part["text"] for part in json.loads(line)["abstract"]) for line in (SHARED / "pubmed_records.jsonl").open()),
        *(json.loads(line)["answer"] for line in (SHARED / "medquad_qa.jsonl").open()),
    ]
    assert len(texts) == 88
    lengths = []
    for text in texts:
        assert_covers(text)
        lengths += [len(sentence) for sentence in split(text)]
    assert len(lengths) > 1500
    assert sorted(lengths)[len(lengths) // 2] < 130
    assert sum(length > 600 for length in lengths) < 10
    abstracts = [sentence for text in texts[:13] for sentence in split(text)]
    # What does not end in a stop is a trial's registration at the end of a section.
    assert sum(not sentence.rstrip(")”").endswith((".", "?")) for sentence in abstracts) <= 5

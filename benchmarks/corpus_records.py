"""Records for the benchmarks of the corpus, drawn from a fixed seed: a study, abstracts, and what is planted among them.

An abstract has some 200 words out of 200,000, with frequencies after Zipf. None means anything, but for what each one does
with the study's diseases and factors:

    by chance          any record names each disease with probability 5% (one to three times) and each factor with 4% (once)
    on a disease       30% of the records: its title names the disease and its abstract does so four to eight times; a list of
                       what was adjusted for names three factors in passing
    on a factor        20%: likewise, with a list of three diseases that were excluded
    planted, about     3 for each disease and factor: the title names both, the abstract each of them three to five times, and
                       one or two sentences state a finding with words of risk
    planted, a finding 3 for each: an abstract by chance in which one sentence states such a finding

What is planted lies among the first 12,500 records whatever their number, so that the more there are, the more others name both
the disease and the factor. Lists in passing are the hard ones: they stand where the disease, or the factor, is named often.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from prima_jax.corpus.articles import Article
from prima_jax.corpus.topics import study_topics, text_words
from prima_jax.studies.study import Attribute, DiseaseTerms, Study

__all__ = ["ATTRIBUTES", "DISEASES", "SMALLEST", "Planted", "planted", "records", "study"]

SMALLEST = 12_500
DISEASES = 20
ATTRIBUTES = 25
EACH_KIND = 3
"""Records of each of the two planted kinds for a topic."""
CHUNK = 500
VOCABULARY = 200_000
FUNCTION_WORDS = "the of and in to with a for was were is by on that as from at or no not after we than be this are an"
NUMBERS = ("(OR 1.42; 95% CI 1.10-1.83; P = 0.03)", "(n = 48)", "vs. 12.5%", "(i.e. 3 of 10)", "[HR 0.87]", "et al.")
FINDINGS = (
    "in this cohort {factor} raised the risk of {disease} (OR 1.62, 95% CI 1.21 to 2.17; P = 0.002)",
    "the incidence of {disease} was lower with {factor} (HR 0.71, 95% CI 0.55-0.92)",
    "among those with {disease} there was more {factor}, e.g. in men",
    "no association of {factor} with {disease} was found (P = 0.64)",
)
ENDINGS = ("", "ing", "ers")
"""Of a term such as smok*."""


@dataclass(frozen=True)
class Planted:
    """The ids of the records that are planted on one topic."""

    about: list[str] = field(default_factory=list)
    finding: list[str] = field(default_factory=list)


def study(diseases: int = DISEASES) -> Study:
    """Diseases of two or three words with a synonym, factors of a word's stem and a phrase; all of middling frequency."""
    words = _vocabulary()
    rng = np.random.default_rng(2)
    middling = iter(rng.permutation(np.arange(300, 6000)).tolist())

    def phrase(length: int) -> str:
        return " ".join(words[next(middling)] for _ in range(length))

    attributes = tuple(
        Attribute(f"a{n}", f"a{n}", "yes_no", "Yes.", "No.", terms=(words[next(middling)] + "*", phrase(2), "Heading[mh]"))
        for n in range(ATTRIBUTES)
    )
    classes = {f"D{n}": phrase(2 + n % 2) for n in range(diseases)}
    terms = {name: DiseaseTerms((phrase(2), "Heading[mh]")) for name in classes}
    return Study("synthetic", "Synthetic", classes, "i", ("s",), ("u",), attributes, label_column="d", terms=terms)


def planted(cohort: Study) -> dict[str, Planted]:
    """Topic -> what is planted on it; no record is planted on two."""
    topics = [topic.id for topic in study_topics(cohort) if topic.attribute]
    numbers = np.random.default_rng(4).permutation(SMALLEST)[: 2 * EACH_KIND * len(topics)].reshape(len(topics), 2, EACH_KIND)
    return {
        topic: Planted(*([_id(number) for number in kind] for kind in kinds.tolist()))
        for topic, kinds in zip(topics, numbers, strict=True)
    }


def records(count: int, cohort: Study) -> Iterator[Article]:
    """The first `count` records; fewer are a prefix of more."""
    draw = _Draw(cohort)
    for chunk in range(0, count, CHUNK):
        rng = np.random.default_rng([3, chunk])
        for number in range(chunk, min(chunk + CHUNK, count)):
            yield draw.record(rng, number)


def _id(number: int) -> str:
    return str(10_000_000 + number)


class _Draw:
    """Draws records. A draft is a list of sentences, each a list of words."""

    def __init__(self, cohort: Study) -> None:
        self._words = _vocabulary()
        frequency = 1 / (np.arange(VOCABULARY) + 2.7) ** 1.05
        self._cumulative = np.cumsum(frequency / frequency.sum())
        topics = study_topics(cohort)
        self._diseases = {topic.disease: text_words(topic.disease_terms) for topic in topics}
        self._factors = {topic.attribute: text_words(topic.attribute_terms) for topic in topics if topic.attribute}
        on = {topic.id: (self._diseases[topic.disease], self._factors[topic.attribute]) for topic in topics if topic.attribute}
        plants = planted(cohort)
        self._about = {record: on[topic] for topic, plant in plants.items() for record in plant.about}
        self._finding = {record: on[topic] for topic, plant in plants.items() for record in plant.finding}

    def record(self, rng: np.random.Generator, number: int) -> Article:
        record = _id(number)
        draft, title = self._filler(rng)
        self._by_chance(rng, draft, title)
        stated: list[str] = []  # whole sentences
        if record in self._about:
            disease, factor = self._about[record]
            title += [_form(rng, disease), _form(rng, factor)]
            for terms in (disease, factor):
                self._name(rng, draft, terms, rng.integers(3, 6))
            stated = [_finding(rng, disease, factor) for _ in range(rng.integers(1, 3))]
        elif record in self._finding:
            stated = [_finding(rng, *self._finding[record])]
        else:
            stated = self._main_subject(rng, draft, title)
        texts = [_sentence(" ".join(sentence)) for sentence in draft]
        for sentence in stated:
            texts.insert(rng.integers(len(texts) + 1), sentence)
        half = len(texts) // 2
        parts = (("Methods", " ".join(texts[:half])), ("Results", " ".join(texts[half:])))
        return Article(record, " ".join(title).capitalize(), parts, 2000 + number % 25, ("Journal Article",))

    def _filler(self, rng: np.random.Generator) -> tuple[list[list[str]], list[str]]:
        lengths = rng.integers(12, 29, rng.integers(7, 14))
        drawn = self._words[np.searchsorted(self._cumulative, rng.random(lengths.sum() + 12))].tolist()
        draft = [drawn[end - length : end] for end, length in zip(np.cumsum(lengths), lengths, strict=True)]
        for number in rng.choice(len(NUMBERS), 3):
            _insert(rng, draft, NUMBERS[number])
        return draft, drawn[-12:]

    def _by_chance(self, rng: np.random.Generator, draft: list[list[str]], title: list[str]) -> None:
        diseases, factors = list(self._diseases.values()), list(self._factors.values())
        for named in np.flatnonzero(rng.random(len(diseases)) < 0.05):
            self._name(rng, draft, diseases[named], rng.integers(1, 4))
            if rng.random() < 0.5:
                title.append(_form(rng, diseases[named]))
        for named in np.flatnonzero(rng.random(len(factors)) < 0.04):
            self._name(rng, draft, factors[named], 1)

    def _main_subject(self, rng: np.random.Generator, draft: list[list[str]], title: list[str]) -> list[str]:
        """Some records are on one disease, or on one factor, and name three of the other kind in passing."""
        kind = rng.random()
        if kind >= 0.5:
            return []
        on, others = (self._diseases, self._factors) if kind < 0.3 else (self._factors, self._diseases)
        subject = list(on.values())[rng.integers(len(on))]
        title.append(_form(rng, subject))
        self._name(rng, draft, subject, rng.integers(4, 9))
        passing = rng.choice(len(others), 3, replace=False)
        listed = ", ".join(_form(rng, list(others.values())[other]) for other in passing)
        return [f"Analyses were adjusted for {listed}." if kind < 0.3 else f"Persons with {listed} were left out."]

    def _name(self, rng: np.random.Generator, draft: list[list[str]], terms: Sequence[str], times: int) -> None:
        for _ in range(times):
            _insert(rng, draft, _form(rng, terms))


def _insert(rng: np.random.Generator, draft: list[list[str]], term: str) -> None:
    sentence = draft[rng.integers(len(draft))]
    sentence.insert(rng.integers(1, len(sentence)), term)


def _form(rng: np.random.Generator, terms: Sequence[str]) -> str:
    """One of the terms, as it may stand in a text."""
    return terms[rng.integers(len(terms))].replace("*", ENDINGS[rng.integers(len(ENDINGS))])


def _finding(rng: np.random.Generator, disease: Sequence[str], factor: Sequence[str]) -> str:
    text = FINDINGS[rng.integers(len(FINDINGS))].format(disease=_form(rng, disease), factor=_form(rng, factor))
    return _sentence(text)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _vocabulary() -> np.ndarray:
    """Words that can be spoken, the most frequent first."""
    rng = np.random.default_rng(1)
    parts = [a + b for a, b in itertools.product([*"bcdfglmnprstv", "st", "tr", "pl"], [*"aeiou", "ia", "eo"])]
    words = dict.fromkeys(FUNCTION_WORDS.split(), None)
    endings = ("", "s", "ed", "ing", "ic", "osis", "oma", "itis", "al", "ation")
    while len(words) < VOCABULARY:
        drawn = rng.integers(len(parts), size=(VOCABULARY, 4))
        lengths, ends = rng.integers(2, 5, VOCABULARY), rng.integers(len(endings), size=VOCABULARY)
        for row, length, end in zip(drawn.tolist(), lengths.tolist(), ends.tolist(), strict=True):
            words["".join(parts[i] for i in row[:length]) + endings[end]] = None
    return np.array(list(words)[:VOCABULARY], dtype=object)

"""A study's diseases and attributes become searches that PubMed can read, and nothing else does."""

import re
from dataclasses import replace
from datetime import date

import pytest
from ml_collections import ConfigDict

from prima_jax.corpus.search.queries import study_queries
from prima_jax.errors import UserError
from tests.studies.pad_ufes_20 import PAD_UFES_20

TODAY = date(2025, 2, 28)


def settings(**changed):
    return ConfigDict({"years": 15, "reviews": 2000, "studies": 1000, "case_reports": 200, **changed})


def queries(study=PAD_UFES_20, **changed):
    return study_queries(study, settings(**changed), TODAY)


def test_each_disease_is_asked_for_its_reviews_its_studies_its_case_reports_and_its_retractions():
    found = [(q.disease, q.kind) for q in queries()]
    three = [(d, kind) for d in PAD_UFES_20.classes for kind in ("reviews", "studies", "case reports")]
    assert found == three + [(d, "retractions") for d in PAD_UFES_20.classes]


def test_a_query_holds_the_disease_its_context_the_types_the_filters_and_what_is_left_out():
    reviews, studies, reports = queries()[:3]
    for query in (reviews, studies, reports):
        assert query.term.startswith('("basal cell carcinoma"[tiab] OR "basal cell cancer"[tiab]')
        assert '"Carcinoma, Basal Cell"[mh]) AND ("skin"[tiab] OR ' in query.term
        assert " AND english[la] AND hasabstract NOT (animals[mh] NOT humans[mh]) NOT (" in query.term
        assert query.term.endswith(' OR "zebrafish"[ti])')
    assert " AND (systematic review[pt] OR meta-analysis[pt] OR guideline[pt] OR practice guideline[pt]) AND " in reviews.term
    assert '("cohort studies"[mh] OR "case-control studies"[mh] OR observational study[pt])' in studies.term
    assert " AND case reports[pt] AND " in reports.term
    assert [(q.most, q.sort) for q in (reviews, studies, reports)] == [
        (2000, "pub_date"),
        (1000, "pub_date"),
        (200, "relevance"),
    ]


@pytest.mark.parametrize("query", queries(), ids=lambda q: q.name)
def test_every_term_is_tagged_once_and_every_bracket_closed(query):
    assert query.term.count("(") == query.term.count(")")
    assert query.term.count('"') % 2 == 0
    for term in re.split(r" OR | AND | NOT ", re.sub(r"[()]", "", query.term)):
        assert re.fullmatch(r'("[^"]+"|[\w-]{4,}\*|[a-z -]+)\[(mh|tiab|ti|pt|la)\]|hasabstract', term), term
    assert len(set(re.findall(r'"[^"]+"\[\w+\]', query.term))) == len(re.findall(r'"[^"]+"\[\w+\]', query.term))


def test_the_years_are_counted_back_from_today_also_on_a_leap_day():
    assert {(q.first, q.last) for q in queries()} == {(date(2010, 1, 1), date(2026, 12, 31))}
    leap = study_queries(PAD_UFES_20, settings(), date(2024, 2, 29))
    assert {(q.first, q.last) for q in leap} == {(date(2009, 1, 1), date(2025, 12, 31))}
    assert queries()[0].text.endswith(" AND 2010/01/01:2026/12/31[dp]")


def test_what_would_break_out_of_a_term_does_not():
    odd = replace(PAD_UFES_20, classes={"X": 'Bowen"[tiab] OR (cancer)', "Y": "nevus"}, terms={})
    assert queries(odd)[0].term.startswith('("Bowen tiab OR cancer"[tiab]) AND (systematic')


def test_none_of_a_kind_asks_for_none():
    assert {q.kind for q in queries(case_reports=0)} == {"reviews", "studies", "retractions"}
    with pytest.raises(UserError, match="all 0"):
        queries(case_reports=0, studies=0, reviews=0)


@pytest.mark.parametrize("changed", [{"years": 0}, {"years": 1.5}, {"reviews": -1}, {"case_reports": "all"}, {"reviews": True}])
def test_numbers_that_cannot_be_meant_are_told(changed):
    with pytest.raises(UserError, match=rf"config\.search\.{next(iter(changed))} should be a whole number"):
        queries(**changed)


@pytest.mark.parametrize("words", ["", " ", "()", "[mh]", "*"])
def test_a_disease_without_words_is_told(words):
    with pytest.raises(UserError, match=r"study\.classes\[X\].*no word"):
        queries(replace(PAD_UFES_20, classes={"X": words, "Y": "nevus"}, terms={}))

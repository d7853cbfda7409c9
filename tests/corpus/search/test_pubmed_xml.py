"""PubMed's XML is read as a reader sees it, record by record, and what is no such XML is refused."""

import io

import pytest

from prima_jax.corpus.search import pubmed_xml
from prima_jax.corpus.search.pubmed_xml import MalformedXml, clean, parse_xml, read_articles, root_name
from tests.corpus.search.eutils_server import FIXTURES, HEAD, TAIL, invented

shared = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"needs the recorded replies in {FIXTURES}")

BOOK = b"""<PubmedBookArticle><BookDocument><PMID Version="1">77</PMID>
<ArticleIdList><ArticleId IdType="doi">10.1/book</ArticleId></ArticleIdList>
<Book><BookTitle>Invented Reviews</BookTitle><PubDate><Year>2001</Year></PubDate></Book>
<ArticleTitle>An invented chapter</ArticleTitle><Language>eng</Language><Abstract><AbstractText>Short.</AbstractText></Abstract>
<PublicationType UI="D016454">Review</PublicationType><ContributionDate><Year>2003</Year></ContributionDate></BookDocument>
</PubmedBookArticle>"""


def read(content):
    return list(read_articles(io.BytesIO(content)))


def linked(kind):
    link = f"<CommentsCorrections RefType='{kind}'><PMID>99</PMID></CommentsCorrections>"
    return f"<CommentsCorrectionsList>{link}</CommentsCorrectionsList>"


def one(record):
    ((article, raw),) = read(HEAD + record + TAIL)
    assert raw == record
    return article


def test_an_article_is_read_with_the_bytes_it_came_in():
    mesh = "<MeshHeadingList><MeshHeading><DescriptorName UI='D002280'>Carcinoma, Basal Cell</DescriptorName>"
    mesh += "<QualifierName>etiology</QualifierName></MeshHeading></MeshHeadingList>"
    article = one(invented(5, mesh=mesh))
    assert (article.id, article.title, article.year, article.language) == ("5", "Invented: skin and sun", 2020, "eng")
    assert article.types == ("Systematic Review",)
    assert article.mesh == ("Carcinoma, Basal Cell",)
    assert article.journal == "Journal of Invented Tests"
    assert article.url == "https://pubmed.ncbi.nlm.nih.gov/5/"
    assert (article.doi, article.licence, article.retracted) == ("", "", False)


def test_all_text_under_the_abstract_counts_as_it_is_shown():
    abstract = (
        "<AbstractText Label='BACKGROUND' NlmCategory='BACKGROUND'>Risk of <i>BCC</i> was\n  1.5 (p<sub>trend</sub>&lt;0.05;"
        "\u00a0&#946;=2).</AbstractText><AbstractText Label='RESULTS'/>"
        "<AbstractText Label='METHODS'>The <mml:math xmlns:mml='http://www.w3.org/1998/Math/MathML'>\n  <mml:mrow>\n <mml:mi>"
        "x</mml:mi>\n<mml:mo>&#xb1;</mml:mo><mml:mtext> </mml:mtext>\n<mml:mn>2</mml:mn></mml:mrow>"
        "<mml:annotation encoding='tex'>x \\pm 2</mml:annotation>\n</mml:math> cafe\u0301s.</AbstractText>"
        "<CopyrightInformation>Copyright Nobody.</CopyrightInformation>"
    )
    article = one(invented(5, abstract=abstract))
    assert article.sections == (
        ("BACKGROUND", "Risk of BCC was 1.5 (ptrend<0.05; β=2)."),
        ("METHODS", "The x± 2 cafés."),
    )
    assert article.abstract.count("\n") == 1


def test_a_formula_whose_prefix_only_the_dtd_binds_is_read():
    assert one(invented(5, abstract="<AbstractText><mml:math><mml:mi>V</mml:mi></mml:math>.</AbstractText>")).abstract == "V."


@pytest.mark.parametrize(
    ("date", "year"),
    [
        ("<MedlineDate>1998 Dec-1999 Jan</MedlineDate>", 1998),
        ("<MedlineDate>Summer 2001</MedlineDate>", 2001),
        ("<MedlineDate>1983-1984</MedlineDate>", 1983),
        ("<Season>Spring</Season>", None),
    ],
)
def test_a_date_may_be_a_span(date, year):
    assert one(invented(5).replace(b"<Year>2020</Year>", date.encode())).year == year


def test_numbers_of_cited_articles_are_not_its_own():
    cited = linked("Cites")
    references = (
        b"</ArticleIdList><ReferenceList><Reference><Citation>Retracted Publication</Citation><ArticleIdList>"
        b"<ArticleId IdType='doi'>10.1/cited</ArticleId></ArticleIdList></Reference></ReferenceList></PubmedData>"
    )
    article = one(invented(5, links=cited).replace(b"</ArticleIdList></PubmedData>", references))
    assert (article.id, article.doi, article.retracted) == ("5", "", False)


def test_the_doi_comes_from_the_list_or_else_from_the_article():
    location = b"<ELocationID EIdType='doi' ValidYN='%s'>10.1/own</ELocationID><Language>"
    assert one(invented(5).replace(b"<Language>", location % b"Y")).doi == "10.1/own"
    assert one(invented(5).replace(b"<Language>", location % b"N")).doi == ""


@pytest.mark.parametrize("link", ["RetractionIn", "PartialRetractionIn"])
def test_a_retracted_article_is_marked(link):
    assert one(invented(5, links=linked(link))).retracted
    assert one(invented(5, types="Retracted Publication")).retracted
    assert one(invented(5).replace(b"D000078182", b"D016441")).retracted


def test_the_notice_of_a_retraction_is_not_itself_retracted():
    notice = linked("RetractionOf")
    assert not one(invented(5, links=notice, types="Retraction of Publication")).retracted


def test_without_an_abstract_or_a_title_there_is_none():
    bare = invented(5).replace(b"<ArticleTitle>Invented: skin and sun</ArticleTitle>", b"<ArticleTitle/>")
    start, end = bare.index(b"<Abstract>"), bare.index(b"</Abstract>") + len(b"</Abstract>")
    article = one(bare[:start] + bare[end:])
    assert (article.sections, article.abstract, article.title) == ((), "", "")
    assert one(bare.replace(b"<Language>", b"<VernacularTitle>Haut</VernacularTitle><Language>")).title == "Haut"


def test_a_chapter_of_a_book_is_an_article_too():
    (_, (article, raw), _) = read(HEAD + invented(1) + BOOK + invented(2) + TAIL)
    assert raw == BOOK
    assert (article.id, article.title, article.year, article.journal) == ("77", "An invented chapter", 2003, "Invented Reviews")
    assert (article.types, article.abstract, article.doi) == (("Review",), "Short.", "10.1/book")


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_it_does_not_matter_where_a_block_ends(monkeypatch, block):
    deleted = b"<DeleteCitation><PMID>3</PMID></DeleteCitation>"
    content = b"\xef\xbb\xbf" + HEAD + invented(1) + b"\n<!-- > -->" + BOOK + invented(2) + deleted + TAIL
    expected = read(content)
    monkeypatch.setattr(pubmed_xml, "BLOCK", block)
    assert read(content) == expected
    assert [article.id for article, _ in expected] == ["1", "77", "2"]


def test_a_file_that_ends_anywhere_before_its_end_is_refused():
    content = HEAD + invented(1) + BOOK + TAIL
    for end in range(len(content)):
        with pytest.raises(MalformedXml):
            read(content[:end])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no element"),
        (b"Error: too busy", "syntax error"),
        (b"<html><br></html>", "mismatched tag"),
        (b"<eSearchResult/>", "root is eSearchResult"),
        (HEAD + invented(1) + b"<ERROR>busy now</ERROR>" + TAIL, "error: busy now"),
        (HEAD + invented(1) + b"& loose" + TAIL, "not well-formed"),
        (HEAD + invented(1, title="&foo;") + TAIL, "undefined entity"),
        (HEAD + invented("") + TAIL, "no PMID"),
        (HEAD + invented("PMC5") + TAIL, "no PMID"),
        (HEAD + b"<PubmedArticle/>" + TAIL + b"<PubmedArticle></PubmedArticle>", "no PMID"),
        (HEAD.replace(b'"1.0" ?', b'"1.0" encoding="ISO-8859-1"?') + invented(1) + TAIL, "ISO-8859-1.*UTF-8"),
        ((HEAD + invented(1) + TAIL).decode().replace('"1.0" ?', '"1.0" encoding="UTF-16"?').encode("utf-16"), "not in UTF-8"),
        (HEAD + invented(1, title="@").replace(b"@", b"\xff") + TAIL, "not well-formed"),
        (
            HEAD + invented(1, abstract="<AbstractText>" + "<b>" * 3000 + "</b>" * 3000 + "</AbstractText>") + TAIL,
            "nested too deep",
        ),
    ],
)
def test_what_is_no_set_of_articles_is_refused(content, told):
    with pytest.raises(MalformedXml, match=told):
        read(content)


@pytest.mark.parametrize(
    "subset",
    [
        '<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">',
        '<!ENTITY a SYSTEM "file:///etc/hostname">',
        '<!ENTITY % a SYSTEM "http://127.0.0.1:9/x.dtd"> %a;',
    ],
)
def test_entities_are_refused(subset):
    bomb = f"<!DOCTYPE PubmedArticleSet [{subset}]><PubmedArticleSet>".encode() + invented(1, title="&a;") + TAIL
    for refuse in (read, parse_xml, lambda content: root_name(io.BytesIO(content))):
        with pytest.raises(MalformedXml):
            refuse(bomb)


def test_a_record_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(pubmed_xml, "LARGEST", 10_000)
    monkeypatch.setattr(pubmed_xml, "BLOCK", 1_000)
    with pytest.raises(MalformedXml, match="goes on for over"):
        read(HEAD + invented(1, title="x" * 20_000))
    with pytest.raises(MalformedXml, match="are in no record"):
        read(HEAD + b"<x/>" * 5_000 + TAIL)


def test_the_root_is_found_without_reading_on():
    stream = io.BytesIO(HEAD + b"x" * 100_000)
    assert root_name(stream) == "PubmedArticleSet"
    assert stream.tell() < 10_000


def test_text_is_cleaned_of_line_ends_of_every_kind():
    assert clean(" a\u2028b\u0085c\r\nd\u2009e ") == "a b c d e"
    assert clean(None) == ""


@shared
def test_the_recorded_records_are_read():
    articles = {a.id: a for path in sorted(FIXTURES.glob("pubmed*.xml")) for a, _ in read(path.read_bytes())}
    assert len(articles) == 9
    asthma = articles["29768149"]
    assert [label for label, _ in asthma.sections] == ["BACKGROUND", "METHODS", "RESULTS", "CONCLUSIONS"]
    assert "fast-acting β 2-agonist" in asthma.abstract.replace("β2", "β 2")
    assert (asthma.year, asthma.doi, len(asthma.mesh)) == (2018, "10.1056/NEJMoa1715274", 23)
    assert "p trend" not in articles["27797938"].abstract and "ptrend=0.048" in articles["27797938"].abstract
    assert "(1) inhaled He3/Xe129 MRI ventilation" in articles["29963580"].abstract  # from MathML
    assert articles["12091962"].abstract == ""
    assert articles["30108519"].doi == "10.3389/fphys.2018.01034"

"""The store keeps every article once, as it came, whatever happens."""

import pytest

from prima_jax.corpus.articles import Article, ArticleStore
from prima_jax.errors import UserError

ONE = Article(
    "11", "One", (("AIM", "To see."), ("", "Seen: β ≥ 2.")), 2020, ("Review",), "J", "eng", ("Skin",), "10.1/x", "u", "l"
)
TWO = Article("medquad:2-1", "Two", ())


@pytest.fixture
def store(tmp_path):
    with ArticleStore(tmp_path / "articles.sqlite") as opened:
        yield opened


def test_what_is_stored_comes_back_also_after_it_was_closed(store):
    assert store.add([(ONE, b"<raw>\xff\x00</raw>"), (TWO, b"")]) == 2
    with ArticleStore(store.path) as again:
        assert list(again) == [ONE, TWO]
        assert (again.get("11"), again.raw("11"), again.raw(TWO.id)) == (ONE, b"<raw>\xff\x00</raw>", b"")
        assert (len(again), again.ids(), again.get("12")) == (2, {"11", TWO.id}, None)
    with pytest.raises(KeyError):
        store.raw("12")


def test_an_article_that_comes_again_replaces_the_older_one(store):
    changed = Article("11", "One, corrected", (), retracted=True)
    store.add([(ONE, b"old")])
    assert store.add([(changed, b"new"), (TWO, b"")]) == 1
    assert (store.get("11"), store.raw("11"), len(store)) == (changed, b"new", 2)


def test_a_page_is_stored_whole_or_not_at_all(store):
    def page():
        yield ONE, b""
        yield TWO, None  # cannot be compressed

    with pytest.raises(TypeError):
        store.add(page())
    assert store.ids() == set()


def test_the_order_does_not_depend_on_when_articles_came(tmp_path):
    orders = []
    for name, articles in (("a", (ONE, TWO)), ("b", (TWO, ONE))):
        with ArticleStore(tmp_path / name) as store:
            for article in articles:
                store.add([(article, b"")])
            orders.append([a.id for a in store])
    assert orders[0] == orders[1]


def test_searches_are_noted_once_each(store):
    store.note_search("q", "t", 3, "2025-01-01")
    store.note_search("q", "t2", 4, "2025-01-02")
    assert store.searches() == [("q", "t2", 4, "2025-01-02")]


def test_passages_offsets_refer_to_a_line_for_each_section():
    assert ONE.abstract == "To see.\nSeen: β ≥ 2."
    assert (ONE.is_pubmed, TWO.is_pubmed) == (True, False)


def test_a_file_that_is_something_else_is_told(tmp_path):
    (tmp_path / "articles.sqlite").write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(UserError, match=r"articles\.sqlite cannot be used"):
        ArticleStore(tmp_path / "articles.sqlite")
    with pytest.raises(UserError, match="cannot be used"):
        ArticleStore(tmp_path / "nowhere" / "articles.sqlite")

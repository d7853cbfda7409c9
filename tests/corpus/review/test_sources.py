"""Where a claim's quote stands in its article, as the review page shows it; and the words that a reviewer changed."""

import pytest

from prima_jax.corpus.articles import Article
from prima_jax.corpus.review.view import source_of, word_changes


class TestSources:
    ARTICLE = Article("1", "T", (("A", "First one. Second one here. Third one. Fourth."), ("B", "Another part.")), year=2020)

    def cited(self, quote, start=None, end=None):
        return source_of({"article": "1", "quote": quote, "start": start, "end": end}, self.ARTICLE)

    def test_the_quote_stands_between_the_sentences_next_to_it(self):
        found = self.cited("Second one", 11, 21)
        assert "".join(p.text for p in found.context) == "First one. Second one here. Third one. "
        assert [p.text for p in found.context if p.mark == "quote"] == ["Second one"]

    @pytest.mark.parametrize(("start", "end"), [(None, None), (0, 5), (11, 9999), (-5, 3), (21, 11)])
    def test_offsets_that_do_not_fit_are_not_believed(self, start, end):
        assert [p.text for p in self.cited("Second one", start, end).context if p.mark] == ["Second one"]

    def test_a_quote_over_two_sections_is_marked_in_both(self):
        found = self.cited("Fourth.\nAnother", 39, 54)
        assert [[p.text for p in pieces if p.mark] for _, pieces in found.abstract] == [["Fourth."], ["Another"]]

    def test_a_quote_that_is_not_there_has_no_context(self):
        assert self.cited("Never said").context == ()

    def test_the_context_is_always_the_abstracts_own_text(self):
        abstract = self.ARTICLE.abstract
        for start in range(len(abstract)):
            for end in range(start + 1, len(abstract) + 1):
                if abstract[start:end].strip():
                    shown = self.cited(abstract[start:end], start, end).context
                    assert "".join(p.text for p in shown) in abstract
                    assert "".join(p.text for p in shown if p.mark) == abstract[start:end]

    def test_changed_words_are_marked(self):
        marks = [tuple(p) for p in word_changes("smoking raises risk", "smoking slightly lowers risk") if p.text != " "]
        assert marks == [("smoking", ""), ("raises", "removed"), ("slightly lowers", "added"), ("risk", "")]

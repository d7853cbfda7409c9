"""Claims and decisions as files: what they hold, and that no cell is a formula."""

import csv
import io
import json

import pytest

from prima_jax.corpus.review import export
from prima_jax.errors import UserError
from scripts.review.example import ADA, BEN, CONFIG, FLAGGED, LOST, PEOPLE, SUN, example_claims
from tests.corpus.review.client import decide, signed_in

FORMULAS = (
    *("=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "＝1", '=HYPERLINK("http://x")', "=cmd|' /C calc'!A0"),
    *("harmless;=1+1;", 'harmless; "=1+1"', "harmless\n=1+1", "harmless\r\n@x", "harmless\t-1"),
)


class TestExport:
    def test_csv_and_jsonl_hold_every_claim_its_state_and_decisions(self, app, folder):
        ada, ben = signed_in(app), signed_in(app, BEN)
        for browser in (ada, ben):
            decide(browser, SUN, "approve")
            decide(browser, LOST, "reject", reason="the quote is not there")
        answer = ada.get("/export.csv")
        assert answer.headers["content-disposition"] == 'attachment; filename="claims.csv"'
        table = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert [row["id"] for row in table] == [c["id"] for c in example_claims()]
        found = {row["id"]: row for row in table}
        assert (found[SUN]["state"], found[SUN]["final_text"]) == ("approved", example_claims()[2]["text"])
        assert found[LOST]["state"] == "rejected" and "the quote is not there" in found[LOST]["decisions"]
        assert found[FLAGGED]["flags"] == "contradiction"
        lines = [json.loads(line) for line in ada.get("/export.jsonl").text.splitlines()]
        assert [d["who"] for d in lines[2]["decisions"]] == [ADA, BEN]
        assert lines[2]["decisions"][0]["sha256"] and "passphrase" not in ada.get("/export.jsonl").text

    def test_a_file_holds_what_the_page_gives_once_all_is_settled(self, app, folder, tmp_path):
        for name in PEOPLE[:2]:
            browser = signed_in(app, name)
            for one in example_claims():
                decide(browser, one["id"], "reject", reason="x")
        for name in ("out.csv", "out.jsonl"):
            assert "7 claims" in export.to_file(CONFIG, folder, tmp_path / name)
            assert (tmp_path / name).read_bytes() == browser.get(f"/export.{name[4:]}").content

    def test_another_ending_and_a_place_that_is_not_there_are_told(self, folder, tmp_path):
        with pytest.raises(UserError, match=r"\.csv or \.jsonl"):
            export.to_file(CONFIG, folder, tmp_path / "out.xlsx")
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="Cannot write"):
            export.to_file(CONFIG, folder, tmp_path / "file" / "out.csv")

    @pytest.mark.parametrize("name", ["drafts.jsonl", "claims.jsonl", "passages.jsonl", "corpus-0123456789abcdef.jsonl"])
    def test_a_file_of_the_steps_own_is_never_replaced(self, folder, name):
        before = folder.claims.read_bytes()
        with pytest.raises(UserError, match="choose another name"):
            export.to_file(CONFIG, folder, folder.path / "." / name)
        assert folder.claims.read_bytes() == before

    @pytest.mark.parametrize("cell", FORMULAS)
    def test_no_cell_is_a_formula_whatever_parts_the_cells(self, cell):
        """In many countries spreadsheets part cells at semicolons, and read a file that commas part all the same."""
        row = dict.fromkeys(export.COLUMNS, cell) | {"flags": [], "citations": [], "decided_by": [cell], "decisions": []}
        written = export.as_csv([row]).decode("utf-8-sig")
        for separator in ",;\t":
            for one in csv.reader(io.StringIO(written, newline=""), delimiter=separator):
                assert not any(found.lstrip().startswith(("=", "+", "-", "@", "＝")) for found in one), (separator, one)
        assert "'" in written

    def test_what_is_no_formula_stays_as_it_is(self):
        words = 'relative risk 0.93 (0.88-0.99); a "quoted" word, a-b, x=1'
        row = dict.fromkeys(export.COLUMNS, words) | {"flags": [], "citations": [], "decided_by": [], "decisions": []}
        (table,) = csv.DictReader(io.StringIO(export.as_csv([row]).decode("utf-8-sig"), newline=""))
        assert table["text"] == table["final_text"] == words

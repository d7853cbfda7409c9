import pytest
from prima_jax.metrics.tables import build, class_order, markdown_table, terminal_table

from tests.evaluation.examples import results, synthetic_results

PUBLISHED_PRIMA_PAD = "73.75 (3.40)"
PUBLISHED_PRIMA_AQUA = "85.22 (2.17)"


def test_columns_stand_in_the_papers_order():
    headings = build(results()).headings
    assert headings == (
        "Method", "BCC", "SCC", "MEL", "ACK", "SEK", "NEV", "Macro F1", "Accuracy", "Balanced acc.",
    )  # fmt: skip
    assert build(synthetic_results()).headings[1:3] == ("Fungal", "Bacterial")


def test_each_figure_stands_under_its_class():
    found = results()
    found["methods"]["prima"]["f1"]["MEL"] = [0.9] * 5
    found["methods"]["prima"]["balanced_accuracy"] = [0.1] * 5
    row = dict(zip(build(found).headings, build(found).rows[0], strict=True))
    assert (row["Method"], row["MEL"], row["Balanced acc."]) == ("PRIMA", "90.00 (0.00)", "10.00 (0.00)")
    assert row["ACK"] == "52.00 (1.58)"


def test_another_cohort_keeps_its_own_order_and_has_no_published_rows():
    found = results(("b", "a", "c"), study="mine", classes=["c", "a", "b"])
    assert class_order(found) == ("c", "a", "b")
    assert build(found).published == ()


def test_published_rows_of_a_real_study_are_beside_ours_and_marked():
    for text in (markdown_table(results()), terminal_table(results())):
        assert PUBLISHED_PRIMA_PAD in text
        assert "2602.23297" in text
    rows = [line for line in markdown_table(results()).splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 7 + 7
    assert [("(published)" in row) for row in rows] == [False] * 7 + [True] * 7


def test_what_others_published_comes_last_with_what_it_lacks_and_its_leak():
    found = synthetic_results(synthetic=False)
    row = build(found).published[-1]
    assert row == ("TPMKA (published elsewhere)", "-", "-", "84.46", "85.84", "-")
    for text in (markdown_table(found), terminal_table(found)):
        assert "chooses the epoch on the very fold that is reported" in " ".join(text.split())
        assert "TPMKA" not in markdown_table(results())


def test_tokens_of_an_encoder_without_weights_are_not_called_frozen():
    names = [row[0] for row in build(results(untrained_image_encoder=True)).rows]
    assert "Untrained image tokens, logistic regression" in names
    assert "Untrained image tokens + metadata, logistic regression" in names
    assert "Frozen image tokens, logistic regression" in markdown_table(results())


def test_synthetic_figures_never_stand_beside_published_ones():
    found = synthetic_results()
    for text in (markdown_table(found), terminal_table(found)):
        assert text.lstrip("*").startswith("SYNTHETIC")
        assert PUBLISHED_PRIMA_AQUA not in text
        assert "(published)" not in text


def test_markdown_rows_have_as_many_cells_as_headings():
    rows = [line for line in markdown_table(results()).splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {11}


def test_markdown_escapes_a_bar_in_a_class():
    rows = [line for line in markdown_table(results(("a|b", "c"), study="mine")).splitlines() if line.startswith("|")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {7}


@pytest.mark.parametrize(
    "found",
    [results(), synthetic_results(), results(tuple(f"diagnosis number {n}" for n in range(14)), study="mine")],
    ids=["pad", "synthetic", "wide"],
)
def test_terminal_table_fits_and_is_aligned(found: dict):
    text = terminal_table(found)
    assert max(map(len, text.splitlines())) <= 140
    rule = ""
    for line in text.splitlines():
        rule = line if line.startswith("---") else rule
        if line.startswith(("Method", "PRIMA", "Majority class")):
            assert len(line) == len(rule)
    for name in found["methods"]["prima"]["f1"]:
        assert name.lower() in text.lower()


def test_terminal_cells_end_under_their_headings():
    lines = terminal_table(results()).splitlines()
    head = next(line for line in lines if line.startswith("Method"))
    for name in ("PRIMA ", "Majority class ", "MedKLIP (published) "):
        row = next(line for line in lines if line.startswith(name))
        for heading in ("BCC", "MEL", "NEV", "Accuracy"):
            assert row[head.index(heading) + len(heading) - 1] == ")"


def test_a_single_fold_shows_no_standard_deviation():
    ours = terminal_table(results(("a", "b"), folds=1, study="mine")).split("F1 of each class")[0]
    assert "50.00" in ours
    assert "(0" not in ours

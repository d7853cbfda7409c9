import re
from pathlib import Path

import pytest

from prima_jax.report.published import ABLATION, PUBLISHED, PublishedRow, as_json

ROWS = [(study, row) for study, table in PUBLISHED.items() for row in table.rows]


def figures(row: PublishedRow) -> list[tuple[float, float]]:
    return [*row.f1.values(), row.macro_f1, row.accuracy, row.balanced_accuracy]


def test_every_figure_is_the_papers():
    paper = Path(__file__).parents[2].parent / "shared" / "paper" / "prima_paper.txt"
    if not paper.exists():
        pytest.skip(f"the paper's text is not at {paper}")
    text = paper.read_text()
    tables = text[text.index("Table 1: ") : text.index("3.2 Ablation Study")]
    lines = [re.findall(r"(\d+\.\d+) \((\d+\.\d+)\)", line) for line in tables.splitlines()]
    found = [[(float(mean), float(sd)) for mean, sd in line] for line in lines if line]
    assert found == [*(figures(row) for _, row in ROWS), *(list(row) for row in ABLATION)]


@pytest.mark.parametrize(("study", "row"), ROWS, ids=lambda value: getattr(value, "method", value))
def test_macro_f1_is_the_mean_of_the_class_f1s(study: str, row: PublishedRow):
    mean = sum(figure[0] for figure in row.f1.values()) / len(row.f1)
    # Both sides are rounded to two decimals: half a hundredth each, and the float arithmetic of the mean.
    assert abs(mean - row.macro_f1[0]) <= 0.01 + 1e-9


def test_the_last_row_of_the_ablation_is_prima_itself():
    prima = PUBLISHED["pad_ufes_20"].rows[-1]
    assert ABLATION[-1] == (prima.macro_f1, prima.accuracy, prima.balanced_accuracy)


def test_json_has_the_table_of_a_real_study_and_none_of_a_synthetic_or_unknown_one():
    found = as_json("aqua", synthetic=False)
    assert found["table"] == 2
    assert found["methods"]["PRIMA"]["macro_f1"] == [85.22, 2.17]
    assert "2602.23297" in found["citation"]
    assert "ablation" not in found
    assert [(row["method"], row["macro_f1"], row["accuracy"]) for row in found["elsewhere"]] == [("TPMKA", 84.46, 85.84)]
    assert as_json("aqua", synthetic=True) == {}
    assert as_json("my_cohort", synthetic=False) == {}


def test_json_has_the_ablation_and_says_that_only_its_last_row_is_certain():
    found = as_json("pad_ufes_20", synthetic=False)
    assert found["ablation"]["table"] == 3
    assert "only the last row" in found["ablation"]["note"]
    rows = found["ablation"]["rows"]
    assert len(rows) == 9
    assert rows[0] == {"macro_f1": [67.94, 3.88], "accuracy": [75.25, 3.85], "balanced_accuracy": [66.20, 3.50]}
    assert rows[-1] == {score: found["methods"]["PRIMA"][score] for score in rows[-1]}

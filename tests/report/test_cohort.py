"""The tables of who was studied."""

from prima_jax.report.cohort import class_table, missing_table


def found(**missing: dict) -> dict:
    sizes = {"cases": 1200, "units": 2, "subjects": 1}
    counts = {**sizes, "folds": [sizes, {"cases": 0, "units": 0, "subjects": 0}]}
    return {
        "study": "x",
        "classes": ["a", "b"],
        "cohort": {"classes": {"a": counts, "b": counts}, "all": counts, "missing": missing},
    }


def test_a_class_has_its_counts_and_those_of_each_fold():
    table = class_table(found())
    assert table.headings == ("Class", "All", "Held out, fold 0", "Held out, fold 1")
    assert [line.cells[0] for line in table.lines] == ["a", "b", "All"]
    assert table.lines[0].cells[1:] == ("1,200 / 2 / 1", "1,200 / 2 / 1", "0 / 0 / 0")


def test_missingness_stands_by_class_where_it_differs_and_the_most_missing_first():
    table = missing_table(
        found(
            age={"all": 0.5, "by_class": {"a": 0.52, "b": 0.48}},
            itch={"all": 0.75, "by_class": {"a": 0.6, "b": 0.9}},
            grew={"all": 0.1, "by_class": {"a": 0.1, "b": None}},
            sex={"all": 0.0, "by_class": {"a": 0.0, "b": 0.0}},
        )
    )
    cells = [("itch", "75.0", "60.0", "90.0"), ("age", "50.0", "", ""), ("grew", "10.0", "", "")]
    assert [line.cells for line in table.lines] == cells
    assert table.notes[-1] == "Never missing: sex."
    assert missing_table(found(sex={"all": 0.0, "by_class": {"a": 0.0, "b": 0.0}})) is None

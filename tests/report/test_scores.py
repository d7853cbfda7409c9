"""A table's files say what was measured, and mark what is published or synthetic. The figures here are invented."""

from typing import Any

from prima_jax.report.scores import class_order, score_table
from prima_jax.report.table import latex, markdown
from tests.report import examples

CLASSES = ("BCC", "SCC", "MEL", "ACK", "SEK", "NEV")


def results(**changes: Any) -> dict[str, Any]:
    row = {
        "macro_f1": [0.5, 0.7],
        "accuracy": [0.6, 0.6],
        "balanced_accuracy": [0.25, 0.75],
        "f1": {name: [0.5, None] for name in CLASSES},
        "parameters": [1_250_000, 1_240_000],
        "seconds": [60.0, 30.0],
        "peak_memory": [2**30, 3 * 2**29],
    }
    methods = {
        "prima": {"title": "PRIMA", "published": "PRIMA", **row},
        "majority": {"title": "Majority class & more", **row, "parameters": [0, 0]},
    }
    return {
        "study": "pad_ufes_20",
        "title": "PAD-UFES-20",
        "synthetic": False,
        "table": 1,
        "folds": 2,
        "seeds": [0],
        "split": "unit",
        "classes": list(CLASSES),
        "methods": methods,
        **changes,
    }


def headings(found: dict[str, Any]) -> tuple[str, ...]:
    return score_table(found).headings


def cells(found: dict[str, Any]) -> list[tuple[str, ...]]:
    return [line.cells for line in score_table(found).lines]


def text(found: dict[str, Any]) -> str:
    table = score_table(found)
    return f"{table.title}\n{markdown(table)}"


def tex(found: dict[str, Any]) -> str:
    return latex(score_table(found))


def test_means_and_deviations_stand_in_the_papers_columns_with_the_published_row_under_ours():
    ours, published, other = cells(results())
    assert headings(results())[1:7] == CLASSES
    assert ours == ("PRIMA", *["50.00"] * 6, "60.00 (14.14)", "60.00 (0.00)", "50.00 (35.36)", "1.25", "1.5", "1.50")
    assert published[0] == "PRIMA (published)" and published[7] == "73.75 (3.40)"
    assert other[0] == "Majority class & more" and other[-3:] == ("-", "1.5", "1.50")


def test_a_stage_that_leaves_the_tokens_worse_is_named():
    row = results()["methods"]["prima"]
    scores = {"frozen_tokens": [0.5, 0.5], "aligned_tokens": [0.48, 0.5], "refined_tokens": [0.52, 0.56]}
    found = text(results(methods={name: {**row, "macro_f1": values} for name, values in scores.items()}))
    assert "as they began 50.0, after alignment 49.0, after refinement 54.0" in found
    assert "ALIGNMENT LEFT THE IMAGE TOKENS WORSE than it found them, by 1.0 points" in found and "REFINEMENT LEFT" not in found
    assert "logistic regression on the image encoder" not in text(results())


def test_what_others_published_stands_last_in_the_papers_table_alone():
    row = {**results()["methods"]["prima"], "f1": {"bacterial": [0.5, 0.5], "fungal": [0.5, 0.5]}}
    aqua = {"study": "aqua", "classes": ["bacterial", "fungal"], "methods": {"prima": row}, "seeds": [0, 1]}
    found = results(**aqua, table=2)
    last = cells(found)[-1]
    assert len(last) == len(headings(found)) and last[0] == "TPMKA (published elsewhere)"
    assert last[3:7] == ("84.46", "", "85.84", "-")
    assert "TPMKA" in text(found) and "1,645 patients" in tex(found)
    assert "TPMKA" not in text(results(**aqua, table=3)) and "TPMKA" not in text(results())


def test_nothing_published_stands_beside_a_synthetic_study():
    found = results(synthetic=True)
    assert len(cells(found)) == 2
    said = text(found)
    assert "published" not in said and said.startswith("SYNTHETIC")


def test_two_seeds_have_their_own_deviation_and_the_minutes_are_those_of_one():
    ours = cells(results(seeds=[0, 1], table=3))[0]  # a fold each: 50 and 70
    assert ours == ("PRIMA", "60.00", "14.14", "60.00", "50.00", "1.25", "0.8", "1.50")
    assert headings(results(seeds=[0, 1], table=3))[1:3] == ("Macro F1", "SD over seeds")
    widths = {len(row) for row in (headings(results(seeds=[0, 1])), *cells(results(seeds=[0, 1])))}
    assert len(widths) == 1  # the published row as well


def test_in_files_of_figures_alone_the_heading_says_what_the_figures_are_not():
    found = results(synthetic=True, random_weights=True, shuffled="labels")
    assert headings(found)[0] == "Method (SYNTHETIC study, RANDOM WEIGHTS, labels SHUFFLED)"
    assert "(published)" not in text(results(shuffled="labels"))  # nothing published has shuffled labels


def test_device_memory_stands_beside_the_hosts_where_a_device_tells():
    found = results()
    for row in found["methods"].values():
        row["peak_device_memory"] = [None, None]
    assert headings(found)[-1] == "Memory, GiB"
    found["methods"]["prima"]["peak_device_memory"] = [2**31, None]
    assert headings(found)[-2:] == ("Memory, GiB", "GPU memory, GiB")
    ours, published, other = cells(found)
    assert (ours[-2:], published[-2:], other[-2:]) == (("1.50", "2.00"), ("", ""), ("1.50", "-"))
    assert {len(row) for row in (ours, published, other)} == {len(headings(found))}


def test_what_a_row_sees_is_told():
    found = results()
    found["methods"]["prima"]["sees"] = ["images", "metadata"]
    found["methods"]["majority"]["sees"] = ["images"]
    found["methods"]["other"] = {**found["methods"]["majority"], "title": "L_img, L_glo"}
    told = "- Seen at test. Photographs and metadata: PRIMA. Photographs alone: Majority class & more; L_img, L_glo."
    assert told in text(found)


def test_two_seeds_are_told_in_the_caption_as_the_cells_have_them():
    said = text(results(seeds=[0, 1]))
    assert "mean over 2 seeds of their means over 2 folds" in said and "sample standard deviation" not in said


def test_what_has_to_be_known_of_a_row_stands_under_the_table():
    found = results()
    found["methods"]["prima"]["note"] = "it is ours"
    assert "- PRIMA: it is ours." in text(found)


def test_latex_is_escaped_and_as_wide_as_its_rows():
    written = tex(results())
    assert r"Majority class \& more" in written
    assert r"\begin{tabular}{lrrrrrrrrrrrr}" in written
    assert all(line.count(" & ") == 12 for line in written.splitlines() if line.endswith(r"\\"))


def test_no_name_of_a_cohort_is_a_command_of_latex():
    found = results(title="Two\nlines")
    found["methods"]["majority"]["title"] = r"a^2 ~ $x$ {y} \z #1 100% b_c"
    written = tex(found)
    assert r"a\textasciicircum{}2 \textasciitilde{} \$x\$ \{y\} \textbackslash{}z \#1 100\% b\_c & " in written
    assert "% Two lines: Table 1\n" in written
    assert "% Two lines: Table 4, not in the paper\n" in tex(found | {"table": 4})


def test_a_plain_run_has_all_published_rows_under_its_own_and_marked():
    rows = [row[0] for row in cells(examples.results())]
    assert rows[:4] == ["PRIMA", "PRIMA (published)", "Image encoder, linear head", "DINOv3, LoRA (published)"]
    assert rows.count("PRIMA (published)") == 1 and sum("(published)" in row for row in rows) == 7
    assert sum("(published" in row for row in map(str, rows[-5:])) == 5
    kinds = [line.kind for line in score_table(examples.results()).lines]
    assert kinds[:3] == ["own", "published", ""] and "2602.23297" in text(examples.results())


def test_another_cohort_keeps_its_own_order_and_has_no_published_rows():
    found = examples.results(("c", "a", "b"), study="mine")
    assert class_order(found) == ("c", "a", "b")
    assert not any(line.kind == "published" for line in score_table(found).lines)


def test_markdown_rows_have_as_many_cells_as_headings_whatever_the_names():
    rows = [line for line in text(examples.results(("a|b", "c"), study="mine")).splitlines() if line.startswith("|")]
    assert len({row.replace("\\|", "").count("|") for row in rows}) == 1

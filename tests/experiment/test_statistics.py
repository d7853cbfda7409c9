"""The statistics of a table: its page says what the predictions hold. The predictions here are invented."""

import copy
from typing import Any

import numpy as np
import pytest

from prima_jax.experiment.statistics import prediction_sets, statistics
from prima_jax.report.calibration import calibration_table
from prima_jax.report.per_class import per_class_table
from prima_jax.report.statistics import statistics_table
from prima_jax.report.subgroups import subgroup_table
from prima_jax.report.table import markdown
from tests.studies.pad_ufes_20 import PAD_UFES_20

UNITS = 60
METHODS = {"prima": 0.9, "guess": 0.5}


def lines() -> list[dict[str, Any]]:
    """Two cases of each unit, two classes; METHODS says how often a method is right."""
    generator, found = np.random.default_rng(5), []
    for name, right in METHODS.items():
        for unit in range(UNITS):
            label = unit % 2
            for case in range(2):
                p = 0.8 if generator.random() < right else 0.2
                found.append(
                    {"seed": 0, "method": name, "fold": unit % 5, "record": f"r{unit}_{case}", "unit": f"u{unit}"}
                    | {"subject": f"s{unit}", "label": "ab"[label], "p_a": p if label == 0 else 1 - p}
                )
                found[-1]["p_b"] = 1 - found[-1]["p_a"]
    return found


def page(found: dict[str, Any], *, constant: bool = False, **others: Any) -> str:
    results = {"seeds": [0], "study": "invented", "classes": ["a", "b"], "statistics": found, **others}
    scored = dict.fromkeys(results["classes"])
    methods = {"prima": {"title": "PRIMA", "f1": scored}, "guess": {"title": "A guess", "f1": scored, "constant": [constant]}}
    tables = [table({**results, "methods": methods}) for table in (statistics_table, subgroup_table)]
    return "\n".join(f"{t.title}\n{markdown(t)}" for t in tables if t)


def cells(text: str, title: str) -> list[str]:
    row = next(line for line in text.splitlines() if line.startswith(f"| {title} |"))
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    groups = {"eye": {line["record"]: "left" if line["record"].endswith("0") else "right" for line in lines()}}
    return statistics(lines(), groups)


def test_a_guess_lies_within_its_chance_and_prima_above_its_own(found):
    ours, guess = found["methods"]["prima"], found["methods"]["guess"]
    assert ours["intervals"]["macro_f1"]["estimate"] > ours["chance"]["macro_f1"]["high"]
    assert guess["chance"]["macro_f1"]["low"] < guess["intervals"]["macro_f1"]["estimate"] < guess["chance"]["macro_f1"]["high"]


def test_every_row_has_its_own_chance_on_the_page(found):
    text = page(found)
    for name, title in (("prima", "PRIMA"), ("guess", "A guess")):
        expected = found["methods"][name]["chance"]["macro_f1"]
        assert cells(text, title)[2] == "{:.1f} ({:.1f} to {:.1f})".format(*(100 * expected[k] for k in ("mean", "low", "high")))


def test_prima_is_compared_with_every_other_row_and_not_with_itself(found):
    assert "against_prima" not in found["methods"]["prima"] and cells(page(found), "PRIMA")[4:] == [""] * 4
    assert found["methods"]["guess"]["against_prima"]["mcnemar"]["p_holm"] < 0.001
    assert cells(page(found), "A guess")[6:] == ["< 0.001"] * 2  # two classes, so that DeLong's test is there as well


def test_without_prima_its_tokens_are_what_the_others_are_compared_with(found):
    renamed = [line | {"method": line["method"].replace("prima", "prima_metadata")} for line in lines()]
    against = statistics(renamed, {})["methods"]
    assert against["guess"]["against_prima"] == found["methods"]["guess"]["against_prima"]
    assert "against_prima" not in against["prima_metadata"]


def test_confidence_and_each_class_have_tables_of_their_own(found):
    methods = {name: {"title": name} for name in METHODS}
    results = {"study": "invented", "classes": ["a", "b"], "statistics": found, "methods": methods}
    headings, ours = calibration_table(results).headings, calibration_table(results).lines[0].cells
    error, area = (ours[headings.index(name)] for name in ("Error", "AURC"))
    within = found["methods"]["prima"]["aurc_with_temperature"]
    assert area == "{:.1f} ({:.1f} to {:.1f})".format(*(100 * within[k] for k in ("estimate", "low", "high")))
    assert float(error) == pytest.approx(100 * (1 - found["methods"]["prima"]["intervals"]["accuracy"]["estimate"]), abs=0.05)
    of_b = found["methods"]["prima"]["one_vs_rest"]["b"]["ppv"]
    assert per_class_table(results).lines[1].cells[0] == "b"
    assert per_class_table(results).lines[1].cells[4].startswith(f"{100 * of_b['estimate']:.1f} (")
    assert "one_vs_rest" not in found["methods"]["guess"]


def test_a_class_that_is_called_all_is_not_all_cases():
    p_values = np.array([[0.9, 0.0], [0.9, 0.0], [0.9, 0.5]])
    lines = [one for one in prediction_sets(p_values, np.array([0, 1, 1]), ("all", "hem"), {}) if one["error_rate"] == 0.1]
    assert [(one["group"], one["cases"], one["covered"]) for one in lines] == [
        ("all", 3, pytest.approx(2 / 3)),
        ("all", 1, 1.0),
        ("hem", 2, 0.5),
    ]


def test_groups_stand_with_their_counts(found):
    text = page(found)
    assert cells(text, "eye: left")[1:4] == cells(text, "eye: right")[1:4] == ["60", "30 + 30", "60"]
    assert "subgroups" not in page(statistics(lines(), {}))


def test_counts_of_classes_stand_in_the_order_of_the_papers_columns(found):
    counted = copy.deepcopy(found)
    for group in counted["methods"]["prima"]["subgroups"]["eye"]:
        group["by_class"] = [1, 2, 3, 4, 5, 6]
    text = page(counted, study="pad_ufes_20", classes=list(PAD_UFES_20.classes))
    assert cells(text, "Group")[2] == "BCC + SCC + MEL + ACK + SEK + NEV"
    assert cells(text, "eye: left")[2] == "1 + 2 + 5 + 3 + 4 + 6"


def test_what_lies_in_two_folds_is_called_leakage(found):
    assert "No record, unit, file or group" in page(found)
    assert "LEAKAGE: in several folds lie 1 (unit), 2 (photograph)." in page(found, in_several_folds={"unit": 1, "photograph": 2})


def test_with_shuffled_labels_the_rows_beyond_chance_are_named(found):
    assert "in macro F1 are PRIMA;" in page(found, shuffled="labels")
    assert "CONTROL" not in page(found)


def test_a_comparison_with_a_constant_row_is_marked(found):
    text = page(found, constant=True)
    assert cells(text, "A guess (constant)")[6] == "< 0.001" and "better than no information" in text
    assert "constant" not in page(found).lower()

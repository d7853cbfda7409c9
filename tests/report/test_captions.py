import pytest

from prima_jax.report.captions import caption, figure, title, warnings
from tests.report.examples import results, synthetic_results


def test_figure_has_the_sample_standard_deviation():
    # 50 and 70: mean 60, sample SD sqrt((10^2 + 10^2) / 1) = 14.142; the population's would be 10.
    assert figure([0.5, 0.7]) == "60.00 (14.14)"
    assert figure([0.5, 0.5]) == "50.00 (0.00)"


def test_a_single_fold_has_no_standard_deviation():
    assert figure([0.734]) == "73.40"


def test_folds_without_a_figure_are_left_out():
    assert figure([0.5, None, 0.7]) == "60.00 (14.14)"
    assert figure([None, 0.5]) == "50.00"
    assert figure([None]) == "-"


def test_title_says_synthetic_first():
    assert title(synthetic_results()).startswith("SYNTHETIC")
    assert title(results()) == "PAD-UFES-20"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "mean over 5 folds"),
        ({}, "ddof = 1"),
        ({"folds": 1}, "on one fold"),
        ({}, "1,108 records of 979 units of 806 subjects"),
        ({}, "no unit is in two folds"),
        ({"split": "subject", "straddling_subjects": 0}, "no subject is in two folds"),
        ({}, "71 subjects of 806 have records in several folds"),
        ({"straddling_subjects": 1}, "1 subject of 806 has records in several folds"),
        ({"hidden_block": "form"}, "block 'form'"),
        ({"train_share": 0.25}, "FEWER CASES: each fold was trained on 25% of its training units of each class."),
        ({"without_fold": 0}, "INNER FOLDS: the records held out in fold 0 were left out"),
        ({"without_fold": 3, "seeds": [0, 1]}, "held out in fold 3 of each seed were left out"),
        ({"shuffled": "images"}, "CONTROL: every unit was given the images of another one"),
        ({}, "RANDOM WEIGHTS"),
        ({}, "946 rows without a photograph were left out"),
        ({}, "2 groups of identical photographs"),
        ({"case": "unit"}, "diagnosed together"),
    ],
)
def test_caption_says(changes: dict, said: str):
    assert said in " ".join(caption(results(**changes)))


def test_folds_that_hold_out_no_case_of_a_class_are_not_called_stratified():
    found = results(folds=3, seeds=[0, 4], folds_without_class=[{"seed": 4, "class": "MEL", "folds": [0, 2]}])
    said = " ".join(caption(found))
    assert "NOT STRATIFIED: folds 0, 2 of seed 4 have no case of MEL;" in said
    assert "fold 1 holds out all of its cases, and trains on none" in said
    assert "stratified as far as the groups allow" in said and "stratified by class" not in said


def test_rows_of_other_code_or_devices_than_the_page_are_named():
    now = {"prima_jax": "0.1.0 (b)", "devices": "2 cpu", "jax_enable_x64": "off"}
    found = results(made_with=now)
    for row in found["methods"].values():
        row["made_with"] = dict(now)
    assert "SEVERAL" not in " ".join(caption(found))
    found["methods"]["prima"]["made_with"] |= {"prima_jax": "0.1.0 (a) and 0.1.0 (b)", "devices": "4 TPU v4"}
    for name in ("majority", "missingness_only"):
        found["methods"][name]["made_with"] = {**now, "prima_jax": "0.1.0 (a)", "jax_enable_x64": "on"}
    said = " ".join(caption(found))
    older = "0.1.0 (a) and 0.1.0 (b): PRIMA. 0.1.0 (a): Missingness only; Majority class (this package is now 0.1.0 (b))."
    assert f"SEVERAL CODES: what was finished before this package changed was kept as it was. {older}" in said
    assert "give other figures. 4 TPU v4: PRIMA (here: 2 cpu)." in said
    assert "on: Missingness only; Majority class (here: off)." in said


def test_rows_that_say_nothing_about_a_case_are_named():
    found = results()
    assert "same probabilities" not in " ".join(caption(found))
    for name, constant in {
        "prima": [False] * 5,
        "metadata_only": [True] * 5,
        "majority": [True, False, True, False, True],
    }.items():
        found["methods"][name]["constant"] = constant
    named = "Metadata, gradient boosting (constant); Majority class (constant in 3 of 5 folds)."
    assert caption(found)[-1] == f"The same probabilities for every case of a fold: {named}"


def test_nothing_is_warned_of_without_reason():
    quiet = {"straddling_subjects": 0, "missing_images": 0, "identical_images": [], "random_weights": False}
    found = results(**quiet, corpus_vetted=True)
    del found["methods"]["missingness_only"]
    assert warnings(found) == warnings({**found, "without_fold": -1}) == []


def test_what_missing_fields_tell_is_a_difference_from_the_majority_class():
    found = results()
    found["methods"]["missingness_only"] |= {"accuracy": [0.6, 0.7], "balanced_accuracy": [0.4, 0.4]}
    found["methods"]["majority"] |= {"accuracy": [0.5, 0.5], "balanced_accuracy": [0.25, 0.25]}
    said = next(sentence for sentence in warnings(found) if sentence.startswith("MISSINGNESS"))
    assert "accuracy and balanced accuracy of 65.00 (7.07) and 40.00 (0.00), the majority class 50.00 (0.00) and 25.00" in said
    assert "the difference comes from how forms were filled in" in said


@pytest.mark.parametrize("score", ["accuracy", "balanced_accuracy"])
def test_a_gain_in_one_of_the_two_scores_is_a_difference(score: str):
    found = results()
    found["methods"]["missingness_only"][score] = [0.9] * 5
    assert "the difference comes from" in " ".join(warnings(found))


def test_no_difference_is_claimed_where_missing_fields_tell_nothing():
    found = results()
    found["methods"]["missingness_only"] |= {"accuracy": [0.4, 0.5], "balanced_accuracy": [0.25, 0.25]}
    found["methods"]["majority"] |= {"accuracy": [0.5, 0.5], "balanced_accuracy": [0.25, 0.25]}
    said = next(sentence for sentence in warnings(found) if sentence.startswith("MISSINGNESS"))
    figures = "of 45.00 (7.07) and 25.00 (0.00), no more than the majority class (50.00 (0.00) and 25.00 (0.00))"
    assert f"{figures}, or by less than the folds differ." in said
    assert "difference" not in said


def test_a_gain_smaller_than_its_spread_over_the_folds_is_chance():
    found = results()
    found["methods"]["majority"] |= {"accuracy": [0.5] * 3, "balanced_accuracy": [0.5] * 3}
    found["methods"]["missingness_only"] |= {"accuracy": [0.4] * 3, "balanced_accuracy": [0.49, 0.5, 0.52]}
    assert "difference comes" not in " ".join(warnings(found))
    found["methods"]["missingness_only"]["balanced_accuracy"] = [0.51, 0.52, 0.53]
    assert "difference comes" in " ".join(warnings(found))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"random_weights": False, "seconds": {"knowledge": 0.0}},
            "STAGE 1 SKIPPED: no corpus was read, so the text encoder is as pub",
        ),
        (
            {"random_weights": True, "seconds": {}},
            "STAGE 1 SKIPPED: no corpus was read, so the text encoder is as it started out",
        ),
        ({"seconds": {"knowledge": 0.1}}, "NO CORPUS: stage 1 read nothing but the training sentences"),
    ],
)
def test_a_run_without_a_corpus_is_said_to_be_no_whole_prima(changes: dict, said: str):
    found = " ".join(warnings(results(corpus_texts=0, corpus_vetted=None, **changes)))
    assert said in found
    assert "not the paper's whole method" in found
    assert "vetted" not in found


def test_a_run_without_alignment_is_said_to_be_no_whole_prima():
    assert "NO ALIGNMENT: stage 2 was not trained" in " ".join(warnings(results(aligned=False)))
    assert "NO ALIGNMENT" not in " ".join(warnings(results(aligned=True)))


def test_small_classes_are_named_with_their_counts():
    def cohort(**subjects: list[int]) -> dict:
        return {"classes": {name: {"subjects": sum(n), "folds": [{"subjects": k} for k in n]} for name, n in subjects.items()}}

    def said(**subjects: list[int]) -> str:
        return " ".join(s for s in warnings(results(cohort=cohort(**subjects))) if s.startswith("SMALL"))

    assert said(BCC=[10, 10], MEL=[5, 15]) == ""
    assert "SMALL CLASSES: MEL has 19 subjects, 9 held out in fold 1; NEV has 26 subjects, 4 held out in fold 0." in said(
        BCC=[5, 15], MEL=[10, 9], NEV=[4, 22]
    )


def test_a_corpus_that_was_read_is_said_to_be_unvetted():
    found = " ".join(warnings(results(corpus_texts=12)))
    assert "No physician vetted" in found
    assert "STAGE 1" not in found

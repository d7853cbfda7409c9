import pytest

from prima_jax.evaluation.captions import caption, figure, ordered, title, warnings
from tests.evaluation.examples import results, synthetic_results


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


def test_rows_stand_in_one_order_and_unknown_methods_last():
    assert ordered({"zebra", "majority", "prima", "metadata_only", "missingness_only", "image_only"}) == [
        "prima",
        "image_only",
        "metadata_only",
        "missingness_only",
        "majority",
        "zebra",
    ]


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
        ({"shuffled": "images"}, "CONTROL: every unit was given the images of another one"),
        ({}, "RANDOM WEIGHTS"),
        ({}, "946 rows without a photograph were left out"),
        ({}, "2 groups of identical photographs"),
        (
            {},
            "nothing else, gives accuracy and balanced accuracy of 52.00 (1.58) and 52.00 (1.58)",
        ),
        ({"case": "unit"}, "diagnosed together"),
    ],
)
def test_caption_says(changes: dict, said: str):
    assert said in " ".join(caption(results(**changes)))


def test_nothing_is_warned_of_without_reason():
    quiet = {"straddling_subjects": 0, "missing_images": 0, "identical_images": [], "random_weights": False}
    found = results(**quiet, corpus_vetted=True)
    del found["methods"]["missingness_only"]
    assert warnings(found) == []

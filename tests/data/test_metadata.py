import numpy as np

from prima_jax.data.metadata import OneHot, filled_in, soft_label_vectors, tabular
from tests.data.cohort import STUDY, record

RECORDS = [
    record("0", label=0, sex="woman", age=35.0, size=1.0, pain=True, biopsy=True),
    record("1", label=1, sex="man", age=40.0, size=2.0, pain=False),
    record("2", label=1, age=75.0, size=3.0),
    record("3", label=0, sex="woman"),
]


def row(one_hot, **fields):
    encoded = one_hot.encode([record("x", **fields)])[0]
    return {name for name, value in zip(one_hot.columns, encoded, strict=True) if value}


def test_columns_are_what_training_showed_and_a_model_may_see():
    assert OneHot.fit(STUDY, RECORDS).columns == (
        *("sex=man", "sex=woman", "age=bin0", "age=bin1", "age=bin2", "size=bin0", "size=bin1", "size=bin2"),
        *("pain=yes", "pain=no"),
    )
    assert OneHot.fit(STUDY.hide("form"), RECORDS).columns[0] == "age=bin0"


def test_each_known_field_sets_one_column():
    one_hot = OneHot.fit(STUDY, RECORDS)
    assert row(one_hot, sex="woman", age=60.0, size=1.0, pain=False) == {
        "sex=woman",
        "age=bin2",
        "size=bin0",
        "pain=no",
    }
    assert row(one_hot, age=59.9) == {"age=bin1"}
    assert row(one_hot) == set()


def test_validation_records_teach_it_nothing():
    one_hot = OneHot.fit(STUDY, RECORDS[:1])
    assert "sex=man" not in one_hot.columns
    assert row(one_hot, sex="man", pain=True) == {"pain=yes"}


def test_numbers_without_bins_are_cut_at_the_tertiles_of_training():
    numbers = [record(str(n), size=float(n)) for n in range(1, 10)]
    one_hot = OneHot.fit(STUDY, numbers)
    counts = one_hot.encode(numbers).sum(axis=0)
    assert [counts[one_hot.columns.index(f"size=bin{n}")] for n in range(3)] == [3, 3, 3]


def test_soft_label_vectors_append_the_weighted_label():
    y = soft_label_vectors(OneHot.fit(STUDY, RECORDS), RECORDS, 2)
    assert y.dtype == np.float32 and y.shape == (4, 10 + 2)
    assert np.array_equal(y[:, 10:], [[3, 0], [0, 3], [0, 3], [3, 0]])
    # <y_0, y_3> of Eq. 6: both women (1) and of one class (3 * 3).
    assert y[0] @ y[3] == 10


def test_tabular_keeps_numbers_and_leaves_gaps():
    table, names, categorical = tabular(STUDY, RECORDS)
    assert names == ("sex", "age", "size", "pain") and list(categorical) == [True, False, False, False]
    expected = [[1, 35, 1, 1], [0, 40, 2, 0], [np.nan, 75, 3, np.nan], [1, np.nan, np.nan, np.nan]]
    assert np.array_equal(table, expected, equal_nan=True)


def test_filled_in_says_which_and_nothing_else():
    assert np.array_equal(filled_in(STUDY, RECORDS), [[1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0], [1, 0, 0, 0]])
    assert filled_in(STUDY, []).shape == (0, 4)

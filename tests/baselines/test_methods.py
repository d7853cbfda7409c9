"""What holds for every method of a table: it ignores what it says it does not see, and nothing held out reaches it."""

from dataclasses import replace

import numpy as np
import pytest

from prima_jax.baselines.method import Bench
from prima_jax.baselines.methods import METHODS
from tests.baselines.benches import make_bench
from tests.stages.tiny import ONE_LAYER

QUICK = ["majority", "missingness_only", "missingness_balanced", "metadata_only", "metadata_logistic"]
LEARN_FROM_METADATA = ("medklip", "knobo")
"""They see photographs alone, and the training cases' metadata are part of what they are taught."""


def marks(name: str) -> list:
    return [] if name in QUICK else [pytest.mark.slow]


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in METHODS])
def test_a_method_ignores_what_it_does_not_see_and_whatever_is_held_out(study, tmp_path, name):
    method = METHODS[name]
    bench, train, test = make_bench(study, tmp_path / "as_it_is", **ONE_LAYER)
    expected = method.predict(bench, method.fit(bench, train), test)
    assert expected.shape == (len(test), 2) and np.isfinite(expected).all()
    np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-5)

    # The labels of held-out records turned round: the very same probabilities.
    other, train_2, test_2 = altered(study, tmp_path / "labels", lambda records, held_out: turned(records, held_out))
    assert [c.name for c in test_2] == [c.name for c in test]
    np.testing.assert_array_equal(method.predict(other, method.fit(other, train_2), test_2), expected)

    if "metadata" not in method.sees:
        held_out = set(bench.fold.test.tolist())
        taken = held_out if name in LEARN_FROM_METADATA else range(len(bench.context.prepared.records))
        other, train_2, test_2 = altered(study, tmp_path / "metadata", lambda records, _: without_fields(records, taken))
        np.testing.assert_array_equal(method.predict(other, method.fit(other, train_2), test_2), expected)


def altered(study, folder, change):
    """A bench whose records were changed."""
    bench, train, test = make_bench(study, folder, **ONE_LAYER)
    prepared = bench.context.prepared
    records = change(prepared.records, set(bench.fold.test.tolist()))
    context = replace(bench.context, prepared=replace(prepared, records=records))
    return Bench(context, bench.fold, bench.tokenizers), [relabel(c, records) for c in train], [relabel(c, records) for c in test]


def relabel(case, records):
    return replace(case, label=records[case.row].label)


def turned(records, held_out):
    return tuple(replace(r, label=1 - r.label) if i in held_out else r for i, r in enumerate(records))


def without_fields(records, taken):
    return tuple(replace(r, fields={}) if i in taken else r for i, r in enumerate(records))

"""What holds for every method of a table: it ignores what it says it does not see, and nothing held out reaches it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from prima_jax.methods.registry import METHODS
from tests.methods.benches import make_bench
from tests.methods.shuffles import photographs_moved, with_prepared
from tests.stages.tiny import ONE_LAYER

QUICK = ["majority", "missingness_only", "missingness_balanced", "metadata_only", "metadata_logistic"]
LEARN_FROM_METADATA = ("medklip", "knobo", "aligned_tokens", "refined_tokens")
"""They see photographs alone, and the training cases' metadata are part of what they are taught."""


def marks(name: str) -> list:
    return [] if name in QUICK else [pytest.mark.slow]


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in METHODS])
def test_a_method_ignores_what_it_does_not_see_and_whatever_is_held_out(study, tmp_path, name):
    method = METHODS[name]
    bench, train, test = make_bench(study, tmp_path, **ONE_LAYER)
    expected = method.predict(bench, method.fit(bench, train), test)
    assert expected.shape == (len(test), 2) and np.isfinite(expected).all()
    np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-5)

    def found(change):
        other = altered(bench, change)
        records = other.context.prepared.records
        relabelled = [[replace(case, label=records[case.row].label) for case in cases] for cases in (train, test)]
        return method.predict(other, method.fit(other, relabelled[0]), relabelled[1])

    # All held-out records have the other label, and half of the held-out eyes another one's metadata and photographs.
    records = bench.context.prepared.records
    held_out = sorted({records[p].unit for p in bench.fold.test})
    moved = held_out[::2]
    after = found(lambda changed: exchanged(changed.turned(bench.fold.test), moved))
    others = np.array([case.unit not in moved for case in test])
    np.testing.assert_array_equal(after[others], expected[others])
    assert (after[~others] != expected[~others]).any() == (name != "majority")  # else nothing was exchanged

    if "metadata" not in method.sees:
        taken = bench.fold.test if name in LEARN_FROM_METADATA else range(len(records))
        np.testing.assert_array_equal(found(lambda changed: changed.without_fields(taken)), expected)
    if "images" not in method.sees:
        everyone = sorted({record.unit for record in records})
        np.testing.assert_array_equal(found(lambda changed: exchanged(changed, everyone, fields=False)), expected)


class Altered:
    """The records of a study and the position of the photograph that each has."""

    def __init__(self, records, photographs=None):
        self.records = tuple(records)
        self.photographs = np.arange(len(self.records)) if photographs is None else photographs

    def turned(self, positions):
        """With the other one of two labels."""
        taken = set(map(int, positions))
        return Altered([replace(r, label=1 - r.label) if i in taken else r for i, r in enumerate(self.records)], self.photographs)

    def without_fields(self, positions):
        taken = set(map(int, positions))
        return Altered([replace(r, fields={}) if i in taken else r for i, r in enumerate(self.records)], self.photographs)


def exchanged(before: Altered, units: Sequence[str], *, fields: bool = True) -> Altered:
    """Each of the units has the photographs, and the metadata, of the next one."""
    of_unit = {unit: [i for i, record in enumerate(before.records) if record.unit == unit] for unit in units}
    records, photographs = list(before.records), before.photographs.copy()
    for unit, donor in zip(units, [*units[1:], units[0]], strict=True):
        for n, position in enumerate(of_unit[unit]):
            source = of_unit[donor][n % len(of_unit[donor])]
            photographs[position] = before.photographs[source]
            if fields:
                records[position] = replace(records[position], fields=before.records[source].fields)
    return Altered(records, photographs)


def altered(bench, change):
    """The bench with changed records or photographs."""
    prepared = bench.context.prepared
    changed = change(Altered(prepared.records))
    return with_prepared(bench, replace(photographs_moved(prepared, changed.photographs), records=changed.records))

"""The table in a terminal: no line is too long, and figures stand under their headings."""

import pytest

from prima_jax.report.scores import score_table
from prima_jax.report.terminal import terminal_table
from tests.report.examples import results, synthetic_results


@pytest.mark.parametrize(
    "found",
    [results(), synthetic_results(), results(tuple(f"diagnosis number {n}" for n in range(14)), study="mine")],
    ids=["pad", "synthetic", "wide"],
)
def test_terminal_table_fits_and_is_aligned(found: dict):
    text = terminal_table(score_table(found, costs=False))
    assert max(map(len, text.splitlines())) <= 140
    rule = ""
    for line in text.splitlines():
        rule = line if line.startswith("---") else rule
        if line.startswith(("Method", "PRIMA", "Majority class")):
            assert len(line) == len(rule)
    for name in found["methods"]["prima"]["f1"]:
        assert name.lower() in text.lower()


def test_terminal_cells_end_under_their_headings():
    lines = terminal_table(score_table(results(), costs=False)).splitlines()
    head = next(line for line in lines if line.startswith("Method"))
    for name in ("PRIMA ", "Majority class ", "MedKLIP (published) "):
        row = next(line for line in lines if line.startswith(name))
        for heading in ("BCC", "MEL", "NEV", "Accuracy"):
            assert row[head.index(heading) + len(heading) - 1] == ")"

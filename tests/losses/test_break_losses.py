"""The script that breaks the losses still knows them: every piece stands there once, and what replaces it compiles.

That every way is caught is measured by the script itself (docs/losses.md): it runs the other files of this folder once
for each way.
"""

import pytest

from scripts import break_losses

SOURCE = (break_losses.ROOT / break_losses.LOSSES).read_text()


@pytest.mark.parametrize("way", break_losses.BREAKS, ids=[way.name for way in break_losses.BREAKS])
def test_a_way_changes_what_the_kernels_compute(way):
    changed = compile(break_losses.broken(SOURCE, way), "losses.py", "exec")
    assert changed.co_consts != compile(SOURCE, "losses.py", "exec").co_consts


def test_there_are_enough_ways_and_each_equation_has_some():
    names = [way.name for way in break_losses.BREAKS]
    assert len(set(names)) == len(names) >= 20
    for equation in ("Eq. 1:", "Eq. 2:", "Eq. 3:", "Eq. 4:", "Eq. 5:", "Eq. 6:", "Eq. 7:"):
        assert sum(name.startswith(equation) for name in names) >= 2, equation


def test_the_files_that_it_runs_are_all_of_this_folder():
    there = {path.stem.removeprefix("test_") for path in (break_losses.ROOT / "tests" / "losses").glob("test_*.py")}
    assert there == {*break_losses.TESTS, "break_losses"}


def test_a_piece_that_is_gone_is_an_error():
    with pytest.raises(ValueError, match="stands 0 times"):
        break_losses.broken("", break_losses.BREAKS[0])

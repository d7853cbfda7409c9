"""The mutations fit the losses: every piece occurs there once, and its replacement compiles.

The script itself measures that every mutation is caught (docs/losses.md): it runs the other files of this folder once for each.
"""

import pytest

from scripts import mutate_losses

SOURCE = (mutate_losses.ROOT / mutate_losses.LOSSES).read_text()


@pytest.mark.parametrize("mutation", mutate_losses.MUTATIONS, ids=[one.name for one in mutate_losses.MUTATIONS])
def test_a_mutation_changes_the_code(mutation):
    changed = compile(mutate_losses.mutated(SOURCE, mutation), "losses.py", "exec")
    assert changed.co_consts != compile(SOURCE, "losses.py", "exec").co_consts


def test_there_are_enough_mutations_and_each_equation_has_some():
    names = [one.name for one in mutate_losses.MUTATIONS]
    assert len(set(names)) == len(names) >= 20
    for equation in ("Eq. 1:", "Eq. 2:", "Eq. 3:", "Eq. 4:", "Eq. 5:", "Eq. 6:", "Eq. 7:"):
        assert sum(name.startswith(equation) for name in names) >= 2, equation


def test_the_files_that_it_runs_are_all_of_this_folder():
    there = {path.stem.removeprefix("test_") for path in (mutate_losses.ROOT / "tests" / "losses").glob("test_*.py")}
    assert there == {*mutate_losses.TESTS, "mutate_losses"}


def test_a_piece_that_is_gone_is_an_error():
    with pytest.raises(ValueError, match="stands 0 times"):
        mutate_losses.mutated("", mutate_losses.MUTATIONS[0])

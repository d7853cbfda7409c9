"""The flags of several processes, and what their functions do in a single one (experiment/test_several_hosts.py: in several)."""

import argparse

import pytest

from prima_jax import hosts
from prima_jax.errors import UserError


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--num_processes=2"], "go together: give all three"),
        (["--coordinator_address=10.0.0.1:1234", "--process_id=0"], "go together: give all three"),
        (["--coordinator_address=auto", "--process_id=0"], "leave out --num_processes and --process_id"),
        (["--coordinator_address=10.0.0.1:1234", "--num_processes=2", "--process_id=2"], "did not find one another .*process_id"),
    ],
)
def test_flags_that_name_no_place_are_refused(given, told):
    parser = argparse.ArgumentParser()
    hosts.add_flags(parser)
    with pytest.raises(UserError, match=told):
        hosts.join(parser.parse_args(given))


def test_a_single_process_is_the_first_and_waits_for_nobody(tmp_path):
    assert hosts.is_first() and not hosts.several()
    assert hosts.in_turn(lambda: hosts.as_first(lambda: 3)) == 3
    assert hosts.any_of(True, False) == (True, False)
    hosts.check_shared(tmp_path / "not_made", "--workdir")
    hosts.leave(1)
    assert not list(tmp_path.iterdir())

"""What a bar foretells is what the steps after the first one take."""

import pytest

from prima_jax.progress import count_first, progress_bar, said_of_time_left


@pytest.mark.parametrize("done", [0, 40])
def test_the_first_step_is_left_out_of_the_time_left(done):
    clock = [0.0]
    with progress_bar(100, "stage", "step", done=done) as bar:
        bar._time = lambda: clock[0]
        bar.start_t = bar.last_print_t = 0.0
        for number in range(50):
            clock[0] += 300.0 if number == 0 else 10.0
            bar.update() if number else count_first(bar)
        assert bar.format_dict["rate"] == pytest.approx(0.1)
        assert bar.format_dict["elapsed"] == 490.0 and bar.n == done + 50


def test_the_time_left_is_that_of_the_last_piece_for_each_of_the_others():
    assert said_of_time_left(90.0, 3) == ", about 04:30 left"

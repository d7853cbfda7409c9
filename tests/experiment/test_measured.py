"""What a run needed is noted fold by fold, since each may have run on another day."""

import subprocess
import sys

import jax
import numpy as np

from prima_jax.experiment import measured
from prima_jax.training.made_with import made_with
from prima_jax.version import CODE


def test_versions_name_what_bears_on_the_numbers():
    found = measured.versions()
    assert {"python", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "transformers"} <= found.keys()
    assert found["numpy"] == np.__version__


def test_what_was_read_back_from_other_code_or_devices_is_named():
    assert measured.measured()["versions"]["prima_jax"] == CODE
    older = {"prima_jax": "older", "devices": "2 TPU v4", "jax_enable_x64": "on"}
    found = measured.measured([older, made_with(), older])["versions"]
    assert found["prima_jax"] == f"older and {CODE}"
    assert (found["devices"], found["jax_enable_x64"]) == (f"2 TPU v4 and {made_with()['devices']}", "on and off")
    assert measured.measured([{}])["versions"]["prima_jax"] == f"not noted and {CODE}"  # a stage of before it was noted


def test_64_bits_are_noted():
    assert made_with()["jax_enable_x64"] == "off"
    with jax.enable_x64(True):
        assert made_with()["jax_enable_x64"] == "on"


def test_peak_memory_is_in_bytes():
    before = measured.peak_memory_bytes()
    block = np.ones(2**26, np.uint8)
    # A Python process with numpy and matplotlib needs tens of megabytes; in KiB the figure would be a thousandth.
    assert block.nbytes <= measured.peak_memory_bytes() < 2**40
    assert measured.peak_memory_bytes() >= before


def test_the_peak_is_not_that_of_the_process_which_started_this_one():
    block = np.ones(2**30, np.uint8)
    code = "from prima_jax.experiment.measured import peak_memory_bytes; print(peak_memory_bytes())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(found.stdout) < block.nbytes


def test_a_run_has_the_largest_peak_and_every_version_of_its_folds():
    def fold(jax: str, peak: int, on_device: int | None) -> dict:
        return {"versions": {"jax": jax, "numpy": "2"}, "peak_memory_bytes": peak, "peak_device_memory_bytes": on_device}

    found = measured.measured_in_all([fold("1", 5, None), fold("2", 9, 4), fold("1", 7, 3)])
    assert found == {
        "versions": {"jax": "1 and 2", "numpy": "2"},
        "peak_memory_bytes": 9,
        "peak_device_memory_bytes": 4,
    }
    assert measured.measured_in_all([fold("1", 5, None)])["peak_device_memory_bytes"] is None
    older = fold("1", 5, None)
    del older["versions"]["jax"]
    assert measured.measured_in_all([older, fold("2", 5, None)])["versions"]["jax"] == "not noted and 2"
    both = [fold("1 and 2", 5, None), fold("2", 5, None)]
    assert measured.measured_in_all(both)["versions"]["jax"] == "1 and 2"

"""What a run needed is noted fold by fold, since each may have run on another day."""

import numpy as np

from prima_jax.evaluation import measured


def test_versions_name_what_bears_on_the_numbers():
    found = measured.versions()
    assert {"python", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "transformers"} <= found.keys()
    assert found["numpy"] == np.__version__


def test_this_packages_own_version_changes_with_its_files(tmp_path, monkeypatch):
    (tmp_path / "below").mkdir()
    for name in ("__init__.py", "below/a.py"):
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(measured.prima_jax, "__file__", str(tmp_path / "__init__.py"))
    first = measured.sources.__wrapped__()
    (tmp_path / "below/a.py").write_text("2")
    assert measured.sources.__wrapped__() != first
    (tmp_path / "below/a.py").write_text("1")
    assert measured.sources.__wrapped__() == first


def test_peak_memory_is_in_bytes():
    before = measured.peak_memory_bytes()
    block = np.ones(2**26, np.uint8)
    # A Python process with numpy and matplotlib needs tens of megabytes; in KiB the figure would be a thousandth.
    assert block.nbytes <= measured.peak_memory_bytes() < 2**40
    assert measured.peak_memory_bytes() >= before


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

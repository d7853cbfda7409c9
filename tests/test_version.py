"""The code that results name changes with any file of the package."""

from prima_jax.version import source_hash


def test_the_hash_is_of_names_and_contents(tmp_path):
    (tmp_path / "below").mkdir()
    for name in ("__init__.py", "below/a.py"):
        (tmp_path / name).write_text("1")
    first = source_hash(tmp_path)
    (tmp_path / "below/a.py").write_text("2")
    assert source_hash(tmp_path) != first
    (tmp_path / "below/a.py").write_text("1")
    assert source_hash(tmp_path) == first
    (tmp_path / "below/a.py").rename(tmp_path / "below/b.py")
    assert source_hash(tmp_path) != first

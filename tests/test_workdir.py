"""A folder belongs to one config, is written by one process, and what stops the writing is told in one sentence."""

import errno
import os
import re
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from configs.aqua import get_config
from prima_jax.errors import UserError
from prima_jax.workdir import claim, config_hash, load_config, open_workdir

DATA = "0123"
"""Stands for the fingerprint of a study."""


@pytest.fixture
def config() -> ConfigDict:
    return get_config("demo")


def refusal(folder: Path, config: ConfigDict) -> str:
    with pytest.raises(UserError) as raised, open_workdir(folder, config):
        pytest.fail("the folder was opened")
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_config_is_read_back_as_it_was(tmp_path: Path, config: ConfigDict):
    claim(tmp_path, config, DATA)
    read = load_config(tmp_path)
    assert read.to_dict() == config.to_dict()
    assert config_hash(read) == config_hash(config)


def test_another_config_is_refused_and_the_fields_named(tmp_path: Path, config: ConfigDict):
    with open_workdir(tmp_path / "run", config) as folder:
        claim(folder, config, DATA)
    before, config.align.epochs = config.align.epochs, 7.5
    config.align.weights = (1.0, 0.0, 0.0, 0.0)
    said = refusal(tmp_path / "run", config)
    assert f"align.epochs was {before} and is now 7.5" in said
    assert "align.weights was [0.2, 0.3, 0.2, 0.3] and is now [1.0, 0.0, 0.0, 0.0]" in said
    assert "choose another --workdir" in said


def test_long_values_are_shortened_where_they_differ(tmp_path: Path, config: ConfigDict):
    with open_workdir(tmp_path / "run", config) as folder:
        claim(folder, config, DATA)
    config.study.definition.attributes = config.study.definition.attributes[1:]
    said = refusal(tmp_path / "run", config)
    assert "study.definition.attributes was [" in said
    assert len(said) < 700


def test_a_field_that_bears_on_no_result_may_change(tmp_path: Path, config: ConfigDict):
    claim(tmp_path, config, DATA)
    before = config_hash(config)
    config.checkpoint_seconds = 1.0
    config.data.update({"dir": "elsewhere", "prepared": "elsewhere"})
    with open_workdir(tmp_path, config):
        assert config_hash(config) == before
    config.seed = 1
    assert config_hash(config) != before


def test_a_folder_belongs_to_no_config_before_it_is_claimed(tmp_path: Path, config: ConfigDict):
    with open_workdir(tmp_path, config):
        pass
    config.align.epochs = 7.5
    with open_workdir(tmp_path, config):
        pass


def test_other_data_are_refused(tmp_path: Path, config: ConfigDict):
    claim(tmp_path, config, DATA)
    claim(tmp_path, config, DATA)
    with pytest.raises(UserError, match="made with other data"):
        claim(tmp_path, config, "4567")


def test_a_second_process_is_refused_until_the_first_is_done(tmp_path: Path, config: ConfigDict):
    with open_workdir(tmp_path, config):
        assert "Another process is working in" in refusal(tmp_path, config)
    with open_workdir(tmp_path, config):
        pass


def test_the_lock_goes_when_the_work_fails(tmp_path: Path, config: ConfigDict):
    with pytest.raises(ValueError, match="something"), open_workdir(tmp_path, config):
        raise ValueError("something")
    with open_workdir(tmp_path, config):
        pass


@pytest.mark.parametrize("below", ["", "run", "a/b/run"])
def test_a_folder_that_cannot_be_made_is_told_in_one_sentence(tmp_path: Path, config: ConfigDict, below: str):
    (tmp_path / "file").touch()
    said = refusal(tmp_path / "file" / below, config)
    assert said.startswith(f"Cannot write to --workdir {tmp_path / 'file'}")
    assert "choose a folder that can be written" in said


def test_a_read_only_folder_is_told_in_one_sentence(tmp_path: Path, config: ConfigDict, monkeypatch: pytest.MonkeyPatch):
    # Permissions do not bind the superuser, who may be running this.
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)
    assert "Permission denied; choose a folder" in refusal(tmp_path, config)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_fills_up_on_the_way_is_told_in_one_sentence(tmp_path: Path, config: ConfigDict, number: int):
    with pytest.raises(UserError) as raised, open_workdir(tmp_path, config):
        raise OSError(number, os.strerror(number), "fold_0/align/history.jsonl")
    assert str(raised.value).startswith(f"Cannot write to fold_0/align/history.jsonl: {os.strerror(number)}; make room")


def test_an_error_that_is_not_the_disks_is_not_hidden(tmp_path: Path, config: ConfigDict):
    with pytest.raises(FileNotFoundError), open_workdir(tmp_path, config):
        (tmp_path / "absent").read_text()


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000, b"9" * 5000, b"{}"])
def test_a_damaged_config_is_told_in_one_sentence(tmp_path: Path, config: ConfigDict, content: bytes):
    (tmp_path / "config.json").write_bytes(content)
    assert re.search(r"config\.json (is no|holds).*; put back", refusal(tmp_path, config))


def test_a_folder_without_a_run_is_told_in_one_sentence(tmp_path: Path):
    with pytest.raises(UserError, match="holds no run"):
        load_config(tmp_path)


@pytest.mark.parametrize("lost", ["config.json", "data.sha256"])
def test_finished_work_without_its_config_or_data_is_refused(tmp_path: Path, config: ConfigDict, lost: str):
    """Under another seed it would be scored on other folds."""
    with open_workdir(tmp_path, config):
        claim(tmp_path, config, DATA)
    (tmp_path / lost).unlink()
    with open_workdir(tmp_path, config):  # nothing is finished yet
        claim(tmp_path, config, DATA)
    (tmp_path / lost).unlink()
    done = tmp_path / "rows" / "prima" / "seed_0" / "fold_0" / "done.json"
    done.parent.mkdir(parents=True)
    done.write_text("{}")
    with pytest.raises(UserError, match=f"finished work, but not {lost}"), open_workdir(tmp_path, config):
        claim(tmp_path, config, DATA)


def test_a_fingerprint_that_is_no_text_is_another_one(tmp_path: Path, config: ConfigDict):
    claim(tmp_path, config, DATA)
    (tmp_path / "data.sha256").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="made with other data"):
        claim(tmp_path, config, DATA)


def test_a_new_workdir_is_its_owners_alone_and_one_that_is_there_stays_as_it_is(tmp_path: Path, config: ConfigDict):
    (tmp_path / "shared").mkdir(mode=0o755)
    modes = []
    for name in ("shared", "new"):
        with open_workdir(tmp_path / name, config) as folder:
            modes.append(folder.stat().st_mode & 0o777)
    assert modes == [0o755, 0o700]

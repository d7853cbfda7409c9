import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prima_jax.data import builder
from prima_jax.data.prepare import fingerprint, prepare
from prima_jax.errors import UserError
from prima_jax.files import whole_folder
from prima_jax.studies.manifest import read
from prima_jax.studies.photographs import decode
from tests.data.cohort import ROWS, STUDY, UNITS, prepared_cohort, write_cohort, write_photograph


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("prepare")


@pytest.fixture(scope="module")
def prepared(folder):
    return prepared_cohort(folder, size=24)


def test_the_source_follows_the_records(prepared):
    assert len(prepared.source) == len(prepared.records) == 6
    for position, record in enumerate(prepared.records):
        stored = prepared.source[position]
        assert stored["record"].decode() == record.id and stored["unit"].decode() == record.unit
        assert stored["label"] == record.label and stored["image_type"].decode() == record.image_type
    assert [[r.id for r in prepared.records].index(f"p{n}.png") for unit in UNITS for n in unit] == list(range(6))


def test_records_keep_their_order_over_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr(builder, "RECORDS_A_FILE", 4)
    prepared = prepared_cohort(tmp_path)
    assert len(list((tmp_path / "cache").rglob("*.array_record*"))) == 2
    assert [stored["record"].decode() for stored in prepared.source] == [record.id for record in prepared.records]


def test_every_photograph_has_the_size_asked_for_and_shows_what_it_did(prepared, folder):
    for position, record in enumerate(prepared.records):
        image = decode(prepared.source[position]["image"], "x")
        assert image.shape == (24, 32, 3)  # 30 x 40, the shorter side at 24
        original = decode((folder / "raw" / record.image).read_bytes(), "x")
        # Means over quarters survive resampling and JPEG; measured 1.5 levels at most.
        for half in (np.s_[:12, :16], np.s_[12:, 16:]):
            whole = np.s_[:15, :20] if half == np.s_[:12, :16] else np.s_[15:, 20:]
            assert abs(image[half].mean() - original[whole].mean()) < 4


def test_decoded_photographs_are_kept(prepared):
    assert prepared.image(2) is prepared.image(2)
    assert np.array_equal(prepared.image(2), decode(prepared.source[2]["image"], "x"))


def test_photographs_of_16_bits_are_prepared_through_the_study_s_window(tmp_path):
    for number, row in enumerate(ROWS):
        path = write_cohort(tmp_path).joinpath("images", row[0]) if number == 0 else tmp_path / "images" / row[0]
        Image.fromarray(np.full((30, 40), 1000 + 300 * number, np.uint16)).save(path)
    with pytest.raises(UserError, match=r"line 2: the photograph .*p0\.png has more than 8 bits a channel"):
        read(STUDY, tmp_path, cache=tmp_path / "cache")
    reading = read(replace(STUDY, window=(1000, 2500)), tmp_path, cache=tmp_path / "cache")
    prepared = prepare(reading, tmp_path / "cache", size=24)
    assert [int(prepared.image(n).mean()) for n in range(6)] == [0, 51, 102, 153, 204, 255]
    other = read(replace(STUDY, window=(0, 2500)), tmp_path, cache=tmp_path / "cache")  # what is noted is of one window
    assert other.pixels != reading.pixels


def test_it_is_prepared_once(folder, prepared, monkeypatch):
    monkeypatch.setattr(builder, "resample", None)  # would be called to write again
    again = prepare(read(STUDY, folder / "raw"), folder / "cache", size=24)
    assert again.source[5]["image"] == prepared.source[5]["image"]
    assert len(list((folder / "cache").iterdir())) == 1


def test_the_fingerprint_follows_all_that_it_should(tmp_path):
    reading = read(STUDY, write_cohort(tmp_path))
    prints = [fingerprint(reading, 24), fingerprint(reading, 32)]
    prints.append(fingerprint(replace(reading, study=STUDY.hide("form")), 24))
    write_photograph(tmp_path / "images" / "p0.png", seed=99)
    reading = read(STUDY, tmp_path)
    prints.append(fingerprint(reading, 24))
    with (tmp_path / "manifest.csv").open("a") as file:
        file.write("\n")
    prints.append(fingerprint(reading, 24))
    assert len(set(prints)) == 5 and prints[-1] == fingerprint(reading, 24)


def test_the_fingerprint_follows_pixels_and_not_where_and_when_they_were_written(tmp_path):
    """Two photographs of equal length change places; then the folder is copied."""
    rows = [(row[0].replace("png", "bmp"), *row[1:]) for row in ROWS]
    images = write_cohort(tmp_path / "one", rows) / "images"
    before = fingerprint(read(STUDY, tmp_path / "one", cache=tmp_path / "cache"), 24)
    first, second = (images / name for name in ("p0.bmp", "p3.bmp"))
    assert first.stat().st_size == second.stat().st_size
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    after = fingerprint(read(STUDY, tmp_path / "one", cache=tmp_path / "cache"), 24)
    assert after != before
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert fingerprint(read(STUDY, tmp_path / "two", cache=tmp_path / "cache"), 24) == after


def test_a_photograph_too_long_for_its_format_is_named(tmp_path):
    write_cohort(tmp_path / "raw")
    write_photograph(tmp_path / "raw" / "images" / "p2.png", seed=1, height=3, width=9000)
    with pytest.raises(UserError, match=r"p2\.png has 9000 x 3 pixels, which resized would be 72000 x 24, .*: crop it\.$"):
        prepare(read(STUDY, tmp_path / "raw"), tmp_path / "cache", size=24)


def test_a_preparation_that_fails_leaves_nothing(tmp_path):
    reading = read(STUDY, write_cohort(tmp_path / "raw"))
    path = tmp_path / "raw" / "images" / "p4.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    with pytest.raises(UserError, match=r"The photograph .*p4\.png cannot be decoded"):
        prepare(reading, tmp_path / "cache", size=24)
    assert list((tmp_path / "cache").iterdir()) == []
    path.write_bytes(whole)
    assert len(prepare(reading, tmp_path / "cache", size=24).source) == 6


def test_a_damaged_folder_is_told(tmp_path):
    prepared_cohort(tmp_path)
    (folder,) = (tmp_path / "cache").iterdir()
    (data,) = folder.rglob("*.array_record*")
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(UserError, match="is not as it was written: delete it"):
        prepare(read(STUDY, tmp_path / "raw"), tmp_path / "cache", size=24)
    shutil.rmtree(folder / "study_builder")
    with pytest.raises(UserError, match="is not as it was written: delete it"):
        prepare(read(STUDY, tmp_path / "raw"), tmp_path / "cache", size=24)


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    reading = read(STUDY, write_cohort(tmp_path / "raw"))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be written .* choose another folder"):
        prepare(reading, tmp_path / "file" / "cache", size=24)


def test_a_full_disk_is_told(tmp_path):
    # A limit on the size of files stands in for the full disk: the writers see their bytes refused.
    write_cohort(tmp_path / "raw")
    code = f"""
import resource, signal
from prima_jax.data.prepare import prepare
from prima_jax.errors import UserError
from prima_jax.studies.manifest import read
from tests.data.cohort import STUDY
reading = read(STUDY, {str(tmp_path / "raw")!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    prepare(reading, {str(tmp_path / "cache")!r}, size=64)
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert "cannot be written" in done.stdout and "free space there" in done.stdout
    assert list((tmp_path / "cache").iterdir()) == []


def test_tensorflow_is_not_imported_where_a_study_is_prepared_and_read(tmp_path):
    """Not even where it is installed, or in a `try`: it takes seconds and memory, and threads of its own."""
    write_cohort(tmp_path / "raw")
    (tmp_path / "tensorflow.py").write_text("raise AssertionError('TensorFlow was imported')")
    code = f"""
from prima_jax.data.prepare import prepare
from prima_jax.studies.manifest import read
from tests.data.cohort import STUDY
for _ in range(2):  # written, and found again
    prepared = prepare(read(STUDY, {str(tmp_path / "raw")!r}), {str(tmp_path / "cache")!r}, size=24)
    print(len([prepared.image(position) for position in range(len(prepared.source))]))
"""
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.split() == ["6", "6"], done.stderr


def test_a_whole_folder_appears_at_the_end_or_not_at_all(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "a") as temporary:
        (temporary / "half").touch()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with whole_folder(tmp_path / "a") as temporary:
        (temporary / "one").touch()
        assert not (tmp_path / "a").exists()
    # A second writer that comes late leaves the first one's folder.
    with whole_folder(tmp_path / "a") as temporary:
        (temporary / "two").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["one"]
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


WRITER = """
import sys, time
from prima_jax.files import whole_folder
with whole_folder(sys.argv[1]) as temporary:
    (temporary / "half").touch()
    print(temporary, flush=True)
    time.sleep(600)
"""


@contextmanager
def writer(target):
    """Another process in the midst of writing `target`, and the folder it writes to."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE, text=True)
    try:
        yield process, Path(process.stdout.readline().strip())
    finally:
        process.kill()
        process.communicate()


def test_what_a_killed_process_left_is_removed_and_nothing_that_another_still_writes(tmp_path):
    target = tmp_path / "a"
    with writer(target) as (killed, stale), writer(target) as (_, live), writer(tmp_path / "a.b") as (other, others):
        elsewhere = tmp_path / stale.name.replace(f"@{socket.gethostname()}.", "@another-host.")
        elsewhere.mkdir()
        for process in (killed, other):
            process.kill()  # SIGKILL: it cannot tidy up
            process.wait()
        assert (stale / "half").exists() and stale.name.startswith(".a.")
        with whole_folder(target) as temporary:
            (temporary / "one").touch()
        assert set(tmp_path.iterdir()) == {target, live, elsewhere, others}
        assert (live / "half").exists()

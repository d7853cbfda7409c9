import csv
from collections import Counter

import pytest

from prima_jax.studies.manifest import LoadedStudy, read
from tests.data.cohort import shared_folder, write_photograph
from tests.studies.pad_ufes_20 import PAD_UFES_20

HEADER = ["patient_id", "lesion_id", "diagnostic", "img_id", *(a.column for a in PAD_UFES_20.attributes)]


@pytest.fixture(scope="module")
def reading() -> LoadedStudy:
    return read(PAD_UFES_20, shared_folder("data", "pad_ufes_20"))


def test_the_counts_are_those_of_the_copy_at_hand(reading):
    # README.md beside the data: 2,054 rows, 1,108 photographs, 979 lesions, 806 patients.
    assert len(reading.records) == 1108
    assert len(reading.missing_images) == 2054 - 1108
    assert len({r.unit for r in reading.records}) == 979
    assert len({r.subject for r in reading.records}) == 806
    names = PAD_UFES_20.class_names
    counts = Counter(names[r.label] for r in reading.records)
    assert counts == {"BCC": 362, "ACK": 297, "NEV": 190, "SEK": 147, "SCC": 72, "MEL": 40}


def test_all_four_photographs_filed_twice_are_found_and_no_others(reading):
    # Two of the pairs reached this copy by way of different sizes, so their bytes differ.
    assert {frozenset(group) for group in reading.identical} == {
        frozenset({"PAT_419_2767_323.png", "PAT_419_833_148.png"}),
        frozenset({"PAT_759_1433_914.png", "PAT_759_1538_566.png"}),
        frozenset({"PAT_56_86_479.png", "PAT_56_88_274.png"}),
        frozenset({"PAT_701_1321_156.png", "PAT_701_4056_457.png"}),
    }


def test_the_form_is_missing_together_and_never_in_a_malignant_lesion(reading):
    form = {a.name for a in PAD_UFES_20.attributes if a.block == "form"} - {"background_father", "background_mother"}
    malignant = {PAD_UFES_20.class_names.index(name) for name in ("BCC", "SCC", "MEL")}
    without = [r for r in reading.records if not form & set(r.fields)]
    assert len(without) == 409
    assert all(form <= set(r.fields) for r in reading.records if r not in without)
    assert not malignant & {r.label for r in without}


def test_biopsed_is_never_shown_and_one_word_hides_the_form():
    assert "biopsed" not in {a.name for a in PAD_UFES_20.shown()}
    left = {a.name for a in PAD_UFES_20.hide("form").shown()}
    assert left == {"region", "elevation", "bleed", "itch", "hurt", "grew", "changed", "age"}


@pytest.mark.parametrize("place", ["images", "imgs_part_1", "imgs_part_3/imgs_part_3"])
def test_every_place_the_archives_unpack_to_is_searched(tmp_path, place):
    row = dict.fromkeys(HEADER, "")
    row |= {"patient_id": "PAT_1", "lesion_id": "2", "diagnostic": "NEV", "img_id": "PAT_1_2_3.png", "itch": "UNK"}
    with (tmp_path / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerow(row)
    (tmp_path / place).mkdir(parents=True)
    write_photograph(tmp_path / place / "PAT_1_2_3.png", seed=0)
    (record,) = read(PAD_UFES_20, tmp_path).records
    assert record.image == f"{place}/PAT_1_2_3.png"
    assert record.unit == "PAT_1/2" and record.fields == {}

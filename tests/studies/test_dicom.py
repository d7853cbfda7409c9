"""DICOM as devices write it: pydicom's own example files, and files made here for what they lack."""

import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_windowing
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, SecondaryCaptureImageStorage, generate_uid

from prima_jax.data.prepare import prepare
from prima_jax.errors import UserError
from prima_jax.studies.manifest import read
from prima_jax.studies.photographs import decode
from tests.data.cohort import ROWS, STUDY, write_cohort

CANARY = "Tq9secret"
NOISE = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
RAMP = np.arange(96, dtype=np.uint16).reshape(8, 12) * 43


def example(name: str) -> bytes:
    return Path(str(get_testdata_file(name, download=False))).read_bytes()


def dicom(pixels: np.ndarray, kind: str, bits: int = 8, jpeg: bytes = b"", **tags: object) -> bytes:
    """A secondary capture, with a patient's name in it."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if jpeg else ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    data.PatientName = data.PatientID = CANARY
    data.Rows, data.Columns = pixels.shape[:2]
    data.SamplesPerPixel, data.PhotometricInterpretation = (3 if pixels.ndim == 3 else 1), kind
    data.BitsAllocated, data.BitsStored, data.HighBit = (16 if bits > 8 else 8), bits, bits - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    if pixels.ndim == 3:
        data.PlanarConfiguration = 0
    for name, value in tags.items():
        setattr(data, name, value)
    if jpeg:
        data.PixelData = encapsulate([jpeg])
    else:
        data.PixelData = pixels.astype(pixels.dtype if bits > 8 else np.uint8).tobytes()
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


def table(name: str, entries: list[int], bits: int) -> dict[str, object]:
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [len(entries), 0, bits], "US"
    item.add_new("LUTData", "US", entries)
    return {name: [item]}


@pytest.mark.parametrize(
    "name",
    [
        *("SC_rgb_rle.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_gdcm_KY.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_dcmtk_+eb+cr.dcm"),
        *(
            "SC_rgb_dcmtk_+eb+cy+n1.dcm",
            "SC_rgb_dcmtk_+eb+cy+s4.dcm",
            "SC_rgb_jls_lossy_line.dcm",
            "SC_ybr_full_422_uncompressed.dcm",
        ),
    ],
)
def test_the_same_colours_whatever_compresses_them(name):
    """Fields of pure colour: RLE, JPEG lossless and lossy, JPEG 2000, JPEG-LS; RGB, YBR_FULL, YBR_FULL_422."""
    difference = np.abs(decode(example(name), "x").astype(int) - decode(example("SC_rgb_rle.dcm"), "x"))
    assert np.median(difference) <= 2 and difference.mean() < 6


@pytest.mark.parametrize("kind", ["_RLE", "_bigendian", "_implicit", "_jp2klossless", "_jpeg_ls_lossless"])
def test_a_slice_shows_its_own_window_whatever_stores_it(kind):
    data = pydicom.dcmread(io.BytesIO(example("MR_small.dcm")))
    shown = apply_windowing(data.pixel_array, data)  # to the range of the bits stored, which are signed
    expected = (shown + 2**15) / (2**16 - 1) * 255
    assert np.abs(decode(example(f"MR_small{kind}.dcm"), "x")[..., 0] - expected).max() <= 0.51


def test_a_palette_is_looked_up():
    data = pydicom.dcmread(io.BytesIO(example("examples_palette.dcm")))
    red = np.frombuffer(data.RedPaletteColorLookupTableData, "<u2")
    expected = np.rint(red[data.pixel_array.astype(int)] / 65535 * 255)
    np.testing.assert_array_equal(decode(example("examples_palette.dcm"), "x")[..., 0], expected)


def test_eight_bits_are_as_they_stand_and_monochrome1_is_turned_round():
    grey = NOISE[..., 0]
    assert np.array_equal(decode(dicom(NOISE, "RGB"), "x"), NOISE)
    assert np.array_equal(decode(dicom(grey, "MONOCHROME2"), "x", (0, 4095)), np.stack([grey] * 3, -1))
    assert np.array_equal(decode(dicom(grey, "MONOCHROME1"), "x")[..., 1], 255 - grey)
    turned = dicom(grey, "MONOCHROME2", RescaleSlope=-1, RescaleIntercept=255)
    assert np.array_equal(decode(turned, "x")[..., 2], 255 - grey)


def test_a_camera_s_jpeg_is_ybr_and_comes_out_red():
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    buffer = io.BytesIO()
    Image.fromarray(red).save(buffer, "JPEG", quality=95)
    found = decode(dicom(red, "YBR_FULL_422", jpeg=buffer.getvalue()), "x")
    assert np.abs(found.astype(int) - red).max() <= 3


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID", None])
@pytest.mark.parametrize("slope", [1, 2])
def test_the_file_s_window_is_the_standard_s(function, slope):
    """Against pydicom's, which ends at the range of the bits stored; after the modality's slope."""
    tags = {"WindowCenter": [2000, 9], "WindowWidth": [1500, 9], "RescaleSlope": slope, "RescaleIntercept": -100}
    tags |= {"VOILUTFunction": function} if function else {}
    content = dicom(RAMP, "MONOCHROME2", 12, **tags)
    shown = apply_windowing(RAMP * float(slope) - 100, pydicom.dcmread(io.BytesIO(content)))
    expected = (shown + 100) / (4095 * slope) * 255
    levels = decode(content, "x")[..., 0]
    assert np.abs(levels - expected).max() <= 0.51
    declared = decode(content, "x", (0, 1000))[..., 0]  # the study's comes first
    assert np.abs(declared - np.clip((RAMP * float(slope) - 100) / 1000, 0, 1) * 255).max() <= 0.51


def test_look_up_tables_come_before_windows():
    pixels = np.array([[0, 1, 2, 3]], np.uint16)
    voi = table("VOILUTSequence", [1023, 512, 256, 0], 10)
    assert decode(dicom(pixels, "MONOCHROME2", 12, **voi), "x")[0, :, 0].tolist() == [255, 128, 64, 0]
    modality = table("ModalityLUTSequence", [3, 2, 1, 0], 16)
    assert decode(dicom(pixels, "MONOCHROME2", 12, **modality), "x", (0, 3))[0, :, 0].tolist() == [255, 170, 85, 0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (dicom(RAMP, "MONOCHROME2", 12), "x has more than 8 bits a channel: set the study's window"),
        (dicom(np.stack([RAMP] * 3, -1), "RGB", 12), "x has more than 8 bits a channel"),
        (dicom(NOISE, "RGB", NumberOfFrames=2), "x has several frames: save the one that is meant"),
        (dicom(NOISE, "RGB", Rows=60000, Columns=60000), "x has 60000 x 60000 pixels, more than 178 million"),
        (dicom(NOISE, "HSV"), "x has colours of a kind that is not read; save it as RGB"),
        (dicom(RAMP, "MONOCHROME2", 12, WindowCenter=1, WindowWidth=9, VOILUTFunction="LOG"), "x cannot be decoded"),
        (dicom(NOISE, "RGB")[:-100], r"x cannot be decoded \(as DICOM, \w+\); replace the file"),
        (dicom(NOISE, "RGB")[:200], "x cannot be decoded"),
        (dicom(NOISE, "RGB", jpeg=b"\xff\xd8\xff\xe0rubbish"), "x cannot be decoded"),
        (example("SC_rgb_jpeg_dcmtk.dcm")[:-500], "x cannot be decoded"),
        (example("MR_small_jp2klossless.dcm")[:-2000], "x cannot be decoded"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(content, told, capfd):
    with pytest.raises(UserError, match=told) as error:
        decode(content, "x")
    assert "\n" not in str(error.value) and CANARY not in str(error.value) + "".join(capfd.readouterr())
    assert error.value.__cause__ is None


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(UserError, match="x is a DICOM file: pip install pydicom python-gdcm to read it, or save it as PNG"):
        decode(dicom(NOISE, "RGB"), "x")


def test_a_study_of_dicom_files_keeps_none_of_their_tags(tmp_path, capfd):
    rows = [[row[0].replace(".png", ".dcm"), *row[1:]] for row in ROWS]
    write_cohort(tmp_path / "raw", [[row[0].replace(".dcm", ".png"), *row[1:]] for row in rows])
    manifest = tmp_path / "raw" / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(".png", ".dcm"))
    for path in (tmp_path / "raw" / "images").iterdir():
        with Image.open(path) as image:
            path.with_suffix(".dcm").write_bytes(dicom(np.asarray(image), "RGB", WindowWidth="9" * 40))
        path.unlink()
    logging.getLogger("pydicom").setLevel(logging.WARNING)
    prepare(read(STUDY, tmp_path / "raw", cache=tmp_path / "cache"), tmp_path / "cache", size=24)
    assert not logging.getLogger("pydicom.pixels.decoders.base").isEnabledFor(logging.ERROR)
    written = [path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(written) > 3 and not [content for content in written if CANARY.encode() in content]
    assert CANARY not in "".join(capfd.readouterr())


def test_its_libraries_are_loaded_for_a_dicom_file_alone():
    code = "import sys; import prima_jax.studies.manifest; print({'pydicom', 'gdcm'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "set()\n"

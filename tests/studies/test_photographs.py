"""Photographs as cameras, scanners and programs leave them: what is read, how, and what is refused."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from prima_jax.errors import UserError
from prima_jax.studies import photographs
from prima_jax.studies.photographs import decode
from prima_jax.studies.pixels import MOST_PIXELS

RED_LEFT = np.zeros((4, 6, 3), np.uint8)
RED_LEFT[:, :3, 0] = 255


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(tag, kind, count, value, orientation=6):
    """Exif with an orientation and one more tag (TIFF 6.0, section 2)."""
    tags = struct.pack("<HHLHH", 0x112, 3, 1, orientation, 0) + struct.pack("<HHL", tag, kind, count) + value
    return b"Exif\0\0II" + struct.pack("<HLH", 42, 8, 2) + tags + struct.pack("<L", 0)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16"])
def test_pieces_of_a_photograph_are_what_the_whole_is(mode, monkeypatch):
    rng = np.random.default_rng(1)
    if mode == "I;16":
        image, window = Image.fromarray(rng.integers(0, 65_536, (5, 7), np.uint16)), (100.0, 60_000.0)
    else:
        image, window = Image.fromarray(rng.integers(0, 256, (5, 7, 4), np.uint8)).convert(mode), ()
    data = saved(image, "PNG", **({"transparency": 3} if mode == "P" else {}))
    whole = decode(data, "x", window)
    monkeypatch.setattr(photographs, "_BAND", 15)  # two rows and a pixel
    np.testing.assert_array_equal(decode(data, "x", window), whole)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("mode", ["RGBA", "I;16"])
def test_the_largest_photograph_takes_less_than_2_gb(mode, tmp_path):
    """Those that took the most, in a process of its own: 2.8 and 5.1 GiB when they were converted in one piece.

    Its own peak is Linux's VmHWM: getrusage's holds that of the process which started it.
    """
    side, path = int(MOST_PIXELS**0.5), tmp_path / "large.png"
    pixels = np.ones((side, side), np.uint16) if mode == "I;16" else np.ones((side, side, 4), np.uint8)
    Image.fromarray(pixels).save(path, compress_level=1)
    del pixels
    program = (
        "import re, sys; from prima_jax.data.builder import resample; "
        f"resample(open(sys.argv[1], 'rb').read(), 32, 'x', {(0.0, 65535.0) if mode == 'I;16' else ()}); "
        "print(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])"
    )
    answer = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert int(answer.stdout) * 1024 < 2e9


@pytest.mark.parametrize("orientation", [*range(10), 65_535])
def test_upright_by_its_orientation(orientation):
    """As Pillow turns it; a number that stands for no corner (EXIF 2.3, section 4.6.4) is none."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    tags = Image.Exif()
    tags[0x112] = orientation
    data = saved(Image.fromarray(pixels), "PNG", exif=tags)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(decode(data, "x"), expected)


@pytest.mark.parametrize(
    "note",
    [
        exif(296, 8, 1, struct.pack("<hH", -5, 0)),
        exif(271, 2, 500, struct.pack("<L", 4000)),
        exif(271, 99, 1, bytes(4)),
        b"Exif\0\0rubbish",
        b"Exif\0\0MM\0*",
    ],
    ids=["a negative number", "an offset beyond the end", "an unknown type", "rubbish", "half a header"],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_pixels_are_read_whatever_their_notes_are_like(note, kind):
    image = decode(saved(Image.fromarray(RED_LEFT).resize((60, 40)), kind, exif=note), "x")
    assert sorted(image.shape) == [3, 40, 60]


def test_a_file_s_notes_warn_on_no_terminal(tmp_path):
    """Pillow's warnings name no file."""
    path = tmp_path / "p.jpg"
    path.write_bytes(saved(Image.fromarray(RED_LEFT), "JPEG", exif=exif(271, 2, 500, struct.pack("<L", 4000))))
    code = f"from prima_jax.studies.photographs import decode; print(decode(open({str(path)!r}, 'rb').read(), 'x').shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(6, 4, 3)\n", "")


def test_a_broken_text_block_of_a_png():
    note = PngInfo()
    note.add_text("Raw profile type exif", "\nexif\n      20\nzz not hex\n")
    np.testing.assert_array_equal(np.asarray(decode(saved(Image.fromarray(RED_LEFT), "PNG", pnginfo=note), "x")), RED_LEFT)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_is_transparent_lies_on_white(kind):
    """Alpha 0, 128 and 255 over red and over green: alpha * colour + (1 - alpha) * white, to a level of 256."""
    colours = np.array([[[255, 0, 0, a] for a in (0, 128, 255)], [[0, 255, 0, a] for a in (0, 128, 255)]], np.uint8)
    alpha = colours[..., 3:] / 255
    expected = alpha * colours[..., :3] + (1 - alpha) * 255
    found = np.asarray(
        decode(saved(Image.fromarray(colours), kind, **({"lossless": True} if kind == "WEBP" else {})), "x"), float
    )
    assert np.abs(found - expected).max() <= 1


def test_a_transparent_colour_of_a_palette_lies_on_white():
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    assert np.asarray(decode(saved(image, "PNG", transparency=bytes([0, 255])), "x")).tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_a_damaged_file_of_any_kind_is_named():
    for kind in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF"):
        whole = saved(Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)), kind)
        for damaged in (b"", whole[:20], whole[: len(whole) // 2]):
            with pytest.raises(UserError, match=r"^the photograph cannot be decoded"):
                decode(damaged, "the photograph")


def test_other_programs_are_not_started_for_a_file():
    with pytest.raises(UserError, match="no image"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n", "x")


def test_one_too_large_is_refused_before_its_pixels_are_read():
    header = b"P6 14000 13000 255\n"  # 182 million pixels, none of which is there
    with pytest.raises(UserError, match=r"x has 14000 x 13000 pixels, more than 178 million: save it smaller\."):
        decode(header, "x")


@pytest.mark.parametrize(("dtype", "kind"), [(np.uint16, "PNG"), (np.uint16, "TIFF"), (np.int32, "TIFF"), (np.float32, "TIFF")])
def test_more_than_8_bits_are_refused_rather_than_cut_off_and_read_with_a_window(dtype, kind):
    """A detector's 12 bits in 16; below and above the window lies black and white."""
    values = np.array([[0, 999, 1000, 2000], [3000, 3999, 4000, 4095]], dtype)
    data = saved(Image.fromarray(values), kind)
    with pytest.raises(UserError, match=r"^x has more than 8 bits a channel: set the study's window .*, or save it with 8\.$"):
        decode(data, "x")
    levels = decode(data, "x", (1000, 4000))
    assert levels.shape == (2, 4, 3) and levels[..., 0].tolist() == [[0, 0, 0, 85], [170, 255, 255, 255]]


def test_a_window_is_for_more_than_8_bits_alone_and_turns_with_the_photograph():
    assert decode(saved(Image.fromarray(RED_LEFT), "PNG"), "x", (0, 4095)).tolist() == RED_LEFT.tolist()
    tags = Image.Exif()
    tags[0x112] = 6
    values = np.array([[0, 4095]], np.uint16)
    assert decode(saved(Image.fromarray(values), "PNG", exif=tags), "x", (0, 4095))[..., 0].tolist() == [[0], [255]]


@pytest.mark.parametrize("window", [(), (0, 65535)])
def test_16_bits_in_colour_of_which_pillow_reads_8_are_refused(window):
    rows = b"".join(b"\0" + np.full((2, 3), 4095, ">u2").tobytes() for _ in range(2))
    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    blocks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in blocks
    )
    with pytest.raises(UserError, match=r"^x has 16 bits a channel in colour, of which 8 would be cut off; save it with 8\.$"):
        decode(png, "x", window)

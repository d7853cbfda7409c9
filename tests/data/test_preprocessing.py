"""Our centre view against DINOv3's published image processor, pixel by pixel.

DINOv3ViTImageProcessor of transformers rescales to [0, 1], resizes in float32 (torchvision's resize of a float tensor, which
is torch's interpolate with antialiasing) and normalises: the three lines of `published`, so that torchvision is not needed.
Ours resizes with PIL, which has the same weights but rounds to whole levels twice, after the rows and after the columns.
Rounding moves a number by half a level at most, and an average of rounded numbers no farther: one level of 255 in all.
"""

import json

import numpy as np
import pytest
from PIL import Image

from prima_jax.data.images import IMAGENET_MEAN, IMAGENET_SD, center_view, normalize
from prima_jax.studies.photographs import decode
from tests.data.cohort import shared_folder

ONE_LEVEL = 1.002
"""The level derived above, and the float32 rounding of numbers up to 255. Measured: at most 1.001, on average 0.31."""
pytestmark = pytest.mark.torch


def published(image: np.ndarray, size: int) -> np.ndarray:
    """What the processor makes of a photograph [H, W, 3]: float32 [size, size, 3], normalised."""
    torch = pytest.importorskip("torch")
    pixels = torch.tensor(image).permute(2, 0, 1)[None] * 0.00392156862745098
    pixels = torch.nn.functional.interpolate(pixels, (size, size), mode="bilinear", align_corners=False, antialias=True)
    mean, sd = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_SD))
    return ((pixels - mean) / sd)[0].permute(1, 2, 0).numpy()


def levels(normalized: np.ndarray) -> np.ndarray:
    """Back to 0 ... 255, fractions allowed."""
    return (normalized * np.array(IMAGENET_SD) + np.array(IMAGENET_MEAN)) * 255


def photographs() -> dict[str, np.ndarray]:
    """Nineteen of PAD-UFES-20, the smallest 167 pixels wide."""
    files = sorted(shared_folder("data", "pad_ufes_20", "images").glob("*.jpg"))[::60]
    return {file.name: decode(file.read_bytes(), file.name) for file in files}


def drawn(height: int, width: int, kind: str) -> np.ndarray:
    rng = np.random.default_rng([height, width])
    if kind == "edges":
        return np.uint8(255 * (rng.random((height, width, 1)) < 0.5)).repeat(3, 2)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def test_the_published_settings_are_the_ones_compared_with():
    settings = json.loads(shared_folder("configs_hf", "dinov3_preprocessor_config.json").read_text())
    assert settings["do_resize"] and settings["do_rescale"] and settings["do_normalize"] and not settings["do_center_crop"]
    assert settings["resample"] == Image.Resampling.BILINEAR and settings["size"] == {"height": 224, "width": 224}
    assert settings["rescale_factor"] == 0.00392156862745098
    assert tuple(settings["image_mean"]) == IMAGENET_MEAN and tuple(settings["image_std"]) == IMAGENET_SD


def compare(image: np.ndarray, size: int = 224) -> np.ndarray:
    """Ours less theirs in levels, after checking both bounds."""
    ours, theirs = np.asarray(normalize(center_view(image, size))), published(image, size)
    difference = levels(ours) - levels(theirs)
    assert np.abs(difference).max() <= ONE_LEVEL
    assert np.abs(ours - theirs).max() <= ONE_LEVEL / 255 / min(IMAGENET_SD)  # 0.0175
    return difference


def test_photographs_differ_by_less_than_a_level():
    found = {name: compare(image) for name, image in photographs().items()}
    largest = max(found, key=lambda name: np.abs(found[name]).max())
    mean = np.mean([np.abs(d).mean() for d in found.values()])
    print(f"{len(found)} photographs: at most {np.abs(found[largest]).max():.4f} levels ({largest}), mean {mean:.3f}")
    # From 256 to 224 pixels the weights are of 8/7, so that 7.7% of the exact numbers lie halfway between two levels, and
    # PIL rounds these up: 0.038 a pass, 0.077 in all. Anything else has no sign.
    assert max(abs(d.mean()) for d in found.values()) < 0.08


@pytest.mark.parametrize("kind", ["noise", "edges"])
@pytest.mark.parametrize("shape", [(100, 150), (50, 60), (225, 223), (640, 480), (1200, 300), (2000, 3000)])
def test_drawn_pictures_of_any_shape_differ_by_less_than_a_level(shape, kind):
    difference = compare(drawn(*shape, kind))
    print(shape, kind, f"at most {np.abs(difference).max():.3f} levels, mean {np.abs(difference).mean():.3f}")
    assert np.abs(difference).max() > 0.5, "the two are the same, and what this file says of rounding is wrong"


def test_a_picture_of_the_right_size_is_not_touched():
    assert np.abs(compare(drawn(224, 224, "noise"))).max() < 1e-3

"""Photographs as arrays: the centre view and the random view on the host, normalisation on the device."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

__all__ = ["IMAGENET_MEAN", "IMAGENET_SD", "Augmentation", "center_view", "normalize", "random_view"]

# DINOv3's preprocessor_config.json
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_SD = (0.229, 0.224, 0.225)

Box = tuple[float, float, float, float]

LUMA = np.array([0.299, 0.587, 0.114])
TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


@dataclass(frozen=True)
class Augmentation:
    """Settings of random augmentation. The paper gives none; the defaults suit photographs with a fixed orientation."""

    scale: tuple[float, float] = (0.4, 1.0)
    """Range of the crop's share of the photograph's area."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Range of the crop's width by height."""
    horizontal_flip: bool = True
    vertical_flip: bool = False
    quarter_turns: bool = False
    """Rotate by 0, 90, 180 or 270 degrees."""
    brightness: float = 0.2
    """Largest relative change; likewise for contrast and saturation."""
    contrast: float = 0.2
    saturation: float = 0.2
    rotation: float = 0.0
    """Largest rotation to either side in degrees; the corners are filled with black."""


def center_view(image: np.ndarray, size: int) -> np.ndarray:
    """Resizes the whole photograph `[H, W, 3]` to `[size, size, 3]`, bilinear with antialiasing, uint8.

    This is DINOv3's published preprocessing, except that PIL rounds to whole levels: the aspect ratio is
    not kept and nothing is cropped.
    """
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


def random_view(image: np.ndarray, size: int, rng: np.random.Generator, augmentation: Augmentation) -> np.ndarray:
    """Returns a random crop of `[H, W, 3]` resized to `[size, size, 3]`, flipped, rotated and colour-jittered, uint8."""
    box = _random_box(image.shape[0], image.shape[1], rng, augmentation)
    view = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box=box)
    # Every draw is made whether it is used or not, so that switching one change off leaves the others as they were.
    flip_x, flip_y = rng.random(2) < 0.5
    turn = TURNS[rng.integers(4)]
    colours = rng.uniform(-1, 1, 3)
    if augmentation.horizontal_flip and flip_x:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if augmentation.vertical_flip and flip_y:
        view = view.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    if augmentation.quarter_turns and turn is not None:
        view = view.transpose(turn)
    if augmentation.rotation:  # drawn beside the generator, which two views of a unit share: no other draw moves
        angle = rng.spawn(1)[0].uniform(-augmentation.rotation, augmentation.rotation)
        view = view.rotate(angle, Image.Resampling.BILINEAR)
    return np.asarray(_recolour(view, colours, augmentation))


def normalize(images: jax.Array) -> jax.Array:
    """Converts uint8 `[..., 3]` to float32 with ImageNet's mean and standard deviation, inside the compiled step."""
    scaled = images.astype(jnp.float32) / 255.0
    return (scaled - jnp.array(IMAGENET_MEAN)) / jnp.array(IMAGENET_SD)


def _random_box(height: int, width: int, rng: np.random.Generator, augmentation: Augmentation) -> Box:
    """Returns left, upper, right, lower of a random crop in pixels, fractions allowed, inside the photograph."""
    area = height * width * rng.uniform(*augmentation.scale)
    ratio = np.exp(rng.uniform(*np.log(augmentation.ratio)))
    w, h = min(width, np.sqrt(area * ratio)), min(height, np.sqrt(area / ratio))
    left, upper = rng.uniform(0, width - w), rng.uniform(0, height - h)
    return left, upper, min(left + w, width), min(upper + h, height)


def _recolour(view: Image.Image, draws: np.ndarray, augmentation: Augmentation) -> Image.Image:
    """Applies brightness, contrast about the mean grey, and saturation, as one affine map of the colours."""
    largest = np.array([augmentation.brightness, augmentation.contrast, augmentation.saturation])
    if not largest.any():
        return view
    brightness, contrast, saturation = 1 + largest * draws
    mean = np.array(view.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)))
    mix = saturation * np.eye(3) + (1 - saturation) * LUMA
    offset = (1 - contrast) * brightness * (LUMA @ mean)
    return view.convert("RGB", tuple(np.column_stack([brightness * contrast * mix, [offset] * 3]).ravel()))

"""Prepared photographs that one core decodes and augments a second, beside what a step of stage 2 asks for.

    python -m benchmarks.photographs

Drawn photographs of 600 x 500 pixels with the noise of a camera, prepared with a shorter side of 256 pixels as a study's are,
and read as batches read them (`random_view` at 224 pixels), one after the other in one thread. Seconds are the processor's, so
that other programs beside it count little; the median of five rounds.
"""

import statistics
import time
from io import BytesIO

import numpy as np
from PIL import Image

from prima_jax.data.builder import resample
from prima_jax.data.images import Augmentation, random_view
from prima_jax.studies.photographs import decode

PHOTOGRAPHS, ROUNDS, PREPARED_SIDE, SIDE = 50, 5, 256, 224
UNITS, VIEWS, STEPS_A_SECOND = 64, 2, 5


def prepared() -> list[bytes]:
    """Photographs as `prepare` stores them."""
    r, found = np.random.default_rng(0), []
    for _ in range(PHOTOGRAPHS):
        colours = r.integers(40, 220, (8, 8, 3), np.uint8)
        smooth = np.asarray(Image.fromarray(colours).resize((600, 500), Image.Resampling.BICUBIC), float)
        buffer = BytesIO()
        Image.fromarray(np.clip(smooth + r.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)).save(
            buffer, "PNG", compress_level=1
        )
        found.append(resample(buffer.getvalue(), PREPARED_SIDE, "drawn"))
    return found


def seconds(stored: list[bytes]) -> tuple[float, float]:
    """Returns the processor's seconds that one photograph takes to decode, and to augment."""
    started = time.process_time()
    images = [decode(data, "drawn") for data in stored]
    decoded = time.process_time()
    for number, image in enumerate(images):
        random_view(image, SIDE, np.random.default_rng(number), Augmentation())
    return (decoded - started) / len(stored), (time.process_time() - decoded) / len(stored)


def main() -> None:
    stored = prepared()
    decoding, augmenting = (statistics.median(values) for values in zip(*(seconds(stored) for _ in range(ROUNDS)), strict=True))
    rate, asked = 1 / (decoding + augmenting), UNITS * VIEWS * STEPS_A_SECOND
    print(f"{np.mean([len(data) for data in stored]) / 1000:.0f} kB a photograph")
    print(
        f"{1000 * decoding:.2f} ms to decode, {1000 * augmenting:.2f} ms to augment: {rate:.0f} photographs a second on one core"
    )
    print(f"{STEPS_A_SECOND} steps a second of {UNITS} units with {VIEWS} views take {asked}: {asked / rate:.1f} cores")


if __name__ == "__main__":
    main()

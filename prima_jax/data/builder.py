"""A study as a TFDS data set in array_record files, written and read without TensorFlow."""

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from PIL import Image

from prima_jax.errors import UserError
from prima_jax.progress import progress_bar
from prima_jax.studies.manifest import LoadedStudy
from prima_jax.studies.photographs import decode
from prima_jax.studies.study import Record

__all__ = ["JPEG_QUALITY", "SPLIT", "resample", "write_study"]

SPLIT = "records"
"""The one split; folds are drawn over it later."""

# Of 256 x 300 pixels a JPEG of this quality without chroma subsampling decodes in 0.6 ms and takes 24 KB, a PNG 1.9 ms
# and 92 KB (measured on PAD-UFES-20). The photographs were JPEGs in the camera already.
JPEG_QUALITY = 95
LONGEST_SIDE = 65_500
"""The longest side of a JPEG, in pixels."""
RECORDS_AT_ONCE = 256
RECORDS_A_FILE = 65_536
"""At 24 KB a photograph, 1.6 GB."""
NAME, VERSION = "study_builder", "1.0.0"


def write_study(reading: LoadedStudy, folder: Path, size: int) -> None:
    """Writes the records of a reading in their order, below the folder, one after the other.

    TFDS' own builders sort records first, in memory or, beyond 1 GB, in files that TensorFlow writes.
    Raises UserError for a photograph that cannot be read.
    """
    records, place = reading.records, folder / NAME / VERSION
    identity = tfds.core.DatasetIdentity(NAME, tfds.core.Version(VERSION), str(place), module_name=__name__)
    place.mkdir(parents=True)
    writer = tfds.core.SequentialWriter(_info(reading, identity), RECORDS_A_FILE, file_format="array_record")
    writer.initialize_splits([SPLIT])

    def image(record: Record) -> bytes:
        path = reading.folder / record.image
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UserError(f"The photograph {path} cannot be read ({error.strerror}).") from error
        return resample(data, size, str(path), reading.study.window)

    with ThreadPoolExecutor(os.cpu_count()) as pool, progress_bar(len(records), "preparing photographs", "image") as bar:
        for start in range(0, len(records), RECORDS_AT_ONCE):  # a chunk at a time, to bound the memory
            chunk = records[start : start + RECORDS_AT_ONCE]
            writer.add_examples({SPLIT: [_example(*pair) for pair in zip(chunk, pool.map(image, chunk), strict=True)]})
            bar.update(len(chunk))
    writer.close_all()


def _info(reading: LoadedStudy, identity: Any) -> Any:
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
            "record": tfds.features.Text(),
            "unit": tfds.features.Text(),
            "subject": tfds.features.Text(),
            "image_type": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=list(reading.study.class_names)),
            "metadata": tfds.features.Text(),
        }
    )
    # Shuffling would lose the order of the file, by which everything else refers to a record.
    return tfds.core.DatasetInfo(builder=identity, features=features, disable_shuffling=True)


def resample(data: bytes, size: int, name: str, window: tuple[float, ...] = ()) -> bytes:
    """The photograph with its shorter side resized to `size` pixels (Lanczos, aspect kept), as JPEG bytes.

    Every photograph takes this path, larger or smaller, so that its original size is no signal to a model.
    """
    image = Image.fromarray(decode(data, f"The photograph {name}", window))
    scale = size / min(image.size)
    shape = [max(size, round(side * scale)) for side in image.size]
    if max(shape) > LONGEST_SIDE:
        raise UserError(
            f"The photograph {name} has {image.width} x {image.height} pixels, which resized would be {shape[0]} x {shape[1]}, "
            f"with a side above {LONGEST_SIDE}: crop it."
        )
    buffer = io.BytesIO()
    image.resize((shape[0], shape[1]), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def _example(record: Record, image: bytes) -> dict[str, Any]:
    return {
        "image": image,
        "record": record.id,
        "unit": record.unit,
        "subject": record.subject,
        "image_type": record.image_type,
        "label": record.label,
        "metadata": json.dumps(dict(record.fields)),
    }

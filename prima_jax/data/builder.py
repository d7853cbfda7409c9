"""A study as a TFDS data set in array_record files, written and read without TensorFlow."""

import io
import json
import os
from collections.abc import Iterator
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

__all__ = ["JPEG_QUALITY", "SPLIT", "StudyBuilder", "resample"]

SPLIT = "records"
"""The one split; folds are drawn over it later."""

# Of 256 x 300 pixels a JPEG of this quality without chroma subsampling decodes in 0.6 ms and takes 24 KB, a PNG 1.9 ms
# and 92 KB (measured on PAD-UFES-20). The photographs were JPEGs in the camera already.
JPEG_QUALITY = 95
LONGEST_SIDE = 65_500
"""The longest side of a JPEG, in pixels."""
RECORDS_AT_ONCE = 256


class StudyBuilder(tfds.core.GeneratorBasedBuilder):
    """Writes the records of a reading in their order; the key of a record is its position."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, reading: LoadedStudy, size: int, data_dir: str | Path):
        self._reading = reading
        self._size = size
        super().__init__(data_dir=os.fspath(data_dir), file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
                "record": tfds.features.Text(),
                "unit": tfds.features.Text(),
                "subject": tfds.features.Text(),
                "image_type": tfds.features.Text(),
                "label": tfds.features.ClassLabel(names=list(self._reading.study.class_names)),
                "metadata": tfds.features.Text(),
            }
        )
        # Shuffling would lose the order of the file, by which everything else refers to a record.
        return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        return {SPLIT: self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict]]:
        records = self._reading.records
        with ThreadPoolExecutor(os.cpu_count()) as pool, progress_bar(len(records), "preparing photographs", "image") as bar:
            for start in range(0, len(records), RECORDS_AT_ONCE):  # a chunk at a time, to bound the memory
                chunk = records[start : start + RECORDS_AT_ONCE]
                for position, image in enumerate(pool.map(self._image, chunk), start):
                    yield position, _example(records[position], image)
                    bar.update()

    def _image(self, record: Record) -> bytes:
        path = self._reading.folder / record.image
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UserError(f"The photograph {path} cannot be read ({error.strerror}).") from error
        return resample(data, self._size, str(path), self._reading.study.window)


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

"""Prepares a study once: photographs resampled and stored for random access, under a name with a hash of their content."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from prima_jax.files import check_sealed, seal, whole_folder
from prima_jax.studies.manifest import LoadedStudy
from prima_jax.studies.photographs import decode
from prima_jax.studies.study import Record, Study

__all__ = ["Prepared", "fingerprint", "prepare"]

FORMAT = 2
"""Raised whenever what is stored changes for the same input."""
CACHE_BYTES = 2**30


@dataclass(frozen=True)
class Prepared:
    """A study ready for training: `records[i]` is described by `source[i]`, whose "image" holds JPEG bytes."""

    study: Study
    records: tuple[Record, ...]
    source: Sequence[Mapping[str, Any]]
    same_views: bool = False
    """True: random views are drawn alike for every record, so that a new case's answer does not hang on the cases beside it."""
    _decoded: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def image(self, position: int) -> np.ndarray:
        """Returns the photograph of record `position`, uint8 `[H, W, 3]`; up to one GiB of decoded ones stays in memory."""
        image = self._decoded.get(position)
        if image is None:
            image = decode(self.source[position]["image"], f"The photograph {self.records[position].id}")
            # All are of about one size. Threads may race here, which costs a second decoding and nothing else.
            if len(self._decoded) * image.nbytes < CACHE_BYTES:
                self._decoded[position] = image
        return image

    def only(self, positions: Sequence[int] | np.ndarray) -> "Prepared":
        """Returns the same study with only the records at these positions."""
        chosen = tuple(map(int, positions))
        return Prepared(self.study, tuple(self.records[p] for p in chosen), _Chosen(self.source, chosen))


@dataclass(frozen=True)
class _Chosen(Sequence[Mapping[str, Any]]):
    """A sequence whose items are read on access."""

    source: Sequence[Mapping[str, Any]]
    positions: tuple[int, ...]

    def __getitem__(self, index: Any) -> Any:
        return self.source[self.positions[index]]

    def __len__(self) -> int:
        return len(self.positions)


def prepare(reading: LoadedStudy, cache: str | Path, *, size: int) -> Prepared:
    """Opens `cache/<study>-<fingerprint>`, or writes it first with every photograph's shorter side at `size` pixels.

    It appears whole or not at all, however the process ends. Raises UserError for a broken photograph, a full or
    read-only disk, or a prepared folder that was damaged afterwards.
    """
    folder = Path(cache) / f"{reading.study.name}-{fingerprint(reading, size)}"
    if not folder.is_dir():
        with suppress(OSError):  # told below
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # it will hold patients' photographs
        with whole_folder(folder) as temporary:
            _write(reading, temporary, size)
            seal(temporary)
    else:
        check_sealed(folder)
    return Prepared(reading.study, reading.records, _open(folder))


def fingerprint(reading: LoadedStudy, size: int) -> str:
    """Returns a hash of a prepared study's inputs, 16 hex digits: manifest, study, photographs' names and pixels, size."""
    manifest = b"".join(path.read_bytes() for path in reading.study.files(reading.folder))
    photographs = [record.image for record in reading.records]
    parts = [FORMAT, size, asdict(reading.study), photographs, reading.pixels, hashlib.sha256(manifest).hexdigest()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _write(reading: LoadedStudy, folder: Path, size: int) -> None:
    from prima_jax.data.builder import write_study  # its TFDS takes seconds to import

    try:
        write_study(reading, folder, size)
    except RuntimeError as error:  # what array_record makes of a full disk
        raise OSError(str(error)) from error


def _open(folder: Path) -> Sequence[Mapping[str, Any]]:
    import tensorflow_datasets as tfds

    from prima_jax.data.builder import SPLIT

    builder = tfds.builder_from_directory(next(folder.glob("*/*/dataset_info.json")).parent)
    # The JPEG bytes are handed over as they are: whoever needs pixels decodes them.
    return builder.as_data_source(SPLIT, decoders={"image": tfds.decode.SkipDecoding()})

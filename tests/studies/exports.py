"""Small made-up cohorts on disk, in the forms in which archives and hospitals hand theirs over."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.data.cohort import write_photograph

__all__ = ["EXPORTS", "chinese", "gaps", "ham10000", "isic_2019", "odir_5k", "spanish"]

Cells = Sequence[object]


def ham10000(folder: Path) -> list[Path]:
    """HAM10000: an id without a suffix for each photograph, lesions with several of them."""
    rows = [
        (
            *(f"HAM_{n // 2:07}", f"ISIC_{n:07}", ("nv", "mel", "bkl")[n // 2 % 3], ("histo", "follow_up")[n % 2]),
            *(40.0 + 5 * (n // 2 % 6) if n // 2 % 7 else "", ("male", "female", "unknown")[n // 2 % 3]),
            ("back", "face")[n // 2 % 2],
        )
        for n in range(60)
    ]
    header = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
    return [_write(folder / "HAM10000_metadata.csv", header, rows, [f"{row[1]}.jpg" for row in rows])]


def isic_2019(folder: Path) -> list[Path]:
    """ISIC 2019: a column for each class, and the metadata in a second file."""
    names = [f"ISIC_{n:07}" for n in range(45)]
    truth = [(name, *(f"{float(n % 3 == k)}" for k in range(3))) for n, name in enumerate(names)]
    metadata = [
        (name, 30.0 + 5 * (n % 8) if n % 9 else "", ("anterior torso", "head/neck", "")[n % 3], f"BCN_{n:07}", "female")
        for n, name in enumerate(names)
    ]
    return [
        _write(folder / "GroundTruth.csv", ("image", "MEL", "NV", "BCC"), truth, [f"{name}.jpg" for name in names]),
        _write(folder / "Metadata.csv", ("image", "age_approx", "anatom_site_general", "lesion_id", "sex"), metadata, []),
    ]


def odir_5k(folder: Path) -> list[Path]:
    """ODIR-5K: a row for both eyes."""
    rows = [
        (
            *(n, 50 + n % 30, ("Female", "Male")[n % 2], f"{n}_left.jpg", f"{n}_right.jpg"),
            *(("normal fundus", "cataract")[n % 2], ("cataract", "normal fundus")[n % 3 % 2]),
        )
        for n in range(24)
    ]
    header = "ID,Patient Age,Patient Sex,Left-Fundus,Right-Fundus,Left-Diagnostic Keywords,Right-Diagnostic Keywords"
    return [_write(folder / "full_df.csv", header.split(","), rows, [str(name) for row in rows for name in row[3:5]])]


def spanish(folder: Path) -> list[Path]:
    """A Spanish hospital's: semicolons, Latin-1, decimal commas, sí and no."""
    rows = [
        (
            *(f"foto{n}.jpg", f"P{n // 2}", ("benigno", "maligno")[n // 2 % 2], f"{2 + n // 2 % 5},5"),
            *(("sí", "no")[n // 2 % 3 % 2], ("niño", "adulto", "NA")[n // 2 % 3]),
        )
        for n in range(48)
    ]
    header = ("imagen", "paciente", "diagnóstico", "tamaño", "dolor", "edad")
    return [_write(folder / "casos.csv", header, rows, [row[0] for row in rows], delimiter=";", encoding="latin-1")]


def chinese(folder: Path) -> list[Path]:
    """A Chinese hospital's: GB 18030, 是 and 否."""
    rows = [
        (f"图{n}.jpg", f"P{n}", ("细菌", "真菌")[n % 2], ("是", "否")[n % 3 % 2], 20 + n, ("男", "女")[n % 2]) for n in range(40)
    ]
    header = ("图像", "patient", "诊断", "疼痛", "年龄", "性别")
    return [_write(folder / "病例.csv", header, rows, [row[0] for row in rows], encoding="gb18030")]


def gaps(folder: Path) -> list[Path]:
    """Thirty patients with a photograph each, and half of the cells empty or a word for it."""
    words = ("", "NA", "n/a", "unknown", "-", "?")
    rows = [
        (
            *(f"p{n}.png", f"P{n}", ("benign", "malignant")[n % 2], 30 + n if n % 2 else words[n // 2 % 6]),
            *(("yes", words[n % 6], "no")[n % 3], ("arm", "back", words[n % 6])[n // 2 % 3]),
        )
        for n in range(30)
    ]
    header = ("image", "patient", "diagnosis", "age", "bled", "site")
    return [_write(folder / "cases.csv", header, rows, [row[0] for row in rows])]


EXPORTS: dict[str, Callable[[Path], list[Path]]] = {
    function.__name__: function for function in (ham10000, isic_2019, odir_5k, spanish, chinese, gaps)
}


def _write(path: Path, header: Cells, rows: Sequence[Cells], names: Sequence[str], **form: str) -> Path:
    """Writes the file, and a distinct photograph for each name, in images/ beside it."""
    (path.parent / "images").mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=form.get("encoding", "utf-8")) as file:
        csv.writer(file, delimiter=form.get("delimiter", ",")).writerows([header, *rows])
    for seed, name in enumerate(names):
        write_photograph(path.parent / "images" / name, seed)
    return path

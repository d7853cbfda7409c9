import csv
import errno
import json
import os
import random
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from prima_jax.errors import UserError
from prima_jax.metrics import report
from tests.evaluation.examples import PAD, predictions, results, synthetic_results


def test_results_are_the_same_bytes_whatever_the_order_of_keys(tmp_path: Path):
    found = results()
    report.write_results(tmp_path, found)
    first = (tmp_path / "results.json").read_bytes()
    report.write_results(tmp_path, dict(reversed(found.items())))
    assert (tmp_path / "results.json").read_bytes() == first
    read = json.loads(first)
    assert list(read) == sorted(read)
    assert read["methods"] == found["methods"]
    assert read["published"]["methods"]["PRIMA"]["macro_f1"] == [73.75, 3.40]
    assert first.endswith(b"}\n")


def test_results_take_numpy_and_none_and_refuse_nan(tmp_path: Path):
    found = results(records=np.int64(3), extra=np.array([1.5, 2.5]))
    found["methods"]["prima"]["f1"]["BCC"][0] = None
    report.write_results(tmp_path, found)
    read = json.loads((tmp_path / "results.json").read_text())
    assert (read["records"], read["extra"]) == (3, [1.5, 2.5])
    assert read["methods"]["prima"]["f1"]["BCC"][0] is None
    with pytest.raises(ValueError, match="JSON"):
        report.write_results(tmp_path, results(extra=float("nan")))


def test_no_published_figures_in_the_results_of_a_synthetic_study(tmp_path: Path):
    report.write_results(tmp_path, synthetic_results())
    assert json.loads((tmp_path / "results.json").read_text())["published"] == {}


def test_predictions_have_the_documented_columns_and_are_the_same_bytes_in_any_order(tmp_path: Path):
    rows = predictions()
    rows[0]["p_BCC"] = 1 / 3
    report.write_predictions(tmp_path, rows)
    first = (tmp_path / "predictions.csv").read_bytes()
    random.Random(0).shuffle(rows)
    report.write_predictions(tmp_path, rows)
    assert (tmp_path / "predictions.csv").read_bytes() == first
    read = list(csv.DictReader(first.decode().splitlines()))
    header = ["method", "record", "unit", "subject", "fold", "label", "predicted"]
    assert list(read[0]) == [*header, *(f"p_{name}" for name in PAD)]
    assert [row["method"] for row in read] == ["prima"] * 4 + ["majority"] * 4
    assert [row["record"] for row in read[:4]] == ["r00", "r01", "r10", "r11"]
    assert read[4]["p_BCC"] == "0.333333"
    assert b"\r" not in first


def test_names_with_commas_survive(tmp_path: Path):
    rows = predictions()[:1]
    rows[0]["record"] = 'a "b", c'
    report.write_predictions(tmp_path, rows)
    with (tmp_path / "predictions.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["record"] == 'a "b", c'


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_is_told_in_one_sentence_and_leaves_the_old_file(tmp_path: Path):
    report.write_results(tmp_path, results())
    before = (tmp_path / "results.json").read_bytes()
    (tmp_path / ".results.json.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"results\.json \(No space left on device\): free space") as raised:
        report.write_results(tmp_path, results(records=1))
    assert raised.value.__cause__.errno == errno.ENOSPC
    assert (tmp_path / "results.json").read_bytes() == before
    assert not (tmp_path / ".results.json.part").is_symlink()


@pytest.mark.parametrize("write", [report.write_results, report.write_table])
def test_a_workdir_that_cannot_be_written_is_an_error_of_the_user(tmp_path: Path, write):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        write(tmp_path / "file", results())


def test_a_read_only_workdir_is_an_error_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Permissions do not bind the superuser, who may be running this.
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(UserError, match="Read-only file system"):
        report.write_predictions(tmp_path, predictions())


def test_everything_is_written_and_written_the_same_again(tmp_path: Path):
    for fold in range(2):
        folder = tmp_path / f"fold_{fold}" / "align"
        folder.mkdir(parents=True)
        (folder / "history.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n')
    (tmp_path / "config.json").write_text('{"note": "<b>"}')
    report.write_all(tmp_path, results(), predictions())
    names = ["results.json", "predictions.csv", "table.md", "report.html"]
    names += [f"curves/{name}.png" for name in ("loss_align", "confusion_prima", "confusion_majority")]
    first = {name: (tmp_path / name).read_bytes() for name in names}
    report.write_all(tmp_path, results(), predictions())
    assert first == {name: (tmp_path / name).read_bytes() for name in names}
    assert not list(tmp_path.rglob("*.part"))


class Outline(HTMLParser):
    """Checks that tags are balanced and collects what a browser would load."""

    EMPTY = ("meta", "img")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        self.loaded += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"note": "<b>bold</b>"}')
    report.write_report(tmp_path, synthetic_results(title="A & <B>"), predictions(("bacterial", "fungal")))
    text = (tmp_path / "report.html").read_text()
    outline = Outline()
    outline.feed(text)
    assert outline.open == []
    assert "script" not in outline.tags
    assert outline.loaded
    assert all(source.startswith("data:image/png;base64,") for source in outline.loaded)
    assert "url(" not in text
    assert "A &amp; &lt;B&gt;" in text
    assert "&lt;b&gt;bold" in text
    assert text.index("<table>") < text.index("Read this first") < text.index("Config")
    assert text.index("SYNTHETIC") < text.index("<table>")
    assert "85.22 (2.17)" not in text


def test_the_page_of_a_real_study_marks_published_rows(tmp_path: Path):
    report.write_report(tmp_path, results(), predictions())
    text = (tmp_path / "report.html").read_text()
    assert text.count('<tr class="published') == 7
    assert "SYNTHETIC" not in text
    assert "71 subjects of 806 have records in several folds" in text
    assert "1.00 GiB" in text

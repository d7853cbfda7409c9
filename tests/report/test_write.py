"""What a run leaves for people is whole, the same again, and says what it is. The figures here are invented."""

import base64
import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prima_jax.errors import UserError
from prima_jax.report.curves import Curves
from prima_jax.report.write import write_report
from tests.report.examples import PAD, results, synthetic_results, with_statistics

CONFIG = '{"note": "<b>bold</b>"}'
PHOTOGRAPHS = {"r01": np.zeros((640, 320, 3), np.uint8), "r02": np.zeros((8, 8, 3), np.uint8)}


def write(
    folder: Path, found: dict[str, Any], curves: tuple[Curves, ...] = (), *, error_photographs: int = 0
) -> dict[str, bytes]:
    """Writes everything; returns the content of each file by its place in the folder."""
    write_report(folder, *with_statistics(found), curves, CONFIG, lambda record: PHOTOGRAPHS[record], error_photographs)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def test_everything_is_written_and_written_the_same_again(tmp_path: Path):
    history = tmp_path / "history.jsonl"
    history.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n')
    folder, curves = tmp_path / "run", (Curves("align", "", {"fold 0": history}),)
    first = write(folder, results(), curves)
    pictures = {f"{kind}_{row}" for kind in ("confusion", "reliability") for row in ("prima", "majority_class")}
    pictures |= {"loss_stage_2_image_metadata_alignment", "risk_coverage"}
    assert first.keys() == {
        *("results.json", "predictions.csv", "table.md", "table.tex", "table.csv", "report.html"),
        *(f"pictures/{name}.png" for name in pictures),
    }
    assert write(folder, dict(reversed(results().items())), curves) == first


def test_results_hold_what_was_measured_and_what_was_published_and_refuse_nan(tmp_path: Path):
    found = results(records=np.int64(3), extra=np.array([1.5, 2.5]))
    found["methods"]["prima"]["f1"]["BCC"][0] = None
    read = json.loads(write(tmp_path, found)["results.json"])
    assert list(read) == sorted(read)
    assert (read["records"], read["extra"]) == (3, [1.5, 2.5])
    assert read["methods"]["prima"]["f1"]["BCC"][0] is None
    assert read["published"]["methods"]["PRIMA"]["macro_f1"] == [73.75, 3.40]
    assert json.loads(write(tmp_path, synthetic_results())["results.json"])["published"] == {}
    with pytest.raises(ValueError, match="JSON"):
        write(tmp_path, results(extra=float("nan")))


def test_predictions_have_the_documented_columns(tmp_path: Path):
    content = write(tmp_path, results())["predictions.csv"]
    read = list(csv.DictReader(content.decode().splitlines()))
    header = ["seed", "method", "record", "unit", "subject", "fold", "label", "predicted"]
    assert list(read[0]) == [*header, *(f"p_{name}" for name in PAD)]
    assert len(read) == 2 * 2 * len(PAD) and b"\r" not in content


def test_a_workdir_that_cannot_be_written_is_an_error_of_the_user(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        write(tmp_path / "file", results())


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
    text = write(tmp_path, synthetic_results(title="A & <B>"))["report.html"].decode()
    outline = Outline()
    outline.feed(text)
    assert outline.open == []
    assert "script" not in outline.tags
    assert outline.loaded
    assert all(source.startswith("data:image/png;base64,") for source in outline.loaded)
    assert "url(" not in text
    assert "A &amp; &lt;B&gt;" in text
    assert "&lt;b&gt;bold" in text
    assert text.index("SYNTHETIC") < text.index("Read this first") < text.index("<table>")
    assert text.index("<details>") < text.index("&lt;b&gt;bold") < text.index("</details>")
    assert "85.22 (2.17)" not in text


def test_headings_are_a_clinicians_questions_in_their_order(tmp_path: Path):
    text = write(tmp_path, results())["report.html"].decode()
    questions = ("What was asked", "How good", "How sure", "For whom", "Where it fails", "How it was made")
    assert re.findall("<h2>(.*?)</h2>", text) == ["Read this first", *questions]
    assert text.index("What was asked") < text.index("Of each case: which of BCC, SCC,") < text.index("How good")
    assert text.count("1,108 records of 979 units") == 1
    tables = (
        "Cases of each class",
        "Statistics",
        "each class against the rest",
        "Calibration and selective",
        "Missing attributes",
    )
    places = [text.index(table) for table in (*tables, "Confusion matrices", "Versions")]
    assert places == sorted(places)


def test_errors_are_named_by_their_line_in_predictions_and_no_record_is(tmp_path: Path):
    found = write(tmp_path, results())
    text = found["report.html"].decode()
    line = next(n for n, one in enumerate(found["predictions.csv"].decode().splitlines(), start=1) if "prima,r01," in one)
    assert text.index("most confident errors") < text.index(f"<td>{line}</td>") < text.index("Confusion matrices")
    assert not [
        name for name in ("report.html", "table.md", "results.json") if b">r01<" in found[name] or b'"r01"' in found[name]
    ]


def test_photographs_of_errors_are_shown_small_and_only_if_asked_for(tmp_path: Path):
    captioned = r'<img alt="" src="data:image/png;base64,(.*?)"><figcaption>(.*?)</figcaption>'
    shown = re.findall(captioned, write(tmp_path, results(), error_photographs=2)["report.html"].decode())
    assert [line for _, line in shown] == ["line 3", "line 4"]
    assert [Image.open(io.BytesIO(base64.b64decode(png))).size for png, _ in shown] == [(80, 160), (8, 8)]
    assert not re.findall(captioned, write(tmp_path, results())["report.html"].decode())


def test_the_page_of_a_real_study_marks_published_rows(tmp_path: Path):
    text = write(tmp_path, results())["report.html"].decode()
    assert text.count('<tr class="published') == 7 and text.count('<tr class="own') == 3  # scores, statistics, calibration
    assert "SYNTHETIC" not in text
    assert "71 subjects of 806 have records in several folds" in text


def test_every_file_of_figures_says_what_they_are_not(tmp_path: Path):
    found = write(tmp_path, synthetic_results(without_fold=1, title="AQUA"))
    for name in ("table.md", "table.csv", "table.tex", "report.html"):
        text = found[name].decode()
        assert "SYNTHETIC" in text and "RANDOM WEIGHTS" in text and "INNER FOLDS" in text, name

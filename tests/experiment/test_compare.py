"""Two runs of one table side by side. The predictions here are invented, so that what they differ in is known."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from prima_jax.experiment.compare import main, markdown, pairs, read_table

SUBJECTS, FOLDS, SEEDS = 40, 4, (0, 3)
CLASSES = ("a", "b")


def write(workdir: Path, *, split: str, right: dict[str, float], torn_right: float = 0.0, seeds: tuple[int, ...] = SEEDS) -> Path:
    """A table 1 of 40 subjects with two lesions each, the first ten torn apart by folds of lesions.

    right: row -> how often it is right; torn_right is added for subjects that are torn.
    """
    lines: list[dict[str, Any]] = []
    for seed in seeds:
        for row, share in right.items():
            generator = np.random.default_rng([seed, len(row), split == "unit"])
            for subject in range(SUBJECTS):
                for lesion in range(2):
                    torn = split == "unit" and subject < 10
                    label = (subject + lesion) % 2
                    p = 0.9 if generator.random() < share + torn_right * torn else 0.1
                    lines.append(
                        {"seed": seed, "method": row, "record": f"r{subject}_{lesion}", "unit": f"u{subject}_{lesion}"}
                        | {"subject": f"s{subject}", "fold": (subject + lesion * torn) % FOLDS, "label": CLASSES[label]}
                        | {"predicted": CLASSES[label if p > 0.5 else 1 - label]}
                        | {f"p_{CLASSES[label]}": p, f"p_{CLASSES[1 - label]}": 1 - p}
                    )
    methods = {}
    for row in right:
        of_row = {"title": f"The row {row}", "macro_f1": [], "accuracy": [], "balanced_accuracy": []}
        for seed in seeds:
            for fold in range(FOLDS):
                chosen = [x for x in lines if (x["seed"], x["method"], x["fold"]) == (seed, row, fold)]
                truth, found = [x["label"] for x in chosen], [x["predicted"] for x in chosen]
                of_row["macro_f1"].append(f1_score(truth, found, average="macro"))
                of_row["accuracy"].append(float(np.mean([a == b for a, b in zip(truth, found, strict=True)])))
                of_row["balanced_accuracy"].append(balanced_accuracy_score(truth, found))
        methods[row] = of_row
    results = {"study": "pad_ufes_20", "synthetic": False, "table": 1, "split": split, "folds": FOLDS, "seeds": list(seeds)}
    results |= {"classes": CLASSES, "records": 80, "units": 80, "subjects": SUBJECTS, "methods": methods}
    results |= {"straddling_subjects": 10 if split == "unit" else 0}
    results |= {"title": "PAD-UFES-20", "versions": {"jax": "0.1", "devices": "2 cpu" if split == "unit" else "1 cpu"}}
    (workdir / "table_1").mkdir(parents=True)
    (workdir / "config.json").write_text(json.dumps({"study": {}, "split": {"group": split}}))
    (workdir / "table_1" / "results.json").write_text(json.dumps(results, sort_keys=True))
    with (workdir / "table_1" / "predictions.csv").open("w", newline="") as file:
        columns = ["seed", "method", "record", "unit", "subject", "fold", "label", "predicted", "p_a", "p_b"]
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(lines)
    return workdir


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("tables")
    lesions = write(root / "lesions", split="unit", right={"prima": 0.7, "majority": 0.5}, torn_right=0.3)
    patients = write(root / "patients", split="subject", right={"prima": 0.7, "majority": 0.5, "image_only": 0.6})
    return lesions, patients


def predictions(workdir: Path, row: str, seed: int) -> dict[str, dict[str, str]]:
    with (workdir / "table_1" / "predictions.csv").open(newline="") as file:
        return {x["record"]: x for x in csv.DictReader(file) if x["method"] == row and x["seed"] == str(seed)}


def test_a_difference_is_that_of_all_cases_together_averaged_over_seeds(folders):
    pair = pairs(*(read_table(f, 1) for f in folders))[0]
    expected = []
    for seed in SEEDS:
        first, second = (predictions(folder, "prima", seed) for folder in folders)
        truth = [x["label"] for x in first.values()]
        scored = [f1_score(truth, [side[r]["predicted"] for r in first], average="macro") for side in (first, second)]
        expected.append(scored[0] - scored[1])
    found = pair.differences["macro_f1"]
    assert found.estimate == pytest.approx(np.mean(expected), abs=1e-12)
    assert found.low < found.estimate < found.high


def test_torn_subjects_are_told_from_the_others(folders):
    pair = pairs(*(read_table(f, 1) for f in folders))[0]
    gains: dict[bool, list[int]] = {True: [], False: []}
    for seed in SEEDS:
        first, second = (predictions(folder, "prima", seed) for folder in folders)
        for record, line in first.items():
            gain = (line["predicted"] == line["label"]) - (second[record]["predicted"] == line["label"])
            gains[int(line["subject"][1:]) < 10].append(gain)
    assert len(gains[True]) == 2 * 10 * len(SEEDS)
    assert pair.torn.estimate == pytest.approx(np.mean(gains[True]))
    assert pair.whole.estimate == pytest.approx(np.mean(gains[False]))
    assert pair.torn.low > 0.05  # torn subjects were given 0.3
    assert pair.whole.low < 0 < pair.whole.high  # the others nothing
    assert pair.torn_less_whole.estimate == pytest.approx(np.mean(gains[True]) - np.mean(gains[False]))
    assert pair.torn_less_whole.low < 0.3 < pair.torn_less_whole.high


def test_every_seed_has_its_own_difference_of_means(folders):
    tables = [read_table(folder, 1) for folder in folders]
    pair = pairs(*tables)[0]
    for k in range(len(SEEDS)):
        means = [np.mean(t.results["methods"]["prima"]["macro_f1"][k * FOLDS : (k + 1) * FOLDS]) for t in tables]
        assert pair.by_seed["macro_f1"][k] == pytest.approx(means[0] - means[1])
    assert f"| {100 * pair.by_seed['macro_f1'][0]:.1f}, {100 * pair.by_seed['macro_f1'][1]:.1f} |" in markdown(*tables)


def test_the_interval_draws_subjects_rather_than_cases_or_seeds(folders, tmp_path):
    """The same predictions under a second seed are no second evidence."""
    lesions, patients = (
        write(tmp_path / name, split=split, right={"prima": 0.7}, torn_right=gain, seeds=(0,))
        for name, split, gain in (("lesions", "unit", 0.3), ("patients", "subject", 0.0))
    )
    once = pairs(read_table(lesions, 1), read_table(patients, 1))[0].differences["macro_f1"]
    for folder in (lesions, patients):
        file = folder / "table_1" / "predictions.csv"
        header, *lines = file.read_text().splitlines()
        file.write_text("\n".join([header, *lines, *("1" + line.removeprefix("0") for line in lines)]) + "\n")
        results = json.loads((folder / "table_1" / "results.json").read_text())
        results["seeds"] = [0, 1]
        for score in ("macro_f1", "accuracy", "balanced_accuracy"):
            results["methods"]["prima"][score] *= 2
        (folder / "table_1" / "results.json").write_text(json.dumps(results))
    twice = pairs(read_table(lesions, 1), read_table(patients, 1))[0].differences["macro_f1"]
    assert (twice.estimate, twice.low, twice.high) == pytest.approx((once.estimate, once.low, once.high), abs=1e-12)


def test_the_page_has_common_rows_in_the_tables_order_and_says_what_differs(folders):
    text = markdown(*(read_table(f, 1) for f in folders))
    assert re.findall(r"^\| (The row \w+) ", text, re.M) == ["The row prima", "The row majority"] * 2
    lesions, patients = map(str, folders)
    assert f"- {lesions}: Folds are stratified by class and grouped by unit" in text
    assert f"- {patients}: Folds are stratified by class and grouped by subject" in text
    assert f"- {lesions}: LEAKAGE: 10 subjects of 40" in text and f"{patients}: LEAKAGE" not in text
    assert "20 and 20 cases whose subject has others in training" in text
    assert "- Different in their configs: split.group." in text
    assert "- Different in what computed them: devices." in text


def test_of_seeds_the_common_ones_are_compared(folders, tmp_path):
    other = write(tmp_path / "one", split="subject", right={"prima": 0.7}, seeds=(3,))
    text = markdown(read_table(folders[0], 1), read_table(other, 1))
    assert "- Seeds 3." in text and "One seed: these differences cannot be told" in text
    f1 = json.loads((folders[0] / "table_1" / "results.json").read_text())["methods"]["prima"]["macro_f1"][FOLDS:]
    assert f"| {100 * np.mean(f1):.2f} ({100 * np.std(f1, ddof=1):.2f}) |" in text


def test_what_cannot_be_compared_is_told_in_one_sentence(folders, tmp_path, capsys):
    lesions = str(folders[0])

    def told(*arguments: str) -> str:
        assert main(["", "--table=1", lesions, *arguments]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ") and said.count("\n") == 1
        return said

    assert "There is no" in told(str(tmp_path))
    assert "no seed in common" in told(str(write(tmp_path / "seed", split="unit", right={"prima": 0.7}, seeds=(9,))))
    assert "no row in common" in told(str(write(tmp_path / "row", split="unit", right={"knobo": 0.7})))
    other = write(tmp_path / "cases", split="unit", right={"prima": 0.7})
    file = other / "table_1" / "predictions.csv"
    file.write_text(file.read_text().replace(",r0_0,", ",r99,"))
    assert "the same cases (one alone has r0_0 as it is)" in told(str(other))
    file.write_text(file.read_text().replace(",a,", ",,"))
    assert "cannot be read" in told(str(other))
    for wrong in ("{", "[]", "{}", '{"table": 2}', "[" * 100_000):
        (other / "table_1" / "results.json").write_text(wrong)
        assert re.search(r"results\.json .*run that table's command again", told(str(other)))


def test_a_subject_that_one_seed_alone_tears_is_counted(folders, tmp_path):
    """With the first seed every subject is whole in both."""
    lesions = write(tmp_path / "lesions", split="unit", right={"prima": 0.7})
    file = lesions / "table_1" / "predictions.csv"
    header, *lines = file.read_text().splitlines()
    whole = [
        re.sub(r"(,s(\d+)),\d,", lambda m: f"{m[1]},{int(m[2]) % FOLDS},", line) if line.startswith("0") else line
        for line in lines
    ]
    file.write_text("\n".join([header, *whole]) + "\n")
    assert "0 and 20 cases whose subject has others in training" in markdown(read_table(lesions, 1), read_table(folders[1], 1))


def test_it_is_a_command(folders, capsys):
    assert main(["", "--table=1", *map(str, folders)]) == 0
    assert capsys.readouterr().out == markdown(*(read_table(f, 1) for f in folders))

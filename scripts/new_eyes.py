"""What a bundle's answers are worth on SYNTHETIC eyes that no fold has seen: coverage, photographs unlike, explanations.

    python -m scripts.new_eyes --model=demo-model --folder=runs/new_eyes > docs/results/new_eyes.md

`--model` is the bundle, or run, of `make demo`; `--folder` is where eyes of another seed are drawn. `--others=FOLDER` holds
photographs of another organ.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from prima_jax.clinic.answers import Answers
from prima_jax.clinic.cases import NewCase
from prima_jax.clinic.explain import GRID, Explanation, explain, square
from prima_jax.clinic.model import Model, load
from prima_jax.experiment.statistics import prediction_sets
from prima_jax.metrics.calibration import calibration_error
from prima_jax.progress import progress_bar
from prima_jax.runtime import setup_process
from prima_jax.studies.synthetic.evidence import SIGNS, log_likelihood_ratios
from prima_jax.studies.synthetic.write import MASK_FOLDER, write_study

SEED = 1
"""The demo's study has seed 0."""
INFORMATIVE = (*(sign.name for sign in SIGNS), "epithelial_defect", "ring")
"""Signs that bear on the organism, by the names of their masks."""


def main() -> int:
    """Prints the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--eyes", type=int, default=1000)
    parser.add_argument("--explained", type=int, default=100, help="eyes that are explained")
    parser.add_argument("--others", type=Path, help="a folder of photographs of another organ")
    options = parser.parse_args()
    setup_process()
    model = load(options.model)
    write_study(options.folder / "study", units=options.eyes, seed=SEED)
    with (options.folder / "study" / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = {f"{row['subject']}/{row['eye']}": row["organism"] for row in rows}
    images = options.folder / "study" / "images"
    cases = model.cases(rows, images)
    truth = np.array([model.study.class_names.index(labels[case.name]) for case in cases])
    answers = model.predict(cases)
    print(f"# New eyes (SYNTHETIC)\n\n{len(cases):,} eyes of seed {SEED}; the models were trained on eyes of another seed.\n")
    print_coverage(answers, truth, model.study.class_names)
    print_unlike(model, rows, answers, options)
    print_explanations(model, cases[: options.explained], options.folder / "study")
    return 0


def print_coverage(answers: Answers, truth: np.ndarray, names: Sequence[str]) -> None:
    """Coverage and size of the sets, and calibration."""
    p_values = np.stack([answer.p_values for answer in answers])
    right = (answers.probabilities.argmax(axis=1) == truth).mean()
    error = calibration_error(truth, answers.probabilities)
    print(f"Accuracy {100 * right:.1f}%, calibration error {100 * error:.1f}%.\n")
    print("| Error rate, % | Class | Eyes | Covered, % | Classes in the set |\n| --: | :-- | --: | --: | --: |")
    for one in prediction_sets(p_values, truth, names, {}):
        if one["group"] in names:
            measured = f"{100 * one['covered']:.1f} | {one['size']:.2f}"
            print(f"| {100 * one['error_rate']:g} | {one['group']} | {one['cases']} | {measured} |")


def print_unlike(model: Model, rows: list[dict[str, str]], answers: Answers, options: argparse.Namespace) -> None:
    """The share of photographs that are called unlike those trained on."""
    shares = {"new eyes": [share for answer in answers for share in answer.unlike]}
    generator, spoiled = np.random.default_rng(0), options.folder / "spoiled"
    spoiled.mkdir(exist_ok=True)
    kinds = list(model.study.image_types)
    chosen = rows[:300]
    made = {
        "black": lambda row: np.zeros((96, 96, 3), np.uint8),
        "white": lambda row: np.full((96, 96, 3), 255, np.uint8),
        "noise": lambda row: generator.integers(0, 256, (96, 96, 3)).astype(np.uint8),
        "upside down": lambda row: read(options, row)[::-1],
        "blurred to 6 pixels": lambda row: np.asarray(Image.fromarray(read(options, row)).resize((6, 6)).resize((96, 96))),
    }
    if options.others:
        others = sorted(options.others.iterdir())[: len(chosen)]
        made["another organ"] = lambda row: np.asarray(Image.open(others[chosen.index(row) % len(others)]).convert("RGB"))
    for name, make in made.items():
        cases = []
        for number, row in enumerate(chosen):
            Image.fromarray(make(row)).save(spoiled / f"{number}.png")
            cases.append(NewCase([(row["illumination"], spoiled / f"{number}.png")], name=str(number)))
        shares[name] = [share for answer in model.predict(cases) for share in answer.unlike]
    images = options.folder / "study" / "images"
    wrong = [NewCase([(kinds[(kinds.index(r["illumination"]) + 1) % 3], images / r["image"])], name=r["image"]) for r in chosen]
    shares["another illumination than it is said to be"] = [share for answer in model.predict(wrong) for share in answer.unlike]
    print("\n| Photographs | Number | Called unlike, % |\n| :-- | --: | --: |")
    for name, of_kind in shares.items():
        print(f"| {name} | {len(of_kind)} | {100 * np.mean(np.array(of_kind) > 0.95):.1f} |")


def read(options: argparse.Namespace, row: dict[str, str]) -> np.ndarray:
    return np.asarray(Image.open(options.folder / "study" / "images" / row["image"]).convert("RGB"))


def print_explanations(model: Model, cases: list[NewCase], study: Path) -> None:
    """How often a contribution has the sign that the risk table gives it, and hiding a square hits a sign."""
    signs, peaks = [], []
    with progress_bar(len(cases), "explaining", "case") as bar:
        for case in cases:
            found = explain(model, case, explained="fungal")
            signs += right_signs(found, case)
            peaks += peaks_inside(found, case, study)
            bar.update()
    sizes, right = np.abs([size for size, _ in signs]), np.array([is_right for _, is_right in signs])
    large = sizes >= np.median(sizes)
    inside, chance = np.array(peaks).T
    print(
        f"\nExplanations of {len(cases)} eyes. A risk factor's contribution has the sign of its true likelihood ratio in "
        f"{100 * right.mean():.1f}% of {len(right):,}, in {100 * right[large].mean():.1f}% of the larger half. The hidden "
        f"square that changes the answer most touches a sign that bears on the organism in {100 * inside.mean():.1f}% of "
        f"{len(inside)} photographs that show one; a square at random does in {100 * chance.mean():.1f}%."
    )


def right_signs(found: Explanation, case: NewCase) -> list[tuple[float, bool]]:
    """Of each risk factor its contribution, and whether that has the sign of the risk table's log likelihood ratio."""
    ratios, pairs = log_likelihood_ratios(), []
    for one in found.contributions:
        if one.name in ratios:
            value = case.metadata[one.name]
            if one.name == "days_of_symptoms":
                value = "1-6" if int(value) < 7 else "7-13" if int(value) < 14 else "14-30"
            if abs(ratios[one.name][value]) > 0.1:
                pairs.append((one.shapley, (one.shapley > 0) == (ratios[one.name][value] > 0)))
    return pairs


def peaks_inside(found: Explanation, case: NewCase, study: Path) -> list[tuple[float, float]]:
    """Of each photograph with a sign: whether the square that matters most touches one, and the share of squares that do."""
    pairs = []
    for (_, file), falls in zip(case.images, found.occlusion, strict=True):
        files = [study / MASK_FOLDER / Path(str(file)).stem / f"{sign}.png" for sign in INFORMATIVE]
        masks = [np.asarray(Image.open(mask).convert("L")) > 0 for mask in files if mask.exists()]
        if masks and np.any(masks):
            whole = np.any(masks, axis=0)
            touched = np.array([whole[square(whole.shape, number)].any() for number in range(GRID * GRID)])
            pairs.append((float(touched[np.abs(falls).argmax()]), float(touched.mean())))
    return pairs


if __name__ == "__main__":
    sys.exit(main())

"""Sentences that belong under every table of results: the data, the folds and the limits of the figures."""

from collections.abc import Mapping, Sequence
from statistics import stdev
from typing import Any

from prima_jax.metrics.seeds import by_seed, over_seeds

__all__ = ["caption", "conditions", "facts", "figure", "marked_title", "said_of_absent_classes", "title", "warnings"]

FEWEST_SUBJECTS = 20
FEWEST_HELD_OUT = 5
"""A class with fewer subjects, or with fewer held out in some fold, is named as small."""


def title(results: Mapping[str, Any]) -> str:
    """Returns the study's title, with SYNTHETIC before it if the data are drawn by a program."""
    name = results.get("title") or results["study"]
    return f"SYNTHETIC, no patients: {name}" if results["synthetic"] else name


def marked_title(row: Mapping[str, Any]) -> str:
    """Returns a row's title, with a mark if it is constant: all cases of a fold have the same probabilities."""
    constant = row.get("constant", ())
    if not any(constant):
        return row["title"]
    return f"{row['title']} (constant{'' if all(constant) else f' in {sum(constant)} of {len(constant)} folds'})"


def caption(results: Mapping[str, Any]) -> list[str]:
    """Returns the sentences under a table: its facts and warnings, and the rows that say nothing about a case."""
    constant = [marked_title(row) for row in results["methods"].values() if any(row.get("constant", ()))]
    same = [f"The same probabilities for every case of a fold: {'; '.join(constant)}."] if constant else []  # titles have commas
    return [*facts(results), *warnings(results), *same]


def facts(results: Mapping[str, Any]) -> list[str]:
    """Returns sentences on how the figures were measured: kind, folds, size of the study."""
    return [_what(results), _size(results), _split(results)]


def conditions(results: Mapping[str, Any]) -> list[str]:
    """Returns warnings about the run itself: a control, inner folds, random weights, several codes, hidden fields."""
    sentences = []
    if (fold := results.get("without_fold", -1)) >= 0:
        of_seeds = " of each seed" if len(results.get("seeds", ())) > 1 else ""
        sentences.append(
            f"INNER FOLDS: the records held out in fold {fold}{of_seeds} were left out, and the others split anew: these figures "
            "are for choosing settings, and are not those of the whole study."
        )
    if (share := results.get("train_share", 1.0)) < 1:
        sentences.append(f"FEWER CASES: each fold was trained on {100 * share:g}% of its training units of each class.")
    if results.get("shuffled"):
        sentences.append(f"CONTROL: every unit was given the {results['shuffled']} of another one.")
    if results.get("random_weights"):
        sentences.append(
            "RANDOM WEIGHTS: at least one of the encoders and the LLM started untrained, so these figures are no test "
            "of published ones, which come from pre-trained weights."
        )
    sentences += _made_otherwise(results)
    if results.get("hidden_block"):
        sentences.append(f"HIDDEN: no method was shown the fields of the block {results['hidden_block']!r}.")
    return sentences


def warnings(results: Mapping[str, Any]) -> list[str]:
    """Returns all warnings that a reader needs beside the figures."""
    sentences = [*conditions(results), *_no_corpus(results), *_no_alignment(results), *_nothing_aligned(results)]
    sentences += [*said_of_absent_classes(results), *_small_classes(results)]
    if results.get("straddling_subjects"):
        sentences.append(
            f"LEAKAGE: {_count(results['straddling_subjects'], 'subject')} of {results['subjects']:,}{_first_seed(results)} "
            f"{_have(results['straddling_subjects'])} records in several folds, so a method can have trained on other "
            "records of a subject that it is tested on."
        )
    sentences += _missingness(results)
    if results.get("missing_images"):
        rows = results["missing_images"]
        sentences.append(f"{_count(rows, 'row')} without a photograph {_be(rows)} left out.")
    for column, units in results.get("contradictions", {}).items():
        sentences.append(f"In column {column} the photographs of {_count(units, 'unit')} differ; the first one's value counts.")
    if results.get("identical_images"):
        groups = len(results["identical_images"])
        sentences.append(f"{_count(groups, 'group')} of identical photographs {_be(groups)} each kept in one fold.")
    if results.get("corpus_vetted") is False and results.get("corpus_texts") != 0:
        unpublished = "" if results.get("corpus_published") else " They are no published corpus either."
        sentences.append(f"No physician vetted the texts that the text encoder was trained on.{unpublished}")
    return sentences


def said_of_absent_classes(results: Mapping[str, Any]) -> list[str]:
    """Returns a warning for each class that some folds hold out no case of: "folds_without_class" of results.json."""
    sentences = []
    for found in results.get("folds_without_class", ()):
        folds = found["folds"]
        which = f"{'fold' if len(folds) == 1 else 'folds'} {', '.join(map(str, folds))}"
        of_seed = f" of seed {found['seed']}" if _seeds(results) > 1 else ""
        said = f"{which}{of_seed} {_have(len(folds))} no case of {found['class']}; its F1 is 0 there if predicted, else none"
        whole = set(range(results["folds"])) - set(folds)
        untaught = f"; fold {whole.pop()} holds out all of its cases, and trains on none" if len(whole) == 1 else ""
        sentences.append(f"NOT STRATIFIED: {said}{untaught}.")
    return sentences


def figure(values: Sequence[float | None], seeds: int = 1) -> str:
    """Formats folds' figures in [0, 1] as per cent, "mean (SD)"; None, where a fold has no figure, is left out.

    The standard deviation is that of a sample (ddof = 1); a single fold has none. Of several seeds, which stand one after the
    other, it is the deviation over the folds of one (`over_seeds`).
    """
    if seeds > 1:
        spread = over_seeds(by_seed(values, seeds))
        if spread is None:
            return "-"
        return f"{100 * spread.mean:.2f}" + ("" if spread.fold_sd is None else f" ({100 * spread.fold_sd:.2f})")
    known = [100 * value for value in values if value is not None]
    if not known:
        return "-"
    mean = sum(known) / len(known)
    if len(known) == 1:
        return f"{mean:.2f}"
    variance = sum((value - mean) ** 2 for value in known) / (len(known) - 1)
    return f"{mean:.2f} ({variance**0.5:.2f})"


def _made_otherwise(results: Mapping[str, Any]) -> list[str]:
    """Returns warnings with the rows that other code or other devices have computed, wholly or in part, than wrote this page."""
    words = {
        "prima_jax": ("SEVERAL CODES: what was finished before this package changed was kept as it was", "this package is now"),
        "devices": ("SEVERAL MACHINES: other devices, or another number of them, give other figures", "here:"),
        "jax_enable_x64": ("SEVERAL PRECISIONS: JAX_ENABLE_X64 gives other figures", "here:"),
    }
    sentences = []
    for name, now in results.get("made_with", {}).items():
        rows: dict[str, list[str]] = {}
        for row in results["methods"].values():
            rows.setdefault(row["made_with"][name], []).append(row["title"])
        told = [f"{made}: {'; '.join(titles)}" for made, titles in rows.items() if made != now]  # titles have commas
        if told:
            sentences.append(f"{words[name][0]}. {'. '.join(told)} ({words[name][1]} {now}).")
    return sentences


def _what(results: Mapping[str, Any]) -> str:
    of_classes = "" if results.get("table") == 3 else "F1 of each class, "  # Table 3 has no columns for classes
    figures = f"{of_classes}macro F1, accuracy and balanced accuracy in per cent"
    figures = figures[0].upper() + figures[1:]
    seeds = _seeds(results)
    if seeds > 1:
        return (
            f"{figures}: the mean over {seeds} seeds of their means over {results['folds']} folds, in parentheses the deviation "
            "over the folds of one seed (root mean square)."
        )
    if results["folds"] == 1:
        return f"{figures}, on one fold, hence without a standard deviation."
    return f"{figures}: mean over {results['folds']} folds, in parentheses the sample standard deviation (ddof = 1)."


def _size(results: Mapping[str, Any]) -> str:
    counts = [_count(results[f"{noun}s"], noun) for noun in ("record", "unit", "subject") if f"{noun}s" in results]
    scored = "; a unit's records are diagnosed together" if results.get("case") == "unit" else ""
    return " of ".join(counts) + scored + "." if counts else "The number of records was not noted."


def _split(results: Mapping[str, Any]) -> str:
    group = results["split"]
    stratified = "as far as the groups allow" if results.get("folds_without_class") else "by class"
    rule = f"Folds are stratified {stratified} and grouped by {group}: no {group} is in two folds."
    if group == "site":
        rule = "Each fold holds out one site."
    if group == "subject" or results.get("straddling_subjects") != 0:
        return rule
    return f"{rule} Nor is any subject."


def _no_corpus(results: Mapping[str, Any]) -> list[str]:
    """Returns a warning if the text encoder was trained on no medical prose: it is not the paper's then."""
    if results.get("corpus_texts") != 0:
        return []
    if results.get("seconds", {}).get("knowledge"):
        return ["NO CORPUS: stage 1 read nothing but the training sentences, so this is not the paper's whole method."]
    origin = "as it started out" if results.get("random_weights") else "as published"
    return [f"STAGE 1 SKIPPED: no corpus was read, so the text encoder is {origin} and this is not the paper's whole method."]


def _no_alignment(results: Mapping[str, Any]) -> list[str]:
    if results.get("aligned", True):
        return []
    return [
        "NO ALIGNMENT: stage 2 was not trained, so the image encoder never met the metadata's sentences and this is not the "
        "paper's whole method."
    ]


def _nothing_aligned(results: Mapping[str, Any]) -> list[str]:
    """Returns a warning with the rows whose held-out photographs and sentences find each other as by chance."""
    measured = [row for row in results.get("methods", {}).values() if row.get("alignment")]
    titles = [row["title"] for row in measured if not row["alignment"]["learnt"]]
    if not titles:
        return []
    return [
        "NO ALIGNMENT LEARNT: after stage 2 held-out photographs and sentences find each other no better than by chance, so that "
        f"what the row scores does not come from a shared space: {'; '.join(titles)}."
    ]


def _small_classes(results: Mapping[str, Any]) -> list[str]:
    """Returns a warning with the classes that have too few subjects, in all or held out in a fold, for steady figures."""
    told = []
    for name, counts in results.get("cohort", {}).get("classes", {}).items():
        held_out = [fold["subjects"] for fold in counts["folds"]]
        fewest = min(held_out)
        if counts["subjects"] < FEWEST_SUBJECTS or fewest < FEWEST_HELD_OUT:
            which = f"{fewest} held out in fold {held_out.index(fewest)}"
            told.append(f"{name} has {_count(counts['subjects'], 'subject')}, {which}")
    if not told:
        return []
    return [f"SMALL CLASSES{_first_seed(results)}: {'; '.join(told)}. One subject more or less moves their figures by points."]


def _missingness(results: Mapping[str, Any]) -> list[str]:
    """Returns a warning if missingness predicts the diagnosis, by the rows that see only which fields are filled in."""
    rows = [results["methods"].get(method) for method in ("missingness_only", "majority")]
    if None in rows:
        return []
    scores, seeds = ("accuracy", "balanced_accuracy"), _seeds(results)
    missing, majority = ([figure(row[score], seeds) for score in scores] for row in rows)
    figures = f"gives accuracy and balanced accuracy of {' and '.join(missing)}"
    if any(_exceeds(rows[0][score], rows[1][score], seeds) for score in scores):
        why = "the difference comes from how forms were filled in, not from what they say"
        end = f"the majority class {' and '.join(majority)}; {why}"
    else:
        end = f"no more than the majority class ({' and '.join(majority)}), or by less than the folds differ"
    return [f"MISSINGNESS: which fields are filled in, and nothing else, {figures}, {end}."]


def _exceeds(values: Sequence[float], others: Sequence[float], seeds: int) -> bool:
    """Returns True if the mean gain over the same folds exceeds its standard deviation."""
    gains = [value - other for value, other in zip(values, others, strict=True)]
    by_folds = over_seeds(by_seed(gains, seeds)) if seeds > 1 else None
    if by_folds:
        return by_folds.mean > (by_folds.fold_sd or 0.0)
    mean = sum(gains) / len(gains)
    spread = stdev(gains) if len(gains) > 1 else 0.0
    return mean > spread


def _seeds(results: Mapping[str, Any]) -> int:
    return len(results.get("seeds", (0,)))


def _first_seed(results: Mapping[str, Any]) -> str:
    """Returns a clause that names the first seed, if there are several."""
    return f" (folds of seed {results['seeds'][0]})" if _seeds(results) > 1 else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _be(number: int) -> str:
    return "was" if number == 1 else "were"

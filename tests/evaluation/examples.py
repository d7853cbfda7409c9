"""Results and predictions as a run would have them, with figures that are easy to check by hand."""

from typing import Any

PAD = ("BCC", "SCC", "ACK", "SEK", "MEL", "NEV")
METHODS = (
    "prima", "majority", "metadata_only", "missingness_only", "frozen_tokens", "frozen_tokens_metadata", "image_only",
)  # fmt: skip


def results(names: tuple[str, ...] = PAD, folds: int = 5, **changes: Any) -> dict[str, Any]:
    """PAD-UFES-20 unless told otherwise; every method's figure in fold k is 0.5 + k / 100."""
    figures = [0.5 + k / 100 for k in range(folds)]
    scores = ("macro_f1", "accuracy", "balanced_accuracy")
    methods = {m: {**{s: list(figures) for s in scores}, "f1": {c: list(figures) for c in names}} for m in METHODS}
    return {
        "study": "pad_ufes_20",
        "title": "PAD-UFES-20",
        "synthetic": False,
        "split": "unit",
        "folds": folds,
        "records": 1108,
        "units": 979,
        "subjects": 806,
        "straddling_subjects": 71,
        "missing_images": 946,
        "identical_images": [["a", "b"], ["c", "d"]],
        "hidden_block": "",
        "shuffled": "",
        "random_weights": True,
        "corpus_vetted": False,
        "config_hash": "0123456789abcdef",
        "versions": {"jax": "0.0.0"},
        "seconds": {"knowledge": 1.0, "align": 2.5, "refine": 3.0, "diagnose": 4.0, "image_only": 5.0},
        "peak_memory_bytes": 2**30,
        "methods": methods,
        **changes,
    }


def synthetic_results(**changes: Any) -> dict[str, Any]:
    """The synthetic study in AQUA's format."""
    described = {"study": "aqua", "title": "AQUA (slit-lamp keratitis)", "synthetic": True, "split": "subject"}
    return results(("bacterial", "fungal"), **{**described, "straddling_subjects": 0, **changes})


def predictions(classes: tuple[str, ...] = PAD) -> list[dict[str, Any]]:
    """Two records a fold of two folds, for two methods; every one is taken for the first class."""
    sure = {f"p_{c}": 1.0 if n == 0 else 0.0 for n, c in enumerate(classes)}
    return [
        {
            "method": method,
            "record": f"r{fold}{n}",
            "unit": f"u{fold}{n}",
            "subject": "s",
            "fold": fold,
            "label": classes[n],
            "predicted": classes[0],
            **sure,
        }
        for method in ("majority", "prima")
        for fold in range(2)
        for n in range(2)
    ]

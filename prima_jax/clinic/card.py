"""README.md of a bundle: what it is for, how it was made, how good it is, for whom, and what it must not be used for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from huggingface_hub import ModelCard, ModelCardData
from ml_collections import ConfigDict

from prima_jax.clinic.withheld import LEAST_SUBJECTS, public_groups
from prima_jax.experiment.calibration import Calibration
from prima_jax.metrics.conformal import smallest_error_rate
from prima_jax.report.prediction_sets import sets_table
from prima_jax.report.statistics import score_lines
from prima_jax.report.subgroups import groups_table
from prima_jax.report.table import markdown
from prima_jax.studies.study import Attribute, Study

__all__ = ["card"]

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("prima_jax.clinic"), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def card(
    config: ConfigDict,
    study: Study,
    results: Mapping[str, Any],
    calibration: Calibration,
    seen: Mapping[str, Any],
    warnings: tuple[str, ...],
) -> str:
    """Returns the model card of a finished run (huggingface_hub's ModelCard); results: what its results.json holds."""
    found = results["statistics"]["methods"]["prima"]
    subgroups, sets = public_groups(study, seen, found)
    weights = {name: config.models[name].weights for name in ("image", "text", "llm")}
    subjects = calibration.held_out.subjects
    body = _TEMPLATES.get_template("card.md").render(
        study=study,
        results=results,
        scores=score_lines(found["intervals"]),
        found=found,
        temperature=calibration.temperature,
        classes=[
            (name, 100 * rate, round(count), smallest)
            for name, rate, count, smallest in zip(
                study.class_names, calibration.base_rates, subjects, smallest_error_rate(subjects), strict=True
            )
        ],
        least=LEAST_SUBJECTS,
        sets=markdown(sets_table(sets)),
        subgroups=markdown(groups_table(subgroups, results["classes"], study.class_names)) if subgroups else "",
        fields=[(one.name, _trained_on(one, seen["fields"].get(one.name, []))) for one in study.shown()],
        weights={name: Path(folder).name if folder else "" for name, folder in weights.items()},
        licences={name: _licences(Path(folder)) for name, folder in weights.items() if folder},
        warnings=warnings,
        group=config.split.group,
    )
    data = ModelCardData(library_name="prima-jax", tags=["medical", "jax", "image-classification"])
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}"))


def _trained_on(attribute: Attribute, values: Sequence[Any]) -> str:
    """A number's range, or the other values."""
    if attribute.kind == "number":
        return " to ".join(f"{value:g}" for value in values)
    return ", ".join(("yes" if value else "no") if attribute.kind == "yes_no" else value for value in values)


def _licences(folder: Path) -> list[str]:
    """The names of the licence files that were published with the weights."""
    return sorted(file.name for file in folder.glob("LICENSE*"))

"""report.html: one self-contained page, no scripts, nothing loaded from anywhere."""

import base64
from collections.abc import Mapping
from typing import Any

import jinja2

from prima_jax.report.captions import facts, warnings
from prima_jax.report.curves import stage_name
from prima_jax.report.scores import class_order, score_table
from prima_jax.report.sections import sections
from prima_jax.report.table import Table

__all__ = ["page"]

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("prima_jax.report"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
)
_TEMPLATES.filters["base64"] = lambda picture: base64.b64encode(picture).decode()


def page(
    results: Mapping[str, Any],
    *,
    losses: Mapping[str, bytes],
    confusions: Mapping[str, bytes],
    reliabilities: Mapping[str, bytes],
    risk_coverage: bytes,
    errors: Table | None,
    photographs: Mapping[str, bytes],
    config: str,
) -> str:
    """Renders the page, pictures as PNG bytes by their titles: its headings are a clinician's questions, in their order."""
    studied = facts(results)[1:]  # the first says how the figures are measured, and stands under them
    return _TEMPLATES.get_template("report.html").render(
        scores=score_table(results),
        synthetic=results["synthetic"],
        warnings=warnings(results),
        asked=[f"Of each case: which of {', '.join(class_order(results))} it is.", *studied],
        notes=[sentence for sentence in score_table(results).notes if sentence not in (*warnings(results), *studied)],
        sections=sections(results),
        seconds=[(stage_name(stage), f"{value:,.1f} s") for stage, value in results["seconds"].items()],
        losses=losses,
        confusions=confusions,
        reliabilities=reliabilities,
        risk_coverage=risk_coverage,
        errors=errors,
        photographs=photographs,
        versions=sorted(results["versions"].items()),
        config_hash=results["config_hash"],
        config=config,
    )

"""A finished run as a bundle: what is asked of it before it may be handed over."""

from pathlib import Path

from prima_jax.clinic.bundle import is_bundle, write_bundle
from prima_jax.clinic.card import card
from prima_jax.clinic.model import load
from prima_jax.clinic.withheld import public_seen
from prima_jax.errors import UserError
from prima_jax.experiment.run import results_folder
from prima_jax.json_text import read_object

__all__ = ["export"]


def export(run: Path, out: Path, *, with_weights: bool = True) -> None:
    """Writes the bundle of a run. Raises UserError where the run is not finished, or was made by an earlier version."""
    if is_bundle(run):
        raise UserError(f"{run} is a bundle already: copy it as it stands.")
    model = load(run)
    if model.calibration is None or model.seen is None:
        raise UserError(f"{run} is not finished: give prima run the command that made it again, which goes on to its end.")
    results = read_object(results_folder(run, model.config.table.number) / "results.json", "run it again, which writes it anew.")
    seen = public_seen(model.study, model.seen)
    said = card(model.config, model.study, results, model.calibration, seen, model.warnings)
    write_bundle(model.workspace, out, card=said, seen=seen, warnings=model.warnings[:-1], with_weights=with_weights)
    if with_weights:
        _ = load(out).models  # read back: whatever is missing is told now, not where it is received

"""Mutation testing of the losses: applies one mutation at a time and runs their tests, one of which has to fail.

    python -m scripts.mutate_losses              all of them, about twenty minutes on two cores
    python -m scripts.mutate_losses transposed   those whose name holds a word

Each mutation replaces one piece of prima_jax/losses.py in a copy of the code. Exits with 1 if one was not caught.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

__all__ = ["MUTATIONS", "Mutation", "main", "mutated"]

ROOT = Path(__file__).parents[1]
LOSSES = Path("prima_jax") / "losses.py"
TESTS = ("against_loops", "closed_forms", "invariances", "gradients", "devices", "extremes", "arguments", "memory")
"""Under tests/losses/, in the order in which they run: a mutation is caught at the first test that fails."""


class Mutation(NamedTuple):
    """One piece of the losses and its replacement."""

    name: str
    old: str
    """Occurs in losses.py exactly once."""
    new: str


MUTATIONS = (
    Mutation("Eq. 1: no temperature", "_unit(_accurate(b))) / temperature", "_unit(_accurate(b)))"),
    Mutation("Eq. 1: times the temperature", "_unit(_accurate(b))) / temperature", "_unit(_accurate(b))) * temperature"),
    Mutation("Eq. 1: inner product instead of cosine", "_dot(_unit(_accurate(a)),", "_dot(_accurate(a),"),
    Mutation("Eq. 1: squares over- and underflow", "    x = x / _scale(x)\n", ""),
    Mutation(
        "Eq. 1: the root is left out",
        "x / jnp.sqrt(jnp.where(squared > 0, squared, 1))",
        "x / jnp.where(squared > 0, squared, 1)",
    ),
    Mutation("Eq. 1: a zero vector is not caught", "jnp.where(squared > 0, squared, 1)", "squared"),
    Mutation("Eq. 1: in the type of the inputs", "x.astype(np.promote_types(x.dtype, np.float32))", "x"),
    Mutation(
        "Eq. 1: inner products in the device's own precision",
        '"...nd,...md->...nm", a, b, precision="highest"',
        '"...nd,...md->...nm", a, b',
    ),
    Mutation("Eq. 2: sign", "    return -jnp.mean(log_probability)", "    return jnp.mean(log_probability)"),
    Mutation("Eq. 2: sum instead of mean", "-jnp.mean(log_probability)", "-jnp.sum(log_probability)"),
    Mutation(
        "Eq. 2: an anchor is its own negative",
        "jnp.where(jax.nn.one_hot(own, within.shape[1], dtype=bool), -jnp.inf, within)",
        "within",
    ),
    Mutation("Eq. 2: no negatives within the view", "jnp.concatenate([across, within], axis=1)", "across"),
    Mutation(
        "Eq. 2: the positive is no candidate",
        "within = jnp.where(jax.nn.one_hot(own, within.shape[1], dtype=bool), -jnp.inf, within)",
        "across = jnp.where(jax.nn.one_hot(own, within.shape[1], dtype=bool), -jnp.inf, across)",
    ),
    Mutation(
        "Eq. 2: missing gather across the views",
        "similarity(anchor, gather(other, axis_name), temperature)",
        "similarity(anchor, other, temperature)",
    ),
    Mutation(
        "Eq. 2: missing gather within the view",
        "similarity(anchor, gather(anchor, axis_name), temperature)",
        "similarity(anchor, anchor, temperature)",
    ),
    Mutation(
        "Eq. 2: view 2 is never an anchor",
        "_view_contrast(second, first, temperature, axis_name)",
        "_view_contrast(first, second, temperature, axis_name)",
    ),
    Mutation("Eq. 2: both anchors are summed", "    return (loss + _view", "    return 2 * (loss + _view"),
    Mutation("Eq. 3: sign", "    return -jnp.mean(jnp.stack(own_pairs))", "    return jnp.mean(jnp.stack(own_pairs))"),
    Mutation("Eq. 3: sum over the four terms", "-jnp.mean(jnp.stack(own_pairs))", "-4 * jnp.mean(jnp.stack(own_pairs))"),
    Mutation(
        "Eq. 3: images only find texts",
        "for a, b in ((p_cls[:, view], all_q), (q_cls, all_p[:, view]))",
        "for a, b in ((p_cls[:, view], all_q), (p_cls[:, view], all_q))",
    ),
    Mutation("Eqs. 3 and 6: view 1 twice", "for view in range(2) for a, b", "for view in (0, 0) for a, b"),
    Mutation(
        "Eqs. 3 and 6: transposed softmax",
        "jax.nn.log_softmax(similarity(a, b, temperature), axis=-1)",
        "jax.nn.log_softmax(similarity(a, b, temperature), axis=0)",
    ),
    Mutation("Eqs. 3 and 6: softmax without logarithm", "jax.nn.log_softmax(similarity(a, b", "jax.nn.softmax(similarity(a, b"),
    Mutation(
        "Eqs. 3 and 6: missing gather of the images",
        "all_p, all_q = gather(p_cls, axis_name), gather",
        "all_p, all_q = p_cls, gather",
    ),
    Mutation(
        "Eqs. 3 and 6: missing gather of the texts",
        "gather(p_cls, axis_name), gather(q_cls, axis_name)",
        "gather(p_cls, axis_name), q_cls",
    ),
    Mutation("Eqs. 2 to 6: each device takes the first columns", "jax.lax.axis_index(axis_name) * share", "0"),
    Mutation("Eq. 4: no root of the width", "/ jnp.sqrt(p.shape[-1])", ""),
    Mutation("Eq. 4: softmax over the words", "* magnitude, axis=-1)", "* magnitude, axis=-2)"),
    Mutation(
        "Eq. 4: cosine instead of inner product",
        "jax.nn.softmax(_dot(q / q_scale, p / p_scale) * magnitude",
        "jax.nn.softmax(_dot(_unit(q), _unit(p))",
    ),
    Mutation(
        "Eq. 4: the inner product overflows",
        "jax.nn.softmax(_dot(q / q_scale, p / p_scale) * magnitude",
        "jax.nn.softmax(_dot(q, p) / jnp.sqrt(p.shape[-1])",
    ),
    Mutation(
        "Eq. 4: no bound on a score",
        "jnp.minimum(q_scale * jnp.swapaxes(p_scale, -1, -2) / jnp.sqrt(p.shape[-1]), _LARGEST_SCORE)",
        "q_scale * jnp.swapaxes(p_scale, -1, -2) / jnp.sqrt(p.shape[-1])",
    ),
    Mutation("Eq. 5: sign", "    return -jnp.mean(per_patient) / 4", "    return jnp.mean(per_patient) / 4"),
    Mutation("Eq. 5: divided by two", "-jnp.mean(per_patient) / 4", "-jnp.mean(per_patient) / 2"),
    Mutation("Eq. 5: masked words are negatives", "jnp.where(valid[..., None, :], scores, -jnp.inf)", "scores"),
    Mutation("Eq. 5: masked words are anchors", "jnp.sum(jnp.where(valid, both, 0), axis=-1)", "jnp.sum(both, axis=-1)"),
    Mutation(
        "Eq. 5: mask of anchors instead of negatives",
        "jnp.where(valid[..., None, :], scores, -jnp.inf)",
        "jnp.where(valid[..., :, None], scores, -jnp.inf)",
    ),
    Mutation(
        "Eq. 5: divided by the padded length", "jnp.maximum(jnp.sum(valid, axis=-1, dtype=both.dtype), 1)", "valid.shape[-1]"
    ),
    Mutation(
        "Eq. 5: a patient without words divides by zero",
        "jnp.maximum(jnp.sum(valid, axis=-1, dtype=both.dtype), 1)",
        "jnp.sum(valid, axis=-1, dtype=both.dtype)",
    ),
    Mutation(
        "Eq. 5: printed denominators run over the words",
        "        both = 2 * first\n",
        "        both = 2 * _diagonal_log_softmax(jnp.swapaxes(scores, -1, -2), valid)\n",
    ),
    Mutation(
        "Eq. 5: symmetric is not transposed",
        "_diagonal_log_softmax(jnp.swapaxes(scores, -1, -2), valid)",
        "_diagonal_log_softmax(scores, valid)",
    ),
    Mutation(
        "Eq. 5: words attend to the other view",
        "cross_attention(p, q), p, precision",
        "cross_attention(p[..., ::-1, :, :], q), p, precision",
    ),
    Mutation(
        "Eq. 5: the mean patch of both views",
        "mean = jnp.mean(p, axis=-2, keepdims=True)",
        "mean = jnp.mean(p, axis=(-3, -2), keepdims=True)",
    ),
    Mutation("Eq. 5: all patients at once", "if p_seq.shape[0] <= PATIENTS_PER_CHUNK:", "if True:"),
    Mutation(
        "Eq. 6: no temperature of the labels",
        "jax.nn.softmax(scores / label_temperature, axis=-1)",
        "jax.nn.softmax(scores, axis=-1)",
    ),
    Mutation(
        "Eq. 6: the columns of the targets sum to one",
        "jax.nn.softmax(scores / label_temperature, axis=-1)",
        "jax.nn.softmax(scores / label_temperature, axis=0)",
    ),
    Mutation("Eq. 6: labels of length one", "    y = _accurate(y)\n", "    y = _unit(_accurate(y))\n"),
    Mutation("Eq. 6: labels overflow", "_dot(y / unit, y / unit) * jnp.minimum(unit * unit, _LARGEST_SCORE)", "_dot(y, y)"),
    Mutation("Eq. 6: sign", "        return -total / (4 * share * batch)", "        return total / (4 * share * batch)"),
    Mutation("Eq. 6: printed divides by the share", "-total / (4 * share * batch)", "-total / (4 * share * share)"),
    Mutation(
        "Eq. 6: batch divides by N squared",
        "        return -total / (4 * share)\n",
        "        return -total / (4 * share * batch)\n",
    ),
    Mutation("Eq. 6: targets of the texts are not transposed", "targets[:, own].T", "targets[own]"),
    Mutation("Eq. 6: missing gather of the labels", "soft_targets(gather(y, axis_name), label", "soft_targets(y, label"),
    Mutation(
        "Eq. 7: two weights exchanged",
        "weights: tuple[float, float, float, float] = (0.2, 0.3, 0.2, 0.3)",
        "weights: tuple[float, float, float, float] = (0.2, 0.3, 0.3, 0.2)",
    ),
    Mutation("Eq. 7: without weights", "[weight * part for weight, part in zip", "[part for weight, part in zip"),
    Mutation(
        "Eq. 7: temperatures exchanged",
        "            temperature=temperature,\n            label_temperature=label_temperature,",
        "            temperature=label_temperature,\n            label_temperature=temperature,",
    ),
    Mutation(
        "Eq. 7: anchors ignored", "temperature=temperature, anchors=anchors, axis_name", "temperature=temperature, axis_name"
    ),
    Mutation(
        "Eq. 7: negatives ignored",
        "temperature=temperature, negatives=negatives, pooling=pooling",
        "temperature=temperature, pooling=pooling",
    ),
    Mutation(
        "Eq. 7: pooling ignored",
        "temperature=temperature, negatives=negatives, pooling=pooling",
        "temperature=temperature, negatives=negatives",
    ),
    Mutation("Eq. 7: normalizer ignored", "            normalizer=normalizer,\n", ""),
    Mutation(
        "Eq. 7: L_glo ignores the other devices",
        "global_semantic_loss(p_cls, q_cls, temperature=temperature, axis_name=axis_name),",
        "global_semantic_loss(p_cls, q_cls, temperature=temperature),",
    ),
    Mutation(
        "arguments are not checked", "    _check(p_cls=p_cls, p_seq=p_seq, q_cls=q_cls, q_seq=q_seq, q_mask=q_mask, y=y)\n", ""
    ),
)


def mutated(source: str, mutation: Mutation) -> str:
    """Returns the source of the losses with one piece replaced. Raises ValueError unless the piece occurs there once."""
    if source.count(mutation.old) != 1:
        raise ValueError(f"{mutation.name}: {mutation.old!r} stands {source.count(mutation.old)} times in {LOSSES}")
    return source.replace(mutation.old, mutation.new)


def main(words: Iterable[str]) -> int:
    """Prints the test that caught each mutation; returns the exit code."""
    words = list(words)
    mutations = [one for one in MUTATIONS if not words or any(word in one.name for word in words)]
    source, missed = (ROOT / LOSSES).read_text(), 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("prima_jax", "tests", "configs", "scripts"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "golden"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if (failure := _first_failure(copy)) is not None:
            print(f"The tests fail before any mutation: {failure}", file=sys.stderr)
            return 2
        for mutation in tqdm(mutations, unit="mutation"):
            (copy / LOSSES).write_text(mutated(source, mutation))
            failure = _first_failure(copy)
            missed += failure is None
            tqdm.write(f"{mutation.name:58} {failure or 'NOT CAUGHT'}")
            sys.stdout.flush()
    print(f"{len(mutations) - missed} of {len(mutations)} mutations of the losses were caught.")
    return 1 if missed else 0


def _first_failure(folder: Path) -> str | None:
    """Returns the name of the first failing fast test of the losses in `folder`; None if all pass."""
    files = [f"tests/losses/test_{name}.py" for name in TESTS]
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "--tb=no", *files]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    failed = [line.split()[1].rpartition("/")[2] for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if done.returncode != 1 or not failed:
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return failed[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

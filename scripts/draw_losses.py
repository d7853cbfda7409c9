"""Draws docs/losses/*.png: how each alignment loss moves with temperature, batch size and noise.

    python -m scripts.draw_losses

The tokens are drawn at random, no photographs and no patients: each patient, and each word, has a direction of its own,
and every token that shows it is that direction plus noise.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import matplotlib
import numpy as np

matplotlib.use("Agg")

from matplotlib import pyplot

from prima_jax import losses

FOLDER = Path(__file__).parents[1] / "docs" / "losses"
SEEDS = range(5)
WIDTH, PATCHES, WORDS, ATTRIBUTES, CLASSES = 128, 32, 8, 12, 4
TEMPERATURE, LABEL_TEMPERATURE, PATIENTS, NOISE = 0.07, 1.0, 64, 1.0
TEMPERATURES = np.geomspace(1e-3, 1e2, 26)
BATCH_SIZES = 2 ** np.arange(1, 10)
NOISES = np.concatenate([[0.0], np.geomspace(0.1, 10, 20)])
UNRELATED = 1e6
"""Noise that leaves nothing of the direction."""
TERMS = {
    "image": ("L_img, Eq. 2", {"as printed": {}, "both views as anchors": {"anchors": "both"}}),
    "global": ("L_glo, Eq. 3", {"as printed": {}}),
    "local": (
        "L_loc, Eqs. 4-5",
        {
            "as printed": {},
            "symmetric negatives": {"negatives": "symmetric"},
            "mean patch": {"pooling": "mean"},
            "mean patch, symmetric": {"pooling": "mean", "negatives": "symmetric"},
        },
    ),
    "soft": ("L_soft, Eq. 6", {"as printed": {}, "normalizer = batch": {"normalizer": "batch"}}),
}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)

    def at_temperature(temperature: float, noise: float, seed: int, options: dict[str, str]) -> dict[str, float]:
        return parts(draw(PATIENTS, noise, seed), temperature, options)

    def of_batch(patients: float, noise: float, seed: int, options: dict[str, str]) -> dict[str, float]:
        return parts(draw(int(patients), noise, seed), TEMPERATURE, options)

    def with_noise(noise: float, _: float, seed: int, options: dict[str, str]) -> dict[str, float]:
        return parts(draw(PATIENTS, noise, seed), TEMPERATURE, options)

    picture("temperature", "temperature", TEMPERATURES, at_temperature, (NOISE, UNRELATED))
    picture("batch_size", "patients in the batch, N", BATCH_SIZES, of_batch, (NOISE, UNRELATED))
    picture("noise", "length of the noise, over that of the direction", NOISES, with_noise, (NOISE,))


def draw(patients: int, noise: float, seed: int) -> tuple[np.ndarray, ...]:
    """p_cls, p_seq, q_cls, q_seq, q_mask, y. Word l is shown by every WORDS-th patch; metadata are unrelated to both."""
    r = np.random.default_rng(seed)

    def seen(direction: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        length = np.hypot(1, noise)
        return ((direction + noise * r.normal(size=shape) / np.sqrt(WIDTH)) / length).astype(np.float32)

    person, words = (_unit(r.normal(size=(patients, n, WIDTH))) for n in (1, WORDS))
    shown = np.tile(words, (1, PATCHES // WORDS, 1))[:, None]
    strength = np.float32(np.sqrt(WIDTH))  # inner products that attention can use, after the division in Eq. 4
    p_seq = strength * seen(shown, (patients, 2, PATCHES, WIDTH))
    q_seq = strength * seen(words, (patients, WORDS, WIDTH))
    classes = 3 * np.eye(CLASSES)[r.integers(CLASSES, size=patients)]
    y = np.concatenate([r.random((patients, ATTRIBUTES)) < 0.3, classes], axis=1).astype(np.float32)
    p_cls, q_cls = seen(person, (patients, 2, WIDTH)), seen(person, (patients, 1, WIDTH))[:, 0]
    return p_cls, p_seq, q_cls, q_seq, np.ones((patients, WORDS), bool), y


def parts(tokens: tuple[np.ndarray, ...], temperature: float, options: dict[str, str]) -> dict[str, float]:
    parts = _parts(*tokens, np.float32(temperature), **options)
    return {name: float(value) for name, value in parts.items()}


@jax.jit(static_argnames=("anchors", "negatives", "pooling", "normalizer"))
def _parts(p_cls, p_seq, q_cls, q_seq, q_mask, y, temperature, **options):
    arrays = (p_cls, p_seq, q_cls, q_seq, q_mask, y)
    return losses.alignment_loss(*arrays, temperature=temperature, label_temperature=LABEL_TEMPERATURE, **options)[1]


def picture(
    name: str,
    label: str,
    values: np.ndarray,
    function: Callable[[float, float, int, dict[str, str]], dict[str, float]],
    noises: Sequence[float],
) -> None:
    """One panel a term: solid lines at the first noise, dotted ones at the second; mean over SEEDS."""
    figure, panels = pyplot.subplots(1, 4, figsize=(15, 3.6), layout="constrained")
    for panel, (term, (title, variants)) in zip(panels, TERMS.items(), strict=True):
        for number, (variant, options) in enumerate(variants.items()):
            for noise, style in zip(noises, ("-", ":"), strict=False):
                line = [np.mean([function(x, noise, seed, options)[term] for seed in SEEDS]) for x in values]
                words = variant if style == "-" else None
                panel.plot(values, line, style, color=f"C{number}", label=words)
        panel.set(title=title, xlabel=label)
        panel.grid(alpha=0.3)
        if name == "noise":
            panel.set_xscale("symlog", linthresh=0.1)
        else:
            panel.set_xscale("log", base=2 if name == "batch_size" else 10)
            panel.set_yscale("symlog", linthresh=0.01)
        panel.set_ylim(bottom=0)
        panel.legend(fontsize=8)
    figure.savefig(FOLDER / f"{name}.png", dpi=80)
    pyplot.close(figure)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


if __name__ == "__main__":
    main()

"""Draws the synthetic study's photographs: a schematic slit-lamp photograph of an eye, and the mask of every sign in it."""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter

from prima_jax.studies.synthetic.evidence import Eye

__all__ = ["MASKS", "draw"]

MASKS = {
    "infiltrate": ("white", "blue", "scatter"),
    "feathery_edge": ("white", "blue", "scatter"),
    "satellites": ("white", "blue", "scatter"),
    "ring": ("white", "blue", "scatter"),
    "hypopyon": ("white", "blue", "scatter"),
    "graft": ("white", "blue", "scatter"),
    "epithelial_defect": ("blue",),
}
"""Every sign that has a mask, and the illuminations in which it can be seen."""

Color = tuple[float, float, float]
IRIDES: tuple[Color, ...] = ((0.40, 0.25, 0.14), (0.47, 0.36, 0.20), (0.36, 0.46, 0.54), (0.30, 0.18, 0.10))
SKINS: tuple[Color, ...] = ((0.88, 0.70, 0.60), (0.76, 0.57, 0.45), (0.55, 0.38, 0.28), (0.38, 0.26, 0.19))
INK: dict[str, dict[str, Color]] = {
    "infiltrate": {"white": (0.99, 0.92, 0.66), "blue": (0.62, 0.74, 1.00), "scatter": (1.00, 0.95, 0.74)},
    "dry_infiltrate": {"white": (0.74, 0.74, 0.73), "blue": (0.34, 0.42, 0.76), "scatter": (0.64, 0.66, 0.70)},
    "satellites": {"white": (0.99, 0.74, 0.36), "blue": (0.25, 0.95, 0.85), "scatter": (1.00, 0.78, 0.44)},
    "ring": {"white": (0.86, 0.88, 0.86), "blue": (0.40, 0.52, 0.95), "scatter": (0.88, 0.88, 0.84)},
    "hypopyon": {"white": (0.93, 0.86, 0.58), "blue": (0.34, 0.46, 0.72), "scatter": (0.66, 0.61, 0.44)},
    "graft": {"white": (0.78, 0.80, 0.82), "blue": (0.38, 0.48, 0.88), "scatter": (0.70, 0.72, 0.72)},
    "epithelial_defect": {"blue": (0.52, 1.00, 0.30)},
}


@dataclass
class _Canvas:
    """One photograph being drawn: x, y in -1..1 over the picture; u, v and rho, theta in radii of the cornea."""

    image_type: str
    pixel: float
    x: np.ndarray
    y: np.ndarray
    u: np.ndarray
    v: np.ndarray
    rho: np.ndarray
    theta: np.ndarray
    radius: float
    image: np.ndarray
    masks: dict[str, np.ndarray] = field(default_factory=dict)

    def paint(self, coverage: np.ndarray, color: Color | np.ndarray, opacity: float = 1.0, stain: bool = False) -> None:
        """Blends a colour over the picture; by its opacity it hides the signs below it, unless it is a stain."""
        alpha = (coverage * opacity).astype(np.float32)
        self.image += alpha[..., None] * (np.asarray(color, np.float32) - self.image)
        for sign in () if stain else self.masks:
            self.masks[sign] = self.masks[sign] * (1 - alpha)

    def anatomy(self, coverage: np.ndarray, color: Color | np.ndarray, opacity: float = 1.0) -> None:
        """Paints normal anatomy in the illumination of the photograph."""
        self.paint(coverage, _lit(np.asarray(color, np.float32), self.image_type), opacity)

    def sign(self, name: str, coverage: np.ndarray, ink: str, opacity: float) -> None:
        """Paints a sign of disease and keeps its mask; fluorescein only stains what lies below."""
        self.paint(coverage, INK[ink][self.image_type], opacity, stain=name == "epithelial_defect")
        self.masks[name] = coverage

    def inside(self, distance: np.ndarray, width: float = 1.5) -> np.ndarray:
        """1 where a signed distance in radii of the cornea is below zero, with an edge `width` pixels wide."""
        return np.clip(0.5 - distance * (self.radius / (self.pixel * width)), 0, 1)


def draw(eye: Eye, image_type: str, rng: np.random.Generator, size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One photograph uint8 `[size, size, 3]` and the visible part of each sign, bool `[size, size]`.

    `rng` moves and exposes the photograph; what belongs to the eye comes from the eye itself. Neither is drawn upon
    more or less because of a sign, so the same eye without a sign gives the same photograph but for that sign.
    """
    person = np.random.default_rng(eye.shape_seed)
    canvas = _frame(image_type, rng, size)
    _sclera(canvas, person)
    _iris(canvas, person)
    _signs(canvas, eye, person)
    _glare(canvas, rng)
    _lids(canvas, person, rng)
    image = _expose(canvas.image, rng)
    return image, {name: mask > 0.5 for name, mask in canvas.masks.items() if (mask > 0.5).any()}


def _lit(color: np.ndarray, image_type: str) -> np.ndarray:
    if image_type == "white":
        return color
    if image_type == "scatter":
        return color * np.array((0.30, 0.27, 0.25), np.float32)
    gray = color.mean(axis=-1, keepdims=True)
    return gray * np.array((0.16, 0.28, 0.95), np.float32)


def _frame(image_type: str, rng: np.random.Generator, size: int) -> _Canvas:
    axis = ((np.arange(size) + 0.5) * (2 / size) - 1).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    radius = float(rng.uniform(0.68, 0.76))
    u, v = (x - rng.normal(0, 0.04)) / radius, (y - 0.03 - rng.normal(0, 0.03)) / radius
    u, v = u.astype(np.float32), v.astype(np.float32)
    return _Canvas(
        image_type, 2 / size, x, y, u, v, np.hypot(u, v), np.arctan2(v, u), radius, np.zeros((size, size, 3), np.float32)
    )


def _sclera(canvas: _Canvas, person: np.random.Generator) -> None:
    rho, theta = canvas.rho, canvas.theta
    redness = person.uniform(0.1, 0.8)
    everywhere = np.ones_like(rho)
    canvas.anatomy(everywhere, (0.93, 0.88, 0.84))
    canvas.anatomy(np.clip(1.9 - rho, 0, 1), (0.90, 0.52, 0.47), 0.5 * redness)
    for count in (7, 11, 17):
        sway = person.uniform(0.1, 0.3) * np.sin(person.uniform(5, 9) * rho + person.uniform(0, 6))
        vessel = np.exp(-((np.sin(count / 2 * theta + person.uniform(0, 6) + sway) / (count * 0.022)) ** 2))
        canvas.anatomy(vessel, (0.72, 0.16, 0.16), 0.25 + 0.5 * redness)
    if canvas.image_type == "scatter":  # light enters at the limbus, runs inside the cornea and leaves around it
        canvas.paint(np.exp(-(((rho - 1.02) / 0.07) ** 2)), (0.98, 0.90, 0.76), 0.75)


def _iris(canvas: _Canvas, person: np.random.Generator) -> None:
    rho, theta = canvas.rho, canvas.theta
    color = np.array(IRIDES[person.integers(len(IRIDES))], np.float32)
    fibers = sum(
        person.uniform(0.04, 0.09) * np.cos(n * theta + person.uniform(0, 6) + person.uniform(-3, 3) * rho) for n in (13, 21, 34)
    )
    shade = (1 + fibers) * (1.05 - 0.35 * np.clip(rho, 0, 1) ** 3)
    canvas.anatomy(canvas.inside(rho - 1, 4), color * shade[..., None])
    canvas.anatomy(canvas.inside(rho - person.uniform(0.26, 0.36)), (0.04, 0.035, 0.035))


def _signs(canvas: _Canvas, eye: Eye, person: np.random.Generator) -> None:
    """Draws upon `person` for every sign, there or not, so that signs do not shift each other."""
    shown = {name for name, value in eye.signs.items() if value == "yes"}
    cornea = canvas.inside(canvas.rho - 0.99, 2)
    graft, ring = _graft(canvas, person), _ring(canvas, person) * cornea
    satellites = _satellites(canvas, eye, person) * cornea
    core, spokes, defect = (part * cornea for part in _infiltrate(canvas, eye, "large_epithelial_defect" in shown, person))
    hypopyon = canvas.inside(person.uniform(0.52, 0.68) - canvas.v + 0.05 * canvas.u**2) * cornea
    if "prior_keratoplasty" in shown:
        canvas.sign("graft", graft, "graft", 0.7)
    if "ring" in shown:
        canvas.sign("ring", ring, "ring", 0.85)
    if "feathery_edge" in shown:
        canvas.sign("feathery_edge", spokes, "dry_infiltrate", 0.9)
    canvas.sign("infiltrate", core, "dry_infiltrate" if "feathery_edge" in shown else "infiltrate", 0.93)
    if canvas.image_type == "blue":
        canvas.sign("epithelial_defect", defect, "epithelial_defect", 0.8)
    if "satellites" in shown:
        canvas.sign("satellites", satellites, "satellites", 0.95)
    if "hypopyon" in shown:
        canvas.sign("hypopyon", hypopyon, "hypopyon", 0.95)


def _graft(canvas: _Canvas, person: np.random.Generator) -> np.ndarray:
    """The edge of a corneal graft and its sixteen sutures."""
    rho, theta = canvas.rho, canvas.theta
    edge = canvas.inside(abs(rho - 0.62) - 0.012)
    spoke = rho * abs(np.sin(8 * theta + person.uniform(0, 6))) / 8
    return np.maximum(edge, canvas.inside(spoke - 0.012) * canvas.inside(abs(rho - 0.62) - 0.1))


def _ring(canvas: _Canvas, person: np.random.Generator) -> np.ndarray:
    """A broad ring infiltrate in the outer cornea."""
    rho, theta = canvas.rho, canvas.theta
    wave = 0.02 * np.sin(3 * theta + person.uniform(0, 6))
    return canvas.inside(abs(rho - 0.80 - wave) - person.uniform(0.06, 0.085), 3)


def _satellites(canvas: _Canvas, eye: Eye, person: np.random.Generator) -> np.ndarray:
    """Four to six round spots on the side of the infiltrate where there is room for them."""
    count, room = person.integers(4, 7), np.arctan2(-eye.center[1], -eye.center[0])
    spread = np.pi if np.hypot(*eye.center) < 0.15 else 0.62 * np.pi
    coverage = np.zeros_like(canvas.u)
    for k, (jitter, gap, size) in enumerate(person.uniform(0, 1, (6, 3))):
        angle = room + spread * (2 * (k + 0.2 + 0.6 * jitter) / count - 1)
        away = eye.radius + 0.27 + 0.13 * gap
        u, v = eye.center[0] + away * np.cos(angle), eye.center[1] + away * np.sin(angle)
        spot = canvas.inside(np.hypot(canvas.u - u, canvas.v - v) - (0.075 + 0.03 * size))
        coverage = np.maximum(coverage, spot * (k < count))
    return coverage


def _infiltrate(
    canvas: _Canvas, eye: Eye, large_defect: bool, person: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coverage of the body of the infiltrate, of the feathery spokes beyond it and of the epithelial defect."""
    u, v = canvas.u - eye.center[0], canvas.v - eye.center[1]
    distance, angle = np.hypot(u, v), np.arctan2(v, u)
    lobes = 1 + 0.08 * np.sin(2 * angle + person.uniform(0, 6)) + 0.05 * np.sin(3 * angle + person.uniform(0, 6))
    core = canvas.inside(distance - eye.radius * lobes)
    spoke = abs(np.cos(person.integers(8, 12) / 2 * angle + person.uniform(0, 6))) ** 3
    reach = eye.radius * lobes + (0.12 + 0.45 * eye.radius) * spoke * (1 + 0.3 * np.sin(5 * angle + person.uniform(0, 6)))
    spokes = canvas.inside(distance - reach, 2) * (1 - core)
    wide, narrow = eye.radius + person.uniform(0.14, 0.20), eye.radius * person.uniform(0.45, 0.6)
    defect = canvas.inside(distance - (wide if large_defect else narrow) * lobes)
    return core, spokes, defect


def _glare(canvas: _Canvas, rng: np.random.Generator) -> None:
    """The lamp's own reflex: two soft boxes on the cornea, or the beam at the limbus in sclerotic scatter."""
    u0, v0, tall = rng.uniform(-0.35, 0.35), rng.uniform(-0.5, -0.25), rng.uniform(0.05, 0.09)
    side = rng.choice((-1.0, 1.0))
    if canvas.image_type == "scatter":
        beam = np.exp(-(((canvas.u - side * 1.05) / 0.09) ** 2) - (canvas.v / 0.55) ** 2)
        canvas.paint(beam, (1.0, 0.98, 0.92), 0.9)
        return
    color = (1.0, 1.0, 1.0) if canvas.image_type == "white" else (0.70, 0.82, 1.0)
    for shift in (0.0, 0.17 * side):
        box = np.maximum(abs(canvas.u - u0 - shift) - 0.05, abs(canvas.v - v0) - tall)
        canvas.paint(canvas.inside(box), color, 0.95)


def _lids(canvas: _Canvas, person: np.random.Generator, rng: np.random.Generator) -> None:
    x, y = canvas.x, canvas.y
    skin = np.array(SKINS[person.integers(len(SKINS))], np.float32)
    upper = -0.80 + rng.normal(0, 0.05) + 0.42 * x**2 - y
    lower = y - 0.88 - rng.normal(0, 0.03) + 0.30 * x**2
    if canvas.image_type == "blue":  # fluorescein gathers in the tear film along the lower lid
        canvas.paint(np.exp(-(((lower + 0.03) / 0.04) ** 2)), (0.40, 0.85, 0.35), 0.6)
    for depth in (upper, lower):
        lid = np.clip(0.5 + depth / (2 * canvas.pixel), 0, 1)
        canvas.anatomy(lid, skin * (0.75 + 0.5 * np.clip(depth * 2, 0, 0.5))[..., None])
        canvas.anatomy(np.exp(-(((depth - 0.02) / 0.03) ** 2)), (0.70, 0.42, 0.38), 0.5)
    lash = abs(np.sin(26 * x * (1 - 0.3 * upper) + person.uniform(0, 6))) < 0.35
    canvas.anatomy(lash * (abs(upper + 0.01) < 0.07), (0.10, 0.07, 0.06), 0.7)


def _expose(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exposure, white balance, focus and the noise of the sensor; alike for both organisms."""
    gain = rng.uniform(0.85, 1.12) * rng.uniform(0.94, 1.06, 3)
    blur, noise = rng.uniform(0, 0.7) * len(image) / 96, rng.uniform(0.01, 0.03)
    image = gaussian_filter(image * gain.astype(np.float32), (blur, blur, 0), mode="nearest")
    image = image + noise * rng.standard_normal(image.shape, dtype=np.float32)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)

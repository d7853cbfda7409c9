"""PRIMA in JAX and Flax: diagnosis from images and clinical metadata (Wang et al. 2026, arXiv 2602.23297).

import prima_jax

model = prima_jax.load("runs/demo")  # or a folder that prima export wrote
case = prima_jax.NewCase(images=[("white", "eye.png")], metadata={"age": "83", "contact_lens": "no"})
model.predict([case]).probabilities  # [cases, C]
"""

from typing import Any

__all__ = ["NewCase", "load"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Imported when they are asked for: a command line with a wrong flag should not wait for JAX."""
    if name == "load":
        from prima_jax.clinic.model import load

        return load
    if name == "NewCase":
        from prima_jax.clinic.cases import NewCase

        return NewCase
    raise AttributeError(f"module 'prima_jax' has no attribute {name!r}")

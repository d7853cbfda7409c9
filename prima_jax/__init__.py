"""PRIMA in JAX and Flax: diagnosis from images and clinical metadata (Wang et al. 2026, arXiv 2602.23297).

import prima_jax

model = prima_jax.load("runs/demo")
case = prima_jax.NewCase(images=[("white", "eye.png")], metadata={"age": "83", "contact_lens": "no"})
model.predict([case])  # class probabilities, [cases, C]
"""

from typing import Any

__all__ = ["NewCase", "load"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The names of prima_jax.api, imported when they are asked for: a command line with a wrong flag should not wait for JAX."""
    if name in __all__:
        from prima_jax import api

        return getattr(api, name)
    raise AttributeError(f"module 'prima_jax' has no attribute {name!r}")

"""PRIMA in JAX and Flax: diagnosis from images and clinical metadata (Wang et al. 2026, arXiv 2602.23297)."""

__version__ = "0.1.0"

"""Every method that a row of a table can name."""

from prima_jax.baselines import image_only, metadata_rows, prima

__all__ = ["METHODS"]

METHODS = {method.name: method for method in (prima.METHOD, image_only.METHOD, *metadata_rows.METHODS)}
"""Name -> method."""

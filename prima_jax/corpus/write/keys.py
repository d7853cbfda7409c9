"""API keys: from the environment, and nowhere else."""

import os

from prima_jax.errors import UserError

__all__ = ["read_key"]


def read_key(*variables: str) -> str:
    """The key in the first of these variables that is set. Raises UserError, which never shows it."""
    for variable in variables:
        key = os.environ.get(variable, "").strip()
        if key:
            if not key.isascii() or not key.isprintable() or " " in key:
                raise UserError(f"{variable} holds spaces or characters that no key has; set it to the key alone.")
            return key
    raise UserError(
        f"No API key: set the environment variable {' or '.join(variables)}, or leave this writer out of synthesise.writers."
    )

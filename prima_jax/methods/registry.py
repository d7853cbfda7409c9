"""Every method that a row of a table can name."""

from prima_jax.methods import (
    deepik,
    head_rows,
    image_only,
    knobo,
    medblip,
    medklip,
    metablock,
    metadata_mlp,
    metadata_rows,
    mlrg,
    prima,
    text_llm,
    token_rows,
)

__all__ = ["METHODS"]

METHODS = {
    method.name: method
    for method in (
        prima.METHOD,
        image_only.METHOD,
        medklip.METHOD,
        medblip.METHOD,
        mlrg.METHOD,
        deepik.METHOD,
        metadata_mlp.METHOD,
        knobo.METHOD,
        metablock.METHOD,
        text_llm.METHOD,
        *head_rows.METHODS,
        *token_rows.METHODS,
        *metadata_rows.METHODS,
    )
}
"""Name -> method."""

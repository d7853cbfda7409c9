"""Who writes the claims: families of language models, and a writer that needs none."""

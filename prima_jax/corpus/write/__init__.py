"""Step synthesise: families of language models, or a writer that needs none, write cited claims."""

"""Step learn: stage 1 on a published corpus, and what was learned."""

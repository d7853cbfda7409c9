"""Step check: each claim against what it cites, and family against family. Rules; nothing is learned."""

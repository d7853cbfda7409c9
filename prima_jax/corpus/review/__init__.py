"""Step review: the page on which physicians read each claim beside its sources, and decide."""

"""Step publish: what the reviewers approved, and a card that says how it came about."""

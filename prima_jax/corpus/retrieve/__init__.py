"""Step retrieve: the passages of every topic, the best first."""

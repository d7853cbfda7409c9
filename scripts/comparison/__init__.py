"""Our models beside transformers + torch: random configurations, both sides' answers and gradients, and how they differ."""

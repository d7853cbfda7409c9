"""AdamW with a cosine schedule and 10% warm-up: the optimiser of every stage (section 3 of the paper)."""

import optax

__all__ = ["adamw", "cosine_with_warmup"]


def cosine_with_warmup(peak: float, steps: int, warmup_fraction: float) -> optax.Schedule:
    """Linear from 0 to `peak` over the first `warmup_fraction` of `steps`, then a cosine to 0; a single step is at `peak`."""
    if steps < 2:
        return optax.constant_schedule(peak)
    warmup = min(max(1, round(steps * warmup_fraction)), steps - 1)
    return optax.warmup_cosine_decay_schedule(0.0, peak, warmup, steps)


def adamw(*, learning_rate: float, weight_decay: float, steps: int, warmup_fraction: float) -> optax.GradientTransformation:
    """AdamW as torch has it: decoupled weight decay on every trained tensor, betas (0.9, 0.999), epsilon 1e-8."""
    return optax.adamw(cosine_with_warmup(learning_rate, steps, warmup_fraction), weight_decay=weight_decay)

"""AdamW with a cosine schedule and 10% warm-up: the optimiser of every stage (section 3 of the paper)."""

from collections.abc import Mapping
from typing import Any

import optax

__all__ = ["adamw", "cosine_with_warmup"]


def cosine_with_warmup(peak: float, steps: int, warmup_fraction: float) -> optax.Schedule:
    """Linear from 0 to `peak` over the first `warmup_fraction` of `steps`, then a cosine to 0; a single step is at `peak`."""
    if steps < 2:
        return optax.constant_schedule(peak)
    warmup = min(max(1, round(steps * warmup_fraction)), steps - 1)
    return optax.warmup_cosine_decay_schedule(0.0, peak, warmup, steps)


def adamw(
    *,
    learning_rate: float,
    weight_decay: float,
    steps: int,
    warmup_fraction: float,
    b2: float = 0.999,
    clip_norm: float = 0.0,
    rates: Mapping[str, float] | None = None,
) -> optax.GradientTransformation:
    """AdamW as torch has it: decoupled weight decay on every trained tensor, beta 1 of 0.9, epsilon 1e-8.

    clip_norm: what the norm of all gradients together is scaled down to where it is larger, before the moments; 0: never.
    rates: name -> the peak learning rate of that part of the trained tree, with the same schedule, where it is another one.
    """
    parts = [optax.adamw(cosine_with_warmup(learning_rate, steps, warmup_fraction), b2=b2, weight_decay=weight_decay)]
    if clip_norm:
        parts.insert(0, optax.clip_by_global_norm(clip_norm))
    factors = {name: rate / learning_rate for name, rate in (rates or {}).items() if rate != learning_rate}

    def scale(updates: Any, _: Any = None) -> Any:  # an update of AdamW is linear in the learning rate, its decay included
        return {name: optax.tree.scale(factors.get(name, 1.0), part) for name, part in updates.items()}

    if factors:
        parts.append(optax.stateless(scale))
    return optax.chain(*parts) if len(parts) > 1 else parts[0]

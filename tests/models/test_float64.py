"""In float64 our models and those of transformers are the same function, to a dozen digits.

float32 leaves room for a small mistake below its rounding errors; this does not. Only the angles of RoPE are float32 in
ours, so the reference is given our cosines and sines, which are compared on their own.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.models import dinov3, layers, pretrained
from scripts.comparison.ours import QUICK, ours, probe

pytestmark = pytest.mark.usefixtures("standard_promotion")
LEARNT = ("dinov2_plain", "dinov2_swiglu", "dinov2_with_registers", "bert")
"""Those whose positions are parameters, which no rotation turns."""
ROTARY = ("dinov3_plain", "dinov3_gated", "modernbert", "modernbert_biases", "qwen3_tied", "llama_tied", "llama_untied")
CASES = (*LEARNT, *ROTARY, "qwen3_untied")
LIMIT = 1e-13
"""Relative to the largest value; measured: at most 4e-15, some fifteen roundings of float64."""
ANGLES = 6e-7
"""Rounding an angle of up to 16 to float32 moves it by 4.8e-7 at most, its cosine by another 3e-8; measured: 4e-8."""


def our_rotations(module, inputs):
    """The name of each kind of rotation -> (cosines, sines), each [T, head size]; DINOv3's of the patches alone."""
    config = module.config
    if "pixel_values" in inputs:
        rows, columns = (n // config.patch_size for n in inputs["pixel_values"].shape[1:3])
        found = dinov3.patch_rotation(config, rows, columns)
        return {None: [np.asarray(part[0, 1 + config.num_register_tokens :]) for part in found]}
    positions = jnp.arange(inputs["input_ids"].shape[1])[None]
    if hasattr(config, "local_rope_theta"):
        thetas = {"full_attention": config.global_rope_theta, "sliding_attention": config.local_rope_theta}
        sizes = dict.fromkeys(thetas, config.head_size)
    else:
        thetas, sizes = {None: config.rope_theta}, {None: config.head_dim}
    rotations = {kind: layers.rotary_embedding(positions, theta, sizes[kind]) for kind, theta in thetas.items()}
    return {kind: [np.asarray(part[0]) for part in rotation] for kind, rotation in rotations.items()}


def give_rotations(built, rotations, torch):
    """Makes a model of transformers use our cosines and sines; returns how far each of its own was from them, as it goes."""
    distances = []
    (rotary,) = [m for name, m in built.named_modules() if name.split(".")[-1] in ("rotary_emb", "rope_embeddings")]

    def replace(_, arguments, options, output):
        kind = options.get("layer_type", arguments[2] if len(arguments) > 2 else None)
        replaced = [
            torch.tensor(part, dtype=theirs.dtype).expand_as(theirs) for part, theirs in zip(rotations[kind], output, strict=True)
        ]
        distances.extend(float((a - b).abs().max()) for a, b in zip(replaced, output, strict=True))
        return tuple(replaced)

    rotary.register_forward_hook(replace, with_kwargs=True)
    return distances


@pytest.mark.torch
@pytest.mark.parametrize("case", CASES)
def test_states_logits_and_gradients_in_float64(case, reference, tmp_path):
    from scripts.comparison.differences import differences
    from scripts.comparison.theirs import theirs

    built, given = reference.model(case), reference.inputs(case)
    built.save_pretrained(tmp_path)
    with jax.enable_x64(True):
        module, variables = pretrained.from_pretrained(tmp_path, dtype=jnp.float64)
        asked = probe(module, variables, given, seed=0)
        mine = ours(module, variables, asked, QUICK)
    built = built.double()
    distances = [] if case in LEARNT else give_rotations(built, our_rotations(module, given), reference.torch)
    answer = theirs(built, module, asked)
    assert mine.states.dtype == answer.states.dtype == np.float64
    found = differences(mine, answer, given.get("attention_mask"))
    print(case, found, "rotation", max(distances, default=0))
    assert all(difference < LIMIT for difference in found.values()), found
    assert bool(distances) == (case not in LEARNT)
    assert max(distances, default=0) < ANGLES

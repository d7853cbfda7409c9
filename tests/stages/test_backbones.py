"""A published architecture with numbers drawn at random, which tells what the published numbers are worth."""

import jax
import numpy as np

from prima_jax.models import pretrained
from prima_jax.stages.backbones import Backbones
from tests.stages.tiny import same_bits, tiny_config


def test_random_numbers_take_the_place_of_published_ones_and_nothing_else_does(tmp_path):
    before = tiny_config()
    module = Backbones(before).llm.module
    pretrained.save_pretrained(tmp_path, module, pretrained.init_random(module, 123))

    def read(dtype="float32", **fields):
        config = tiny_config(dtype=dtype)
        with config.unlocked():
            config.models.llm.update({"weights": str(tmp_path), **fields})
        return Backbones(config).llm

    published, drawn, again = read(), read(random=True), read(random=True)
    assert same_bits(drawn.variables, again.variables) and drawn.module == published.module
    shapes = [jax.tree.map(np.shape, one.variables) for one in (published, drawn)]
    assert shapes[0] == shapes[1]
    kernels = [leaf for leaf in jax.tree.leaves(jax.tree.map(np.array_equal, published.variables, drawn.variables)) if not leaf]
    assert len(kernels) > 5  # norms alone begin at one in both
    half = [jax.tree.map(lambda leaf: leaf.dtype, read("bfloat16", random=r).variables) for r in (False, True)]
    assert half[0] == half[1]

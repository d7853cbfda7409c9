"""A batch of 4,096 patients fits: what the compiled gradient allocates beside its inputs and outputs is bounded.

The programs are compiled for the processor and never run. XLA's own account of the largest sum of live arrays is read;
a tenth of a bound is the least that is believed, for a program from which the work was dropped needs nothing.
"""

import jax
import jax.numpy as jnp
import pytest

from prima_jax import losses

N, K, L, D, C = 4096, 196, 64, 512, 128
"""224 x 224 pixels in patches of 16, a long sentence of visible attributes, the default width of the shared space."""
GROUP, FLOAT32 = 64, 4


def shapes():
    def array(*shape, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(shape, dtype)

    tokens = [array(N, 2, D), array(N, 2, K, D), array(N, D), array(N, L, D)]
    return [*tokens, array(N, L, dtype=jnp.bool_), array(N, C)]


def temporary_bytes(function, arguments, differentiated):
    compiled = jax.jit(jax.value_and_grad(function, argnums=differentiated)).lower(*arguments).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def local_bound():
    """One group of patients, forward and backward.

    Of the patches' size: the patches, the same scaled for Eq. 4, and their two cotangents. Of the size of the words'
    pictures, and of the attention: twice that number.
    """
    patches, words, scores = K * D, L * D, L * K
    return GROUP * 2 * FLOAT32 * (4 * patches + 8 * words + 8 * scores)


def test_the_local_term_holds_one_group_of_patients_at_a_time():
    _, p, _, q, mask, _ = shapes()

    def loss(p, q, mask):
        return losses.local_semantic_loss(p, q, mask, temperature=0.07, negatives="symmetric")

    # Measured 248 MiB of 373. All patients at once: 7.5 GiB.
    assert local_bound() / 10 < temporary_bytes(loss, [p, q, mask], (0, 1)) < local_bound()


@pytest.mark.slow
def test_the_sum_holds_a_few_similarity_matrices_beside_that():
    def loss(*arrays):
        options = {"temperature": 0.07, "label_temperature": 1.0, "anchors": "both", "negatives": "symmetric"}
        return losses.alignment_loss(*arrays, **options)[0]

    # Eq. 2 with both anchors has four [N, N] matrices, Eqs. 3 and 6 share four: each with its softmax and its cotangent.
    similarities = 8 * 3 * N * N * FLOAT32
    # Measured 1.31 GiB of 1.86, beside 3.59 GiB of inputs and as much of gradients.
    bound = similarities + local_bound()
    assert bound / 10 < temporary_bytes(loss, shapes(), (0, 1, 2, 3)) < bound

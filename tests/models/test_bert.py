import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.errors import UserError
from prima_jax.models.pretrained import build, init_random


@pytest.fixture(scope="module")
def case(golden):
    """16 wide, 2 layers, 16 positions; texts of 13 and 9 tokens."""
    return golden("bert")


def test_head_on_selected_positions(case, apply):
    output = apply(case.variables, case.inputs["input_ids"])
    chosen = case.module.apply(case.variables, output.last_hidden_state[:, 3], method="head")
    np.testing.assert_allclose(chosen, output.logits[:, 3], atol=1e-5)


def test_token_types_count(case, apply):
    ids = case.inputs["input_ids"]
    none, zero, one = (apply(case.variables, ids, token_type_ids=t).last_hidden_state for t in (None, 0 * ids, 0 * ids + 1))
    np.testing.assert_array_equal(none, zero)
    assert float(jnp.abs(zero - one).max()) > 1e-2


def test_a_text_longer_than_the_positions(case):
    with pytest.raises(UserError, match="17 tokens does not fit into the 16 positions"):
        jax.eval_shape(case.module.apply, case.variables, jnp.zeros((1, 17), jnp.int32))


def test_size_of_clinical_modernbert():
    """Its published training code subclasses BERT; 136.6 M parameters of 4 bytes are its 547 MB file."""
    module = build({
        "model_type": "bert", "vocab_size": 50368, "num_hidden_layers": 22, "intermediate_size": 1152,
        "max_position_embeddings": 8192,
    })  # fmt: skip
    params = jax.eval_shape(lambda: init_random(module, 0))["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 136_629_952

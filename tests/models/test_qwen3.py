import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.models.qwen3 import Qwen3Config


@pytest.fixture(scope="module")
def tied(golden):
    """16 wide, 4 query heads of 8 over 2 of keys and values, 2 layers; texts of 13 tokens."""
    return golden("qwen3_tied")


@pytest.fixture(scope="module")
def apply(tied):
    return jax.jit(tied.module.apply)


def test_no_token_sees_what_follows(tied, apply):
    ids = tied.inputs["input_ids"]
    other = ids.copy()
    other[:, 5] = 0
    before, after = (apply(tied.variables, x).last_hidden_state for x in (ids, other))
    np.testing.assert_array_equal(before[:, :5], after[:, :5])
    assert (jnp.abs(before - after)[:, 5:].max(axis=-1) > 0).all()


@pytest.mark.parametrize("case", ("qwen3_tied", "qwen3_untied", "llama_tied", "llama_untied"))
def test_class_logits_are_the_full_logits_of_those_tokens(case, golden):
    """With the input embeddings where the two are tied, with the output's own table where they are not."""
    case, ids = golden(case), jnp.array([7, 2])
    hidden = jnp.asarray(case.expected["last_hidden_state"][:, -1])
    found = case.module.apply(case.variables, hidden, ids, method="class_logits")
    assert found.shape == (2, 2)
    np.testing.assert_allclose(found, case.expected["logits"][:, -1][:, ids], atol=1e-5)
    assert ("lm_head" in case.variables["params"]) is not case.module.config.tie_word_embeddings


def test_embeddings_in_place_of_ids(tied, apply):
    ids = tied.inputs["input_ids"]
    embedded = tied.module.apply(tied.variables, ids, method="embed")
    output = apply(tied.variables, inputs_embeds=embedded)
    assert output.logits is None
    np.testing.assert_allclose(output.last_hidden_state, apply(tied.variables, ids).last_hidden_state, atol=1e-6)
    with pytest.raises(ValueError, match="either input_ids or inputs_embeds"):
        tied.module.apply(tied.variables, ids, inputs_embeds=embedded)


def test_positions_that_count_what_is_seen_make_gaps_harmless(tied, apply):
    """A masked token in the middle or in front changes nothing for the others, if positions skip it."""
    ids, kept = tied.inputs["input_ids"], np.array([1, 2, 5, 6, 8])
    mask = np.zeros((2, 13), bool)
    mask[:, kept] = True
    positions = np.maximum(mask.cumsum(axis=1) - 1, 0)
    with_gaps = apply(tied.variables, ids, attention_mask=mask, positions=positions).last_hidden_state[:, kept]
    without = apply(tied.variables, ids[:, kept]).last_hidden_state
    np.testing.assert_allclose(with_gaps, without, atol=1e-5)
    plain = np.broadcast_to(np.arange(13), (2, 13))
    shifted = apply(tied.variables, ids, attention_mask=mask, positions=plain).last_hidden_state[:, kept]
    assert float(jnp.abs(without - shifted).max()) > 1e-2


def test_published_configs(published):
    small, large = (Qwen3Config.from_dict(published(f"Qwen3-{size}")) for size in ("0.6B", "8B"))
    assert small.tie_word_embeddings
    assert not large.tie_word_embeddings
    assert small.num_attention_heads * small.head_dim == 2 * small.hidden_size
    assert small.rope_theta == 1e6
    assert Qwen3Config.from_dict(small.to_dict()) == small

import jax
import numpy as np
import pytest


@pytest.mark.parametrize("name", ["bert", "modernbert"])
def test_padding_changes_no_token(golden, name):
    case = golden(name)
    ids, mask = case.inputs["input_ids"], case.inputs["attention_mask"]
    other = np.where(mask, ids, 7)
    assert (ids != other).any()
    apply = jax.jit(case.module.apply)
    first, second = (apply(case.variables, x, mask).last_hidden_state for x in (ids, other))
    np.testing.assert_array_equal(case.seen(first), case.seen(second))

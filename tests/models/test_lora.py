import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.errors import UserError
from prima_jax.models import lora
from prima_jax.models.layers import Dense
from prima_jax.models.pretrained import build, init_random


@pytest.fixture(scope="module")
def model(golden):
    """ModernBERT of 4 layers, 16 wide, 24 in its MLP."""
    return golden("modernbert")


def adapters(params, *, rank=4, alpha=8.0, targets=lora.DEFAULT_TARGETS["modernbert"], last_blocks=0):
    return lora.init_adapters(jax.random.key(1), params, rank=rank, alpha=alpha, targets=targets, last_blocks=last_blocks)


@pytest.fixture(scope="module")
def trained(model):
    """Adapters as they are after some training: B is no longer zero."""
    rng = np.random.default_rng(0)
    found = adapters(model.variables["params"])
    return found | {"lora": jax.tree.map(lambda x: x + 0.1 * rng.standard_normal(x.shape, np.float32), found["lora"])}


@pytest.fixture(scope="module")
def answer(model):
    apply = jax.jit(model.apply)
    return lambda variables: apply(variables)["logits"]


def test_dense_adds_the_adapter_times_alpha_over_rank():
    x = jnp.array([[1.0, 2.0]])
    params = {"kernel": jnp.zeros((2, 1)), "bias": jnp.zeros(1)}
    adapter = {"A": jnp.array([[1.0], [3.0]]), "B": jnp.array([[5.0]])}
    found = Dense(1).apply({"params": params, "lora": adapter, "lora_scale": {"scale": jnp.float32(0.5)}}, x)
    assert found.item() == (1 * 1 + 2 * 3) * 5 * 0.5


def test_fresh_adapters_change_nothing(model, answer):
    fresh = adapters(model.variables["params"])
    np.testing.assert_array_equal(answer(model.variables), answer(model.variables | fresh))


def test_a_is_drawn_as_peft_draws_it(model):
    """Kaiming-uniform with a = sqrt(5): within 1 / sqrt(in), and differently for every module; B is zero."""
    found = adapters(model.variables["params"], rank=64)
    first, second = (found["lora"][f"layers_{i}"]["attn"]["Wqkv"] for i in (0, 1))
    assert first["A"].shape == (16, 64)
    assert first["B"].shape == (64, 48)
    assert 0.24 < float(jnp.abs(first["A"]).max()) <= 0.25
    assert not np.array_equal(first["A"], second["A"])
    assert not first["B"].any()
    assert found["lora_scale"]["layers_0"]["attn"]["Wqkv"]["scale"] == 8.0 / 64


def test_merged_weights_answer_as_the_adapters_do(model, trained, answer):
    variables = model.variables
    merged = {"params": lora.merge(variables["params"], trained)}
    separate = answer(variables | trained)
    assert float(jnp.abs(separate - answer(variables)).max()) > 1e-2
    np.testing.assert_allclose(answer(merged), separate, atol=3e-5)  # another order of summation in float32


def test_gradients_reach_every_adapter_and_no_full_weight(model, trained):
    """A and B of every target have a gradient, for which no product of the shape of a kernel is computed."""
    rest = {name: value for name, value in (model.variables | trained).items() if name != "lora"}

    def loss(adapter):
        return (model.apply(rest | {"lora": adapter})["logits"] ** 2)[..., 0, :].sum()

    gradients = jax.jit(jax.grad(loss))(trained["lora"])
    leaves = jax.tree.leaves(gradients)
    assert len(leaves) == 2 * 4 * 4
    assert all(float(jnp.abs(leaf).max()) > 0 for leaf in leaves)
    program = jax.make_jaxpr(jax.grad(loss))(trained["lora"])
    shapes = [v.aval.shape for e in program.eqns if e.primitive.name == "dot_general" for v in e.outvars]
    assert (16, 4) in shapes or (4, 16) in shapes  # the gradient of an adapter is among them
    assert not set(shapes) & {(16, 48), (48, 16), (24, 16), (16, 24), (16, 16)}


@pytest.mark.parametrize(
    ("targets", "paths"),
    [
        (("attn.Wo",), {(f"layers_{i}", "attn", "Wo") for i in range(4)}),
        (("layers_1.mlp.Wi", "head_dense"), {("layers_1", "mlp", "Wi"), ("head_dense",)}),
    ],
)
def test_targets_name_the_end_of_a_path(targets, paths, model):
    found = adapters(model.variables["params"], targets=targets)["lora"]
    assert {tuple(k.key for k in path[:-1]) for path, _ in jax.tree.leaves_with_path(found)} == paths


@pytest.mark.parametrize("target", ("q_proj", "o", "kqv", "mlp_norm"))
def test_a_target_that_names_nothing(target, model):
    with pytest.raises(UserError, match=f"'{target}' names no linear layer .*Wqkv"):
        adapters(model.variables["params"], targets=("Wo", target))


def test_the_last_blocks_alone(model):
    found = adapters(model.variables["params"], last_blocks=1)
    everywhere = adapters(model.variables["params"])
    for collection in ("lora", "lora_scale"):
        assert set(everywhere[collection]) == {f"layers_{i}" for i in range(4)}
        assert set(found[collection]) == {"layers_3"}
    jax.tree.map(np.testing.assert_array_equal, found["lora"]["layers_3"], everywhere["lora"]["layers_3"])
    jax.tree.map(np.testing.assert_array_equal, adapters(model.variables["params"], last_blocks=4), everywhere)


def test_a_target_outside_of_the_last_blocks(model):
    with pytest.raises(UserError, match="'head_dense' names no linear layer"):
        adapters(model.variables["params"], targets=("Wo", "head_dense"), last_blocks=2)


@pytest.mark.parametrize("last_blocks", (5, -1))
def test_more_last_blocks_than_there_are(last_blocks, model):
    with pytest.raises(UserError, match=f"last {last_blocks} blocks .* has 4; choose 0 to 4"):
        adapters(model.variables["params"], last_blocks=last_blocks)


def test_a_rank_of_zero(model):
    with pytest.raises(UserError, match="rank of 0"):
        adapters(model.variables["params"], rank=0)


def test_an_adapter_of_another_model(model, trained):
    params = {"layers_0": {"attn": {"Wo": {"kernel": jnp.zeros((32, 32))}}}}
    with pytest.raises(UserError, match=r"layers_0.attn.Wo expects a kernel \[16, 16\].*\[32, 32\]"):
        lora.merge(params, adapters(model.variables["params"], targets=("attn.Wo",)))


@pytest.mark.parametrize(
    ("model_type", "linears"), [("dinov2", 6), ("dinov3_vit", 6), ("modernbert", 4), ("bert", 6), ("qwen3", 7), ("llama", 7)]
)
def test_default_targets_are_all_linears_of_a_layer(model_type, linears):
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 1}
    module = build({"model_type": model_type, "vocab_size": 9, "intermediate_size": 8, **sizes})
    params = jax.eval_shape(lambda: init_random(module, 0))["params"]
    targets = lora.DEFAULT_TARGETS[model_type]
    found = jax.eval_shape(lambda p: lora.init_adapters(jax.random.key(0), p, rank=2, alpha=2, targets=targets), params)
    assert len(jax.tree.leaves(found["lora_scale"])) == linears
    assert list(found["lora"]) == ["layers_0"]


def test_share_of_modernbert_base(published):
    """Rank 8 on all four linears trains 1.1%: the paper's "about 1%" (section 2.1)."""
    module = build(published("ModernBERT-base"))
    params = jax.eval_shape(lambda: init_random(module, 0))["params"]
    share = lora.count(params, jax.eval_shape(lambda p: adapters(p, rank=8), params))
    assert share.trainable == 22 * 8 * ((768 + 2304) + (768 + 768) + (768 + 2304) + (1152 + 768))
    assert share.total == 149_655_232 + share.trainable
    assert round(share.fraction, 4) == 0.0112

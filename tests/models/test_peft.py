"""Adapters go to PEFT and come back: names, numbers, answers, and what is refused.

float32 answers of tiny models agree within 1e-5 of their largest value, as those without adapters do (test_parity.py).
"""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from prima_jax.errors import UserError
from prima_jax.models import lora, peft

VISION = ("dinov2_plain", "dinov2_swiglu", "dinov2_with_registers", "dinov3_plain", "dinov3_gated")
LANGUAGE = ("modernbert", "modernbert_biases", "bert", "qwen3_tied", "qwen3_untied", "llama_tied", "llama_untied")
CASES = (*VISION, *LANGUAGE)
BARE = ("modernbert", "modernbert_biases", "bert")
"""Those that are also published without their head."""
TOLERANCE = 1e-5


def random_adapters(compared, rank=3, alpha=5.0, seed=0):
    """Adapters on every linear layer of the blocks, with B drawn too, so that they change the answers."""
    targets = lora.all_linears(compared.module.config)
    adapters = lora.init_adapters(jax.random.key(seed), compared.variables["params"], rank=rank, alpha=alpha, targets=targets)
    rng = np.random.default_rng(seed)
    adapters["lora"] = jax.tree.map(lambda x: jnp.asarray(0.3 * rng.standard_normal(x.shape), jnp.float32), adapters["lora"])
    return adapters


def changed(compared, adapters):
    return compared.apply({**compared.variables, **adapters})


def scaled_difference(compared, ours, theirs):
    return max(
        float(np.abs(compared.seen(np.asarray(ours[name]) - value)).max() / np.abs(compared.seen(value)).max())
        for name, value in theirs.items()
    )


@pytest.fixture
def saved(golden, tmp_path):
    compared = golden("qwen3_tied")
    peft.save_adapters(tmp_path, compared.module, random_adapters(compared))
    return tmp_path


def edit_config(folder, **changes):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_tensors(folder, change):
    tensors = load_file(folder / "adapter_model.safetensors")
    change(tensors)
    save_file(tensors, folder / "adapter_model.safetensors")


def refusal(folder, compared):
    with pytest.raises(UserError) as error:
        peft.load_adapters(folder, compared.module)
    return str(error.value)


@pytest.mark.parametrize("case", CASES)
def test_saved_and_loaded_to_the_last_bit(case, golden, tmp_path):
    compared = golden(case)
    adapters = random_adapters(compared)
    peft.save_adapters(tmp_path, compared.module, adapters)
    again = peft.load_adapters(tmp_path, compared.module)
    jax.tree.map(np.testing.assert_array_equal, again, adapters)


def test_ranks_and_scales_may_differ_from_layer_to_layer(golden, tmp_path):
    """A name that is the beginning or the end of another (layer 1 and 11) must not get the other's rank."""
    compared = golden("bert")
    adapters = random_adapters(compared)
    key = adapters["lora"]["layers_1"]["output"]
    adapters["lora"]["layers_1"]["output"] = {"A": key["A"][:, :2], "B": key["B"][:2]}
    adapters["lora_scale"]["layers_0"]["attention"]["query"]["scale"] = jnp.float32(0.75)
    peft.save_adapters(tmp_path, compared.module, adapters)
    jax.tree.map(np.testing.assert_array_equal, peft.load_adapters(tmp_path, compared.module), adapters)


def test_rank_stabilised_scale(saved, golden):
    """rsLoRA divides alpha by the root of the rank (arXiv 2312.03732)."""
    edit_config(saved, use_rslora=True)
    scales = jax.tree.leaves(peft.load_adapters(saved, golden("qwen3_tied").module)["lora_scale"])
    np.testing.assert_allclose(scales, 5 / 3**0.5, rtol=1e-6)


VARIANTS = [
    *[("use_dora", True), ("bias", "all"), ("modules_to_save", ["lm_head"]), ("peft_type", "LOHA"), ("fan_in_fan_out", True)],
    *[("init_lora_weights", way) for way in ("pissa", "pissa_niter_4", "olora", "loftq", "corda", "lora_ga", 1)],
    *[("alora_invocation_tokens", [5]), ("arrow_config", {"top_k": 2}), ("use_bdlora", {"nblocks": 2}), ("use_rslora", 1)],
    *[("use_rslora", "yes"), ("loftq_config", {"loftq_bits": 4}), ("a_field_of_tomorrow", 16)],
]


@pytest.mark.parametrize(("field", "value"), VARIANTS)
def test_variants_of_lora_are_refused(field, value, saved, golden):
    edit_config(saved, **{field: value})
    assert f"{field} = {value!r}" in refusal(saved, golden("qwen3_tied"))


@pytest.mark.parametrize("value", [["a"], {"(": 3}, {"(a+)+b": 3}, {"(a|a)*": 3}, {".*.*.*x": 3}, {"a b": 3}, {"x" * 501: 3}])
def test_a_pattern_that_might_search_for_ever_is_refused(value, saved, golden):
    for field in ("rank_pattern", "alpha_pattern"):
        edit_config(saved, **{"rank_pattern": {}, "alpha_pattern": {}, field: value})
        assert field in refusal(saved, golden("qwen3_tied"))


@pytest.mark.torch
def test_what_peft_itself_writes_is_read(saved, golden, reference):
    """All fields of PEFT's LoraConfig at their defaults, and the ways to begin that leave the weights below as they are."""
    torch_peft = pytest.importorskip("peft")
    for way in (True, False, "gaussian", "orthogonal", "eva"):
        fields = torch_peft.LoraConfig(init_lora_weights=way, r=4).to_dict()
        edit_config(saved, **json.loads(json.dumps(fields, default=list)) | {"r": 3, "lora_alpha": 5})
        assert peft.load_adapters(saved, golden("qwen3_tied").module)


def test_all_that_does_not_fit_is_listed(saved, golden):
    stem = "base_model.model.model.layers."

    def change(tensors):
        del tensors[f"{stem}0.self_attn.q_proj.lora_B.weight"]
        tensors[f"{stem}1.self_attn.q_proj.lora_A.weight"] = np.ones((4, 16), np.float32)
        tensors[f"{stem}9.self_attn.q_proj.lora_A.weight"] = np.ones((3, 16), np.float32)
        tensors[f"{stem}1.mlp.up_proj.lora_A.weight"][0, 0] = np.nan

    edit_tensors(saved, change)
    message = refusal(saved, golden("qwen3_tied"))
    for problem in (
        f"{stem}0.self_attn.q_proj.lora_B.weight is missing",
        f"{stem}1.self_attn.q_proj.lora_A.weight has the shape [4, 16] (expected [3, 16])",
        f"{stem}9.self_attn.q_proj.lora_A.weight is not the adapter of a layer",
        f"{stem}1.mlp.up_proj.lora_A.weight holds numbers that are not finite",
    ):
        assert problem in message


@pytest.mark.parametrize("value", [0, -1, "8", None, True, 2.5, 1e308, 10**400])
@pytest.mark.parametrize("field", ["r", "lora_alpha"])
def test_a_rank_or_alpha_that_is_none(field, value, saved, golden):
    edit_config(saved, **{field: value})
    if field == "r" or value != 2.5:
        assert f"= {value!r} (expected a positive number)" in refusal(saved, golden("qwen3_tied"))


def test_no_files(saved, golden, tmp_path):
    compared = golden("qwen3_tied")
    assert "There is no folder" in refusal(tmp_path / "nowhere", compared)
    (saved / "adapter_model.safetensors").rename(saved / "adapter_model.bin")
    assert "as a pickle (adapter_model.bin)" in refusal(saved, compared)
    (saved / "adapter_model.bin").unlink()
    assert "has no adapter" in refusal(saved, compared)


def test_the_adapter_of_another_model(saved, golden):
    assert "is not the adapter of a layer of this model" in refusal(saved, golden("bert"))


def torch_answer(reference, model, compared):
    with reference.torch.no_grad():
        return {name: value.numpy() for name, value in reference.expected(model.eval(), compared.inputs).items()}


@pytest.mark.torch
@pytest.mark.parametrize(("case", "bare"), [(case, False) for case in CASES] + [(case, True) for case in BARE])
def test_peft_loads_what_we_save(case, bare, reference, golden, new_case, tmp_path):
    """Every tensor finds its layer, and the torch model with the adapter answers as ours does."""
    torch_peft = pytest.importorskip("peft")
    compared, model = golden(case), reference.model(case)
    if bare:
        model = model.base_model
        module = compared.module.clone(with_head=False)
        params = {k: v for k, v in compared.variables["params"].items() if not k.startswith(("head", "decoder"))}
        inputs = {k: v for k, v in compared.inputs.items() if k != "token_type_ids"}
        compared = new_case(module, {"params": params}, inputs, {})
    adapters = random_adapters(compared)
    peft.save_adapters(tmp_path, compared.module, adapters, base_model="tiny")
    adapted = torch_peft.PeftModel.from_pretrained(model, tmp_path)
    held = load_file(tmp_path / "adapter_model.safetensors")
    loaded = torch_peft.get_peft_model_state_dict(adapted)
    assert loaded.keys() == held.keys()
    assert all(np.array_equal(loaded[name].numpy(), held[name]) for name in held)
    theirs = torch_answer(reference, adapted.base_model.model, compared)
    assert scaled_difference(compared, changed(compared, adapters), theirs) < TOLERANCE
    assert scaled_difference(compared, compared.apply(compared.variables), theirs) > 0.01, "the adapter changed nothing"


@pytest.mark.torch
@pytest.mark.parametrize("case", CASES)
def test_an_adapter_trained_by_peft(case, reference, golden, tmp_path):
    """Five steps of Adam in torch, saved by PEFT with the targets named as its users name them."""
    torch_peft = pytest.importorskip("peft")
    torch, compared = reference.torch, golden(case)
    torch.manual_seed(0)
    plain = [*lora.DEFAULT_TARGETS["dinov2"][:4], "fc1", "fc2"]
    named = {"bert": ["query", "value", "intermediate.dense"], "dinov2_plain": plain, "dinov2_with_registers": plain}
    targets = named.get(case, list(lora.all_linears(compared.module.config)))
    options = torch_peft.LoraConfig(r=4, lora_alpha=6, target_modules=targets, lora_dropout=0.1)
    adapted = torch_peft.get_peft_model(reference.model(case), options)
    optimizer = torch.optim.Adam([p for p in adapted.parameters() if p.requires_grad], lr=0.05)
    for _ in range(5):
        optimizer.zero_grad()
        reference.expected(adapted.base_model.model, compared.inputs)["last_hidden_state"].square().sum().backward()
        optimizer.step()
    adapted.save_pretrained(tmp_path)
    theirs = torch_answer(reference, adapted.base_model.model, compared)
    adapters = peft.load_adapters(tmp_path, compared.module)
    assert scaled_difference(compared, changed(compared, adapters), theirs) < TOLERANCE
    assert scaled_difference(compared, compared.apply(compared.variables), theirs) > 0.01, "the adapter changed nothing"


@pytest.mark.torch
@pytest.mark.parametrize("case", ("dinov2_swiglu", "dinov3_plain", "modernbert", "bert", "qwen3_tied", "llama_tied"))
def test_merged_weights_answer_as_the_adapter_does(case, reference, golden, tmp_path):
    """For export: lora.merge, and PEFT's own merge_and_unload, give the same model."""
    torch_peft = pytest.importorskip("peft")
    compared = golden(case)
    adapters = random_adapters(compared)
    merged = {"params": lora.merge(compared.variables["params"], adapters)}
    peft.save_adapters(tmp_path, compared.module, adapters)
    theirs = torch_peft.PeftModel.from_pretrained(reference.model(case), tmp_path).merge_and_unload()
    assert scaled_difference(compared, compared.apply(merged), torch_answer(reference, theirs, compared)) < TOLERANCE

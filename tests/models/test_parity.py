"""Our models answer as transformers + torch do, in float32: from files, and live where torch is installed.

Measured on a CPU: at most 5e-6 on activations of up to 6, so 1e-5 is a few roundings of float32 over a handful of
layers and would not survive a wrong epsilon, an approximate GELU or a position off by one.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from prima_jax.models import pretrained

VISION = ("dinov2_plain", "dinov2_swiglu", "dinov2_with_registers", "dinov3_plain", "dinov3_gated")
LANGUAGE = ("modernbert", "modernbert_biases", "bert", "qwen3_tied", "qwen3_untied", "llama_tied", "llama_untied")
CASES = (*VISION, *LANGUAGE)
TOLERANCE = 1e-5


@pytest.mark.parametrize("case", CASES)
def test_golden(case, golden):
    assert all(difference < TOLERANCE for difference in golden(case).differences().values())


def live(reference, new_case, built, given, folder):
    """A case from a live model, by way of a checkpoint that it saves."""
    built.save_pretrained(folder)
    answer = reference.expected(built, given)
    expected = {name: value.detach().numpy() for name, value in answer.items()}
    return new_case(*pretrained.from_pretrained(folder), given, expected), answer


@pytest.mark.torch
@pytest.mark.parametrize(
    "case", ("dinov2_swiglu", "dinov2_with_registers", "dinov3_gated", "modernbert", "bert", "qwen3_tied", "llama_untied")
)
def test_gradients_of_every_parameter_and_of_the_image(case, reference, new_case, tmp_path):
    """A random linear functional of all that a model answers has the same gradient in both."""
    built, given = reference.model(case, seed=1), reference.inputs(case, seed=1)
    compared, answer = live(reference, new_case, built, given, tmp_path)
    rng = np.random.default_rng(0)
    names = [name for name in answer if name != "hidden_states"]
    weights = {name: rng.standard_normal(answer[name].shape).astype(np.float32) for name in names}
    weights = {name: w * given.get("attention_mask", np.ones(w.shape[:2], bool))[..., None] for name, w in weights.items()}

    def value(variables, inputs):
        ours = compared._replace(inputs=inputs).apply(variables)
        return sum((ours[name] * weight).sum() for name, weight in weights.items())

    argument = (0, 1) if "pixel_values" in given else 0
    gradients = jax.jit(jax.grad(value, argument, allow_int=True))(compared.variables, given)
    theirs_for_image = None
    if "pixel_values" in given:
        image = reference.torch.tensor(given["pixel_values"]).permute(0, 3, 1, 2).requires_grad_()
        (built(image).last_hidden_state * reference.torch.tensor(weights["last_hidden_state"])).sum().backward()
        theirs_for_image = image.grad.permute(0, 2, 3, 1).numpy()
        gradients, image_gradients = gradients
        np.testing.assert_allclose(image_gradients["pixel_values"], theirs_for_image, atol=TOLERANCE * 10)
    else:
        sum((answer[name] * reference.torch.tensor(w)).sum() for name, w in weights.items()).backward()

    theirs = dict(built.named_parameters())
    key_map = pretrained.architecture_of(compared.module).key_map
    ours = flatten_dict(gradients["params"])
    links = key_map.links(compared.module.config.num_hidden_layers, ours)
    assert len(links) == len(ours)
    for link in links:
        parameter = next(theirs[name] for name in key_map.spellings(link.name) if name in theirs)
        expected = jnp.zeros_like(ours[link.path]) if parameter.grad is None else link.to_ours(parameter.grad.numpy())
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(ours[link.path], expected, atol=TOLERANCE * scale, err_msg=link.name)


@pytest.mark.torch
@pytest.mark.parametrize("case", CASES)
def test_transformers_reads_what_we_write(case, reference, golden, tmp_path):
    """Nothing missing, nothing left over, and the same answers to the last bit as from its own file."""
    compared = golden(case)
    pretrained.save_pretrained(tmp_path, compared.module, compared.variables)
    original = reference.model(case)
    read, report = type(original).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with reference.torch.no_grad():
        answers = [reference.expected(built.eval(), compared.inputs) for built in (original, read)]
    for name, value in answers[0].items():
        assert reference.torch.equal(value, answers[1][name]), name


@pytest.mark.torch
@pytest.mark.parametrize("case", ("modernbert", "bert"))
def test_bare_encoders(case, reference, golden, tmp_path):
    """A checkpoint of the model without its head, whose tensors have no prefix, loads as one without a head."""
    compared = golden(case)
    bare = reference.model(case).base_model
    bare.save_pretrained(tmp_path)
    module, variables = pretrained.from_pretrained(tmp_path)
    assert not module.with_head
    output = module.apply(variables, *[compared.inputs[n] for n in ("input_ids", "attention_mask")])
    given = {n: v for n, v in compared.inputs.items() if n != "token_type_ids"}
    with reference.torch.no_grad():
        expected = reference.expected(bare, given)["last_hidden_state"].numpy()
    assert output.logits is None
    assert np.abs(compared.seen(output.last_hidden_state - expected)).max() < TOLERANCE
    pretrained.save_pretrained(tmp_path / "again", module, variables)
    _, report = type(bare).from_pretrained(tmp_path / "again", output_loading_info=True)
    assert not report["unexpected_keys"]
    assert all("pooler" in name for name in report["missing_keys"])

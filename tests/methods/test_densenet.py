"""DenseNet: its published size, its formula written as loops, and its batch statistics on several devices."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.methods.networks.densenet import DenseNet, TwoHeads

TINY = DenseNet((1, 2), growth=2, stem=4)


def counted(blocks, growth, stem):
    """Parameters without a classifier, in closed form: a norm has a scale and a bias for each channel."""
    channels, total = stem, 49 * 3 * stem + 2 * stem
    for number, layers in enumerate(blocks):
        if number:
            total += 2 * channels + channels * (channels // 2)
            channels //= 2
        for _ in range(layers):
            total += 2 * channels + channels * 4 * growth + 2 * 4 * growth + 9 * 4 * growth * growth
            channels += growth
    return total + 2 * channels, channels


@pytest.mark.parametrize(
    ("network", "published"), [(DenseNet(), 6_953_856), (DenseNet((6, 12, 32, 32)), 12_484_480), (TINY, None)]
)
def test_parameters(network, published):
    """DenseNet-121 and -169 as torchvision has them: 7,978,856 and 14,149,480 less those of the classifier."""
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False))
    found = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
    expected, channels = counted(network.blocks, network.growth, network.stem)
    assert found == expected
    assert published in (None, found)
    features = jax.eval_shape(lambda v: network.apply(v, jnp.zeros((2, 32, 32, 3)), train=False), shapes)
    assert features.shape == (2, channels)


def convolve(x, kernel, stride=1):
    """[B, H, W, C] with [k, k, C, D], padded by k // 2."""
    size = len(kernel)
    padded = np.pad(x, ((0, 0), (size // 2,) * 2, (size // 2,) * 2, (0, 0)))
    rows, columns = ((n + 2 * (size // 2) - size) // stride + 1 for n in x.shape[1:3])
    out = np.zeros((len(x), rows, columns, kernel.shape[-1]))
    for i in range(rows):
        for j in range(columns):
            window = padded[:, i * stride : i * stride + size, j * stride : j * stride + size]
            out[:, i, j] = np.tensordot(window, kernel, axes=3)
    return out


def reference(variables, images, train):
    """The features of TINY in float64, and the batch statistics by the path of their norm."""
    p, stored = (jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables[n]) for n in ("params", "batch_stats"))
    taken = {}

    def norm(x, *path):
        weights, statistics = p, stored
        for name in path:
            weights, statistics = weights[name], statistics[name]
        mean, var = (x.mean((0, 1, 2)), x.var((0, 1, 2))) if train else (statistics["mean"], statistics["var"])
        taken[path] = mean, var
        return np.maximum((x - mean) / np.sqrt(var + 1e-5) * weights["scale"] + weights["bias"], 0)

    x = norm(convolve(images, p["stem_conv"]["kernel"], 2), "stem_norm")
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    x = np.stack([[padded[:, i : i + 3, j : j + 3].max((1, 2)) for j in range(0, 8, 2)] for i in range(0, 8, 2)])
    x = x.transpose(2, 0, 1, 3)
    for block, layers in enumerate(TINY.blocks):
        if block:
            x = convolve(norm(x, f"transition_{block}_norm"), p[f"transition_{block}_conv"]["kernel"])
            x = x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2, -1).mean((2, 4))
        for layer in range(layers):
            name = f"block_{block}_layer_{layer}"
            new = convolve(norm(x, name, "norm_1"), p[name]["conv_1"]["kernel"])
            new = convolve(norm(new, name, "norm_2"), p[name]["conv_2"]["kernel"])
            x = np.concatenate([x, new], axis=-1)
    return norm(x, "norm").mean((1, 2)), taken


def drawn():
    generator = np.random.default_rng(0)
    images = generator.standard_normal((4, 16, 16, 3))
    variables = TINY.init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)), train=False)
    leaves, tree = jax.tree.flatten(variables)
    # Scales, biases and stored statistics that are not 0 and 1; a variance stays above zero.
    moved = [leaf + 0.3 * generator.random(leaf.shape) for leaf in leaves]
    return jax.tree.map(lambda leaf: leaf.astype(np.float32), jax.tree.unflatten(tree, moved)), images.astype(np.float32)


class AgainstLoops(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_features_by_stored_statistics(self):
        variables, images = drawn()
        found = self.variant(lambda v, x: TINY.apply(v, x, train=False))(variables, images)
        np.testing.assert_allclose(found, reference(variables, images, train=False)[0], rtol=2e-5, atol=2e-5)

    @chex.variants(with_jit=True, without_jit=True)
    def test_features_and_statistics_of_the_batch(self):
        variables, images = drawn()
        function = self.variant(lambda v, x: TINY.apply({"params": v["params"]}, x, train=True, mutable=["batch_stats"]))
        found, mutated = function(variables, images)
        expected, taken = reference(variables, images, train=True)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
        for path, (mean, var) in taken.items():
            statistics = mutated["batch_stats"]
            for name in path:
                statistics = statistics[name]
            np.testing.assert_allclose(statistics["mean"], mean, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(statistics["var"], var, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("devices", [2, 4])
def test_the_statistics_are_those_of_the_batch_of_all_devices(devices):
    variables, images = drawn()
    shared = DenseNet(TINY.blocks, TINY.growth, TINY.stem, axis_name="data")

    def apply(network, x):
        return network.apply({"params": variables["params"]}, x, train=True, mutable=["batch_stats"])

    expected, statistics = apply(TINY, images)
    on_each = jax.pmap(lambda x: apply(shared, x), axis_name="data", devices=jax.devices()[:devices])
    found, taken = on_each(images.reshape(devices, -1, *images.shape[1:]))
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[-1], b, rtol=1e-4, atol=1e-5), taken, statistics)


def test_with_stored_statistics_a_photograph_does_not_hang_on_the_others():
    variables, images = drawn()
    together = TINY.apply(variables, images, train=False)
    np.testing.assert_allclose(TINY.apply(variables, images[2:3], train=False)[0], together[2], rtol=1e-5, atol=1e-6)


def test_two_heads_read_the_same_features_and_not_each_other():
    network, images = TwoHeads(TINY, 2, 3), drawn()[1]
    variables = network.init(jax.random.key(0), images, train=False)
    features = TINY.apply({c: variables[c]["backbone"] for c in ("params", "batch_stats")}, images, train=False)
    for found, head in zip(network.apply(variables, images, train=False), ("coarse_head", "fine_head"), strict=True):
        p = variables["params"][head]
        np.testing.assert_allclose(found, features @ p["kernel"] + p["bias"], rtol=1e-5, atol=1e-5)

"""DeepIK, adapted: a DenseNet with two heads side by side, for a coarse and a fine level of the diagnosis.

The original (Li et al. 2024, npj Digital Medicine 7:181, https://github.com/jiangjiewei/DeepIK) tells infectious from other
keratitis with one head and five causes with the other, both linear on the same features of a DenseNet-121: the hierarchy is
in the labels and in the loss, 0.2 times the cross-entropy of the first plus 0.8 times that of the second.

All that follows is our adaptation. The second head has the study's classes and gives the probabilities; a case is the mean
over its photographs. The first has the groups of classes that `deepik.groups` names (malignant or not); without groups the
kinds of photograph, since a study of two classes has no coarser level; a study with neither has a first head of one class,
whose loss is zero. Left out: the weights that the original starts from, an earlier model that is not in its repository
(here DenseNet is trained from scratch), its schedule, which falls tenfold per epoch from epoch 20, its weights of the causes,
and its augmentation (squashed photographs, rotations, both flips), in whose place stands that of all rows.

Batch normalisation uses the statistics of the whole batch, over all devices. There is no running average to carry along:
after training the statistics are taken anew over the training photographs, unaugmented as those to be diagnosed, with the
weights as they ended (Precise BN: Wu & Johnson 2021, arXiv 2105.07576). They follow from the weights and are not stored.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prima_jax.data import loader
from prima_jax.data.images import normalize
from prima_jax.errors import UserError
from prima_jax.methods.frozen_encoders import case_mean, photographs
from prima_jax.methods.method import Bench, Method
from prima_jax.methods.networks.densenet import DenseNet, TwoHeads
from prima_jax.stages import refine
from prima_jax.stages.batches import pixel_batches
from prima_jax.stages.cases import Case
from prima_jax.stages.context import Context
from prima_jax.stages.inference import predict_images
from prima_jax.stages.stage import Stage, Training, train_stage
from prima_jax.training.parallel import AXIS

__all__ = ["COARSE_WEIGHT", "FINE_WEIGHT", "METHOD", "coarse_level", "population_statistics", "probabilities", "two_level_loss"]

COARSE_WEIGHT, FINE_WEIGHT = 0.2, 0.8

Variables = dict[str, Any]
"""{"params": ..., "batch_stats": ...} of a TwoHeads."""


def fit(bench: Bench, train: list[Case]) -> Variables:
    """Trains on all photographs of the training cases."""
    context, fold, _ = bench
    settings = context.config.baselines.deepik
    groups, coarse = coarse_level(context)
    network = _network(context, groups)
    positions = np.concatenate(photographs(train))

    def initial() -> dict[str, Any]:
        size = context.config.image.size
        return network.init(context.key("deepik", fold.index), jnp.zeros((1, size, size, 3)), train=False)["params"]

    def training() -> Training:
        fine = np.array([record.label for record in context.prepared.records])
        unseen = np.ones(len(fine), bool)
        unseen[positions] = False
        return Training(
            loss=_objective(network),
            frozen={
                "coarse": np.where(unseen, -1, coarse).astype(np.int32),
                "fine": np.where(unseen, -1, fine).astype(np.int32),
                "class_weights": refine.class_weights(settings.class_weights, fine[positions], network.fine),
            },
            steps=stage.steps(len(context.prepared.records)),
            batches=pixel_batches(context, stage, positions),
        )

    stage = Stage("deepik", context, fold.index, settings, initial)
    trained = train_stage(stage, training)
    order = np.random.default_rng(context.seed("deepik", "statistics", fold.index)).permutation(positions)
    return {"params": trained, "batch_stats": population_statistics(context, trained, order)}


def predict(bench: Bench, state: Variables, test: list[Case]) -> np.ndarray:
    """[len(test), C]: the fine level, the mean over each case's photographs."""
    return case_mean(probabilities(bench.context, state, np.concatenate(photographs(test)))[1], test)


def coarse_level(context: Context) -> tuple[int, np.ndarray]:
    """How many classes the coarse level has, and the class of every record there, [R]."""
    study, records = context.prepared.study, context.prepared.records
    groups = context.config.baselines.deepik.groups
    if groups:
        named = [label for group in groups for label in group]
        if sorted(named) != sorted(study.classes):
            raise UserError(
                f"baselines.deepik.groups names the classes {', '.join(named)}, but {study.name} has "
                f"{', '.join(study.classes)}: put each of these into one group."
            )
        of = {label: number for number, group in enumerate(groups) for label in group}
        return len(groups), np.array([of[study.class_names[record.label]] for record in records])
    views = tuple(study.image_types) or ("",)
    return len(views), np.array([views.index(record.image_type) for record in records])


def two_level_loss(
    coarse_logits: jax.Array, fine_logits: jax.Array, coarse: jax.Array, fine: jax.Array, class_weights: refine.ClassWeights
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """0.2 CE of the coarse level plus 0.8 CE of the fine one, which alone has class weights: logits [B, ...], labels [B]."""
    coarse_error, _ = refine.weighted_cross_entropy(coarse_logits, coarse, refine.ClassWeights(jnp.ones(coarse_logits.shape[-1])))
    fine_error, parts = refine.weighted_cross_entropy(fine_logits, fine, class_weights)
    total = COARSE_WEIGHT * coarse_error + FINE_WEIGHT * fine_error
    return total, {"coarse": coarse_error, "fine": fine_error, **parts}


def population_statistics(context: Context, params: dict[str, Any], positions: np.ndarray) -> dict[str, Any]:
    """The mean and variance of each layer's input over the photographs at `positions`, as whole batches in this order.

    Over batches b: mean = E[mean_b], variance = E[var_b + mean_b^2] - mean^2, in float64.
    """
    network, size = _network(context, coarse_level(context)[0]), context.config.baselines.deepik.batch_size

    def step(params: Any, _: Any, batch: dict[str, jax.Array]) -> tuple[Any, Any]:
        images = normalize(batch["image"])
        return params, network.apply({"params": params}, images, train=True, mutable=["batch_stats"])[1]["batch_stats"]

    parallel = context.parallel
    mapped = context.compiled.setdefault("deepik_statistics", parallel.map_step(step))
    placed, found = parallel.replicate(params), []
    whole = positions[: max(1, len(positions) // size) * size]
    for batch in loader.eval_images(context.prepared, whole, image_size=context.config.image.size, batch_size=size):
        placed, statistics = mapped(placed, {}, parallel.share({"image": parallel.own(batch["image"])}))
        found.append(jax.device_get(statistics))
    return _pooled(found)


def probabilities(context: Context, state: Variables, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both levels' probabilities for records' photographs: [N, groups], [N, C]."""
    network = _network(context, coarse_level(context)[0])

    def function(variables: Variables, batch: dict[str, jax.Array]) -> tuple[jax.Array, ...]:
        coarse, fine = network.apply(variables, normalize(batch["image"]), train=False)
        return jax.nn.softmax(coarse), jax.nn.softmax(fine)

    coarse, fine = predict_images(context, "deepik_predict", function, state, positions, pixels=True)
    return coarse, fine


def _objective(network: Any) -> Any:
    """Over a batch: batch["image"] uint8 [B, S, S, 3], batch["index"] [B], positions of records."""

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        images, index = normalize(batch["image"]), batch["index"]
        (coarse, fine), _ = network.apply({"params": trainable}, images, train=True, mutable=["batch_stats"])
        return two_level_loss(coarse, fine, frozen["coarse"][index], frozen["fine"][index], frozen["class_weights"])

    return loss


def _network(context: Context, groups: int) -> Any:
    settings = context.config.baselines.deepik
    backbone = DenseNet(tuple(settings.blocks), settings.growth, settings.stem, AXIS, context.config.remat)
    return TwoHeads(backbone, groups, len(context.prepared.study.classes))


def _pooled(batches: list[Any]) -> Any:
    """The statistics of many batches of one size as one: trees whose leaves are called mean and var."""

    def pool(*parts: dict[str, Any]) -> dict[str, Any]:
        if "mean" not in parts[0]:
            return {name: pool(*(part[name] for part in parts)) for name in parts[0]}
        means, variances = (np.stack([part[name] for part in parts]).astype(np.float64) for name in ("mean", "var"))
        mean = means.mean(axis=0)
        variance = (variances + means**2).mean(axis=0) - mean**2
        return {"mean": mean.astype(np.float32), "var": variance.astype(np.float32)}

    return pool(*batches)


METHOD = Method(
    "deepik", frozenset({"images"}), fit, predict, batches="photographs", note="trained from scratch, as all of its CNN is"
)

"""The synthetic study and the recipe of the demo, as small as they go, and whatever the stages are handed."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from configs.aqua import get_config
from prima_jax.data import text
from prima_jax.data.prepare import Prepared
from prima_jax.experiment import opening
from prima_jax.stages import knowledge, pipeline, text_features
from prima_jax.stages.backbones import Backbone, Backbones
from prima_jax.stages.context import Context, Fold
from prima_jax.studies.manifest import LoadedStudy
from prima_jax.training.parallel import Parallel

ONE_LAYER = {f"models__{name}__architecture__num_hidden_layers": 1 for name in ("image", "text", "llm")}
"""For tests that compile much."""
SIDE = 4
"""Patches in a row."""


def tiny_config(**overrides: Any) -> ConfigDict:
    """40 eyes at 32 px, encoders of width 32 with 2 layers; overrides by dotted name with __ for the dot."""
    config = get_config("demo")
    config.folds = 2
    config.study.synthetic.update({"units": 40, "image_size": 32})
    config.data.size = 36
    config.image.size = 32
    config.text.update({"max_length": 96, "vocabulary_size": 512})
    for model in (config.models.image, config.models.text, config.models.llm):
        model.architecture.update({"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2})
    config.models.image.architecture.update({"image_size": 32, "patch_size": 8, "num_attention_heads": 2})
    config.models.text.architecture.update({"vocab_size": 512, "num_attention_heads": 2})
    config.models.llm.architecture.update({"vocab_size": 512, "num_attention_heads": 2, "head_dim": 16})
    config.knowledge.update({"batch_size": 8, "epochs": 1.0, "max_length": 96})
    config.align.update({"batch_size": 8, "epochs": 2.0, "projection_width": 16})
    for stage in (config.refine, config.image_only):
        stage.update({"batch_size": 8, "epochs": 1.0})
    config.features.update({"views": 2, "text_views": 2, "batch_size": 16})
    config.diagnose.update({"batch_size": 8, "epochs": 2.0, "projector_width": 16, "rank": 2})
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in overrides.items()})
    return config


@dataclasses.dataclass(frozen=True)
class Study:
    """The prepared study, shared by every test: nothing in it may be written to."""

    prepared: Prepared
    reading: LoadedStudy
    _backbones: dict[str, Backbones] = dataclasses.field(default_factory=dict)

    def context(self, folder: Path, *, kind: str = "pmap", devices: int = 1, **overrides: Any) -> Context:
        """Contexts of the same architectures share their backbones, which are made once."""
        parallel = Parallel(kind, jax.devices()[:devices])  # type: ignore[arg-type]
        config = tiny_config(**overrides)
        backbones = self._backbones.setdefault(config.models.to_json(), Backbones(config))
        return Context(config, folder, parallel, backbones, prepared=self.prepared, study_folder=self.reading.folder)

    def fold(self, context: Context, index: int = 0) -> Fold:
        return opening.make_folds(context, self.reading)[index]


def with_backbones(context: Context, **changed: Backbone) -> Context:
    """The same experiment with other models in the place of "image", "text" or "llm"."""
    backbones = {name: changed.get(name) or getattr(context.backbones, name) for name in ("image", "text", "llm")}
    return dataclasses.replace(context, backbones=SimpleNamespace(**backbones))


def visible_tokens(context: Context, fold: Fold, tokenizers: pipeline.Tokenizers) -> text_features.TextTokens:
    """The text table of stage 2, by the untrained text encoder."""
    records = context.prepared.records
    sentences = [text.sentence(context.prepared.study, r.fields, visual_only=True) for r in records]
    variables = context.text_encoder.variables
    return text_features.text_tokens(context, variables, tokenizers.text, sentences).only(fold.train)


def stage_texts(context: Context, fold: Fold) -> list[str]:
    """What stage 1 reads, in the order of the pipeline."""
    return knowledge.corpus_texts(context)[:40] + pipeline.training_sentences(context, fold)


def untrained(context: Context) -> pipeline.Encoders:
    return pipeline.Encoders(context.text_encoder.variables, context.image_encoder.variables)


def losses(folder: Path) -> np.ndarray:
    return np.array([json.loads(line)["loss"] for line in (folder / "history.jsonl").read_text().splitlines()])


def same_bits(before: Any, after: Any) -> bool:
    """Whether two trees have the same names, types and bits."""
    if jax.tree.structure(before) != jax.tree.structure(after):
        return False
    pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    return all(a.dtype == b.dtype and np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)


def random_image_features(context: Context, seed: int = 0) -> np.ndarray:
    """In the shape of `image_tokens`, without an encoder."""
    shape = (len(context.prepared.records), context.config.features.views, 1 + SIDE**2, 32)
    return np.random.default_rng(seed).standard_normal(shape, np.float32)

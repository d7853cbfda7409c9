"""Shared by the studies' configs: the paper's recipe in full, and small models for runs without weights.

Every number of the paper stands here once. Where the paper is silent the comment says so.
"""

from typing import Any

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

ALL_LINEARS = ()  # LoRA targets: none named means every linear layer of the architecture


def paper_recipe(definition: Any, *, group: str, folder: str) -> ConfigDict:
    """Returns PRIMA's recipe as published (sections 2 and 3), for two 24 GB GPUs or more; locked, so that a typo is an error.

    definition: the columns of the study's file (configs/aqua_study.py); group: the key that never lies in two folds, "unit" or
    "subject"; folder: the folder of the data.
    """
    from configs.tables import with_table  # which imports this file

    config = ConfigDict()
    config.seed = 0
    config.folds = 5
    config.parallel = "pmap"  # or "shard_map"
    # The type of the frozen backbones, norms included; adapters, heads and losses are float32.
    config.dtype = "bfloat16"
    config.remat = True  # recompute activations in the backward pass, to fit 24 GB
    config.warmup_fraction = 0.1
    config.adam_b2 = 0.999  # silent; torch's
    config.clip_norm = 0.0  # silent; the largest norm of a step's gradients, scaled down to it; 0: no clipping
    config.checkpoint_seconds = 300.0
    config.shrink_batches = False  # True: a batch larger than what a fold trains on is shrunk to it, else it is an error

    config.study = ConfigDict(
        {
            "definition": definition,
            "hide": "",  # or the name of a block of attributes
            "shuffle": "",  # the controls: "metadata", "images" or "labels" go to another unit
            "synthetic": {"units": 0, "seed": 0, "image_size": 96},  # of the study that a program draws; 0 units: none
        }
    )
    config.split = ConfigDict(
        {
            "group": group,
            "without_fold": -1,  # or a fold whose held-out records are left out
            "train_share": 1.0,  # of each class's training units, those that are trained on
        }
    )
    config.data = ConfigDict({"dir": folder, "prepared": "", "size": 256, "allow_contradictions": True})
    config.models = ConfigDict(
        {
            "image": {"weights": "weights/dinov3-vitb16-pretrain-lvd1689m"},
            "text": {"weights": "weights/Clinical_ModernBERT"},
            # The paper does not name a size. Beside adapters the kernels of its blocks may be stored in fewer bits, to fit 24 GB
            # with a larger one: "int8", or "nf4" with 4; "": in dtype.
            "llm": {"weights": "weights/Qwen3-1.7B", "quantized": ""},
        }
    )
    config.image = ConfigDict(
        {
            "size": 224,  # silent; DINOv3's own
            # Adapters in the last so many blocks alone, whose input is computed once for each of features.views; 0: in all.
            "blocks": 0,
            "augmentation": {
                "scale": (0.4, 1.0),
                "ratio": (3 / 4, 4 / 3),
                "horizontal_flip": True,
                "vertical_flip": False,
                "quarter_turns": False,
                "brightness": 0.2,
                "contrast": 0.2,
                "saturation": 0.2,
                "rotation": 0.0,  # degrees to either side
            },
        }
    )
    config.text = ConfigDict({"max_length": 192, "vocabulary_size": 0})

    config.knowledge = ConfigDict(
        {  # stage 1, section 2.1
            "corpus": "",
            "field": "text",
            "include_sentences": False,  # also read the training fold's own sentences: for encoders without weights
            "epochs": 2500.0,
            "batch_size": 32,  # silent
            "learning_rate": 5e-5,
            "weight_decay": 1e-3,
            "rank": 8,
            "alpha_over_rank": 2.0,  # silent
            "targets": ALL_LINEARS,
            "max_length": 256,
            "mask_probability": 0.3,  # ModernBERT's
        }
    )
    config.align = ConfigDict(
        {  # stage 2, section 2.2
            "epochs": 150.0,
            "batch_size": 64,  # silent
            "learning_rate": 3e-5,
            "weight_decay": 1e-3,
            "rank": 32,
            "alpha_over_rank": 2.0,
            "targets": ALL_LINEARS,
            "microbatches": 1,  # pieces that a batch is computed in, one after the other, where the memory is too small for all
            "projection_width": 512,  # silent
            "temperature": 0.07,  # silent
            "label_temperature": 1.0,  # silent
            "weights": (0.2, 0.3, 0.2, 0.3),  # Eq. 7
            "label_weight": 3.0,  # section 2.2, L_soft
            "image": {"anchors": "printed"},
            "local": {"negatives": "printed", "pooling": "attention"},
            "soft": {"normalizer": "printed", "vectors": "metadata"},  # y of Eq. 6; or "labels", the ablation sup_con
        }
    )
    config.refine = ConfigDict(
        {  # stage 2b; the paper gives no numbers of its own: stage 2's
            "epochs": 30.0,
            "batch_size": 64,
            "learning_rate": 3e-5,
            "weight_decay": 1e-3,
            "rank": 32,
            "alpha_over_rank": 2.0,
            "targets": ALL_LINEARS,
            "class_weights": "none",  # or balanced, logit_adjusted, focal
            "microbatches": 1,
        }
    )
    config.features = ConfigDict(
        {  # what stage 3 trains on; the paper is silent
            "views": 4,  # stored copies of each photograph: the whole one, and augmented ones
            "test_views": 1,  # how many of these are shown at test time: the whole one, then augmented ones
            "text_views": 4,  # stored versions of each sentence: all known fields, and some of them left out
            "text_dropout": 0.2,  # the rate of omitted attributes, in the version with the fewest
            "dtype": "float16",
            "batch_size": 64,
        }
    )
    config.diagnose = ConfigDict(
        {  # stage 3, section 2.3
            "case": "record",
            "epochs": 80.0,
            "batch_size": 16,  # silent
            "learning_rate": 1e-5,
            "weight_decay": 3e-2,
            "rank": 16,
            "alpha_over_rank": 2.0,
            "targets": ALL_LINEARS,
            "class_weights": "none",  # or balanced, logit_adjusted, focal, sampled
            "microbatches": 1,
            "projector_width": 1024,  # silent
            "standardized": False,  # tokens by their mean and deviation over the training cases, in place of LayerNorm
            "scan_dropout": 0.0,  # how often a photograph is left out of a training sequence
            "image_stride": 2,
            "text_stride": 2,
        }
    )
    config.diagnose.adapter_learning_rate = config.diagnose.get_oneway_ref("learning_rate")  # of the LLM's adapters alone
    # The reference "image encoder alone with a linear head": no fewer steps than alignment and refinement together. Alignment
    # counts units, so that 30 + 150 / P epochs are as many where a unit has P photographs. AQUA has ten or so.
    config.image_only = link_fields(ConfigDict(), config.refine, *config.refine)
    config.image_only.epochs = 60.0
    return with_table(config.lock(), 0, weights=True, subgroups=())


def link_fields(section: ConfigDict, other: ConfigDict, *names: str) -> ConfigDict:
    """Links settings of a section to those of another: they follow it, also from the command line, until set themselves."""
    for name in names:
        section[name] = other.get_oneway_ref(name)
    return section


def without_weights(
    config: ConfigDict,
    *,
    image_size: int,
    patch_size: int,
    width: int,
    image_depth: int,
    language_depth: int,
    vocabulary_size: int,
) -> ConfigDict:
    """Sets small backbones of the same architectures with random weights, which a laptop can train.

    There is no pre-training to keep, so the encoders are trained whole (rank 0) where the paper adapts them; the LLM keeps its
    adapters. `language_depth` is the number of layers of the text encoder and of the LLM.
    """
    heads = max(2, width // 32)
    config.dtype = "float32"
    config.remat = False
    config.image.size = image_size
    config.text.vocabulary_size = vocabulary_size
    config.models.image = ConfigDict(
        {
            "weights": placeholder(str),
            "architecture": {
                "model_type": "dinov3_vit",
                "hidden_size": width,
                "intermediate_size": 4 * width,
                "num_hidden_layers": image_depth,
                "num_attention_heads": heads,
                "patch_size": patch_size,
                "image_size": image_size,
                "num_register_tokens": 4,
                "layerscale_value": 1.0,
                "key_bias": False,
                "initializer_range": 0.5 * width**-0.5,
                "rope_theta": 100.0,
            },
        }
    )
    config.models.text = ConfigDict(
        {
            "weights": placeholder(str),
            "architecture": {
                "model_type": "modernbert",
                "hidden_size": width,
                "intermediate_size": 2 * width,
                "num_hidden_layers": language_depth,
                "num_attention_heads": heads,
                "vocab_size": config.text.vocabulary_size,
                "local_attention": 16,
                "global_attn_every_n_layers": 3,
                "global_rope_theta": 160000.0,
                "local_rope_theta": 10000.0,
                "max_position_embeddings": 512,
                "initializer_range": 0.5 * width**-0.5,
                "pad_token_id": 0,
            },
        }
    )
    config.models.llm = ConfigDict(
        {
            "weights": placeholder(str),
            "architecture": {
                "model_type": "qwen3",
                "hidden_size": width,
                "intermediate_size": 3 * width,
                "num_hidden_layers": language_depth,
                "num_attention_heads": heads,
                "num_key_value_heads": heads // 2,
                "head_dim": 32,
                "rope_theta": 1000000.0,
                "vocab_size": config.text.vocabulary_size,
                "max_position_embeddings": 1024,
                "tie_word_embeddings": True,
                "initializer_range": 0.5 * width**-0.5,
                "rms_norm_eps": 1e-6,
            },
            "quantized": "",
        }
    )
    for stage in (config.knowledge, config.align, config.refine):
        stage.rank = 0
    config.knowledge.include_sentences = True
    config.features.dtype = "float32"
    return config

"""A text encoder without a masked-language head gets a fresh one in stage 1, and what the other stages use has none."""

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from prima_jax.models import pretrained
from prima_jax.stages import knowledge
from prima_jax.stages.backbones import Backbone
from tests.stages.tiny import ONE_LAYER, losses, same_bits, stage_texts, with_backbones

BERT = {
    "model_type": "bert", "architectures": ["BertModel"], "vocab_size": 512, "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 96,
}  # fmt: skip
HEADS = {"modernbert": {"head_dense", "head_norm", "decoder_bias"}, "bert": {"head_dense", "head_norm", "decoder_bias"}}
TRAINED = {"knowledge__epochs": 8.0, "knowledge__learning_rate": 3e-3}


@pytest.fixture(params=["modernbert", "bert"])
def bare(request, study, tmp_path):
    """A context whose text encoder is bare and random, with adapters of rank 2."""

    def make(folder=tmp_path, rank=2):
        context = study.context(folder, **ONE_LAYER, **TRAINED, knowledge__rank=rank)
        described = context.config.models.text.architecture.to_dict() | {"architectures": ["ModernBertModel"]}
        module = pretrained.build(BERT if request.param == "bert" else described)
        text = Backbone(module, pretrained.init_random(module, 0))
        return with_backbones(context, text=text), request.param

    return make


def test_it_is_trained_beside_the_adapters_and_told_once(bare, study, tokenizers, capsys):
    context, kind = bare()
    fold = study.fold(context)
    knowledge._tell_of_fresh_head.cache_clear()
    learned = knowledge.learn(context, fold.index, tokenizers.text, stage_texts(context, fold))
    assert capsys.readouterr().err.count("has no masked-language head: a fresh one is trained beside the adapters") == 1
    before, after = (flatten_dict(variables["params"]) for variables in (learned.before, learned.after))
    changed = {path[0] for path in before if not np.array_equal(before[path], after[path])}
    assert changed == HEADS[kind]
    assert set(context.text_encoder.variables["params"]) == set(learned.after["params"]) - HEADS[kind]
    assert any(np.abs(leaf).max() > 0 for path, leaf in flatten_dict(learned.after["lora"]).items() if path[-1] == "B")
    found = losses(context.place("knowledge", fold.index))
    assert found[0] == pytest.approx(np.log(512), rel=0.02)  # a fresh head knows nothing
    assert found[-5:].mean() < found[0] - 0.1
    adapters = sum(leaf.size for leaf in jax.tree.leaves(learned.after["lora"]))
    head = sum(leaf.size for path, leaf in after.items() if path[0] in HEADS[kind])
    assert context.costs.stages["knowledge"].parameters == adapters + head

    again = knowledge.run(context, fold, tokenizers.text, [])
    assert "fresh" not in capsys.readouterr().err  # read back, not trained
    assert set(again["params"]) == set(context.text_encoder.variables["params"])
    assert same_bits(again["params"], context.text_encoder.variables["params"])
    assert same_bits(again["lora"], learned.after["lora"])
    hidden = context.text_encoder.module.apply(again, np.ones((1, 4), np.int32))
    assert hidden.logits is None


def test_it_is_trained_with_the_whole_encoder_at_rank_0(bare, study, tokenizers):
    context, kind = bare(rank=0)
    fold = study.fold(context)
    learned = knowledge.learn(context, fold.index, tokenizers.text, stage_texts(context, fold))
    before, after = (flatten_dict(variables["params"]) for variables in (learned.before, learned.after))
    assert not [path for path in before if np.array_equal(before[path], after[path]) and "norm" not in "".join(path)]
    assert set(learned.after["params"]) >= HEADS[kind]
    again = knowledge.run(context, fold, tokenizers.text, [])
    assert set(again["params"]) == set(context.text_encoder.variables["params"])


def test_the_head_of_a_checkpoint_that_has_one_is_neither_drawn_nor_trained(study, tokenizers, tmp_path, capsys):
    context = study.context(tmp_path, **ONE_LAYER, knowledge__rank=2)
    fold = study.fold(context)
    learned = knowledge.learn(context, fold.index, tokenizers.text, stage_texts(context, fold))
    assert same_bits(learned.before["params"], learned.after["params"])
    assert "fresh" not in capsys.readouterr().err
    params = context.text_encoder.variables["params"]
    assert not pretrained.init_head(learned.module, params, jax.random.key(0))


def test_a_fresh_head_is_drawn_as_the_encoder_is():
    module = pretrained.build(BERT)
    params = pretrained.init_random(module, 0)["params"]
    head = pretrained.init_head(module.clone(with_head=True), params, jax.random.key(1))
    assert set(head) == HEADS["bert"]
    assert float(head["head_dense"]["kernel"].std()) == pytest.approx(0.02, rel=0.1)
    assert not head["decoder_bias"].any() and not head["head_dense"]["bias"].any() and (head["head_norm"]["scale"] == 1).all()

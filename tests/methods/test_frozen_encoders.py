"""The encoders that baselines hold frozen."""

from prima_jax.methods.frozen_encoders import row_bench, text_encoder
from prima_jax.methods.registry import METHODS
from prima_jax.stages import knowledge, pipeline
from tests.methods.benches import make_bench
from tests.stages.tiny import ONE_LAYER, same_bits


def test_the_text_encoder_of_the_baselines_is_that_of_the_ablation_without_knowledge(study, tmp_path):
    """Both are kept in one folder, whoever comes first, so that they have to be the same, tokenizer and all."""
    bench, _, _ = make_bench(study, tmp_path, **ONE_LAYER)
    found, fold = text_encoder(bench), bench.fold
    without = bench.context.config.copy_and_resolve_references()
    without.knowledge.corpus = ""
    ablation = bench.context.reconfigured(without)
    tokenizers = pipeline.make_tokenizers(ablation, fold)
    assert tokenizers.text.get_vocab() == bench.tokenizers.text.get_vocab()
    assert ablation.place("knowledge", fold.index).is_dir()  # the folder that was just filled
    expected = knowledge.run(ablation, fold, tokenizers.text, pipeline.training_sentences(ablation, fold))
    assert same_bits(found["params"], expected["params"])


def test_only_primas_tokenizer_has_read_the_corpus(study, tmp_path):
    bench, _, _ = make_bench(study, tmp_path, **ONE_LAYER)
    ours = row_bench(bench.context, bench.fold, METHODS["prima"]).tokenizers.text.get_vocab()
    assert ours != bench.tokenizers.text.get_vocab()
    reading = {name for name, method in METHODS.items() if method.reads_corpus}
    assert reading == {"prima", "one_hot", "perceptron", "aligned_tokens", "aligned_tokens_metadata", "refined_tokens"}

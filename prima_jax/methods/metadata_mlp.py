"""Row 2, DINOv3 + metadata via MLP: the image encoder's class token and a frozen text encoder's, joined by an MLP.

The paper says that visual features are combined with vanilla Clinical ModernBERT embeddings by an MLP, and gives neither
pooling nor depth. Ours: z = [LayerNorm(cls(image)); LayerNorm(e)], logits = W2 GELU(W1 z). e is the mean over the words of the
case's sentence, all that is known, from the encoder that has not read the corpus (`pooling = "class"` takes the class token,
which masked-language training has no use for): computed once, and standardised over the training cases, since embeddings that
no label has trained differ little from one sentence to another. The image encoder is adapted
by LoRA (trained whole without weights) together with the MLP, on photographs; a case is the mean over its photographs. There
is no dropout, as nowhere in this project, and no second run that holds the image encoder still.
"""

from prima_jax.methods import fusion
from prima_jax.methods.frozen_encoders import sentence_vectors, text_tokens
from prima_jax.methods.method import Bench
from prima_jax.methods.networks.fusion import MetadataMLP
from prima_jax.stages.cases import Case
from prima_jax.stages.context import Context

__all__ = ["METHOD"]

NAME = "metadata_mlp"


def _head(context: Context) -> MetadataMLP:
    return MetadataMLP(len(context.prepared.study.classes), context.config.baselines[NAME].width)


def _sentences(bench: Bench, train: list[Case]) -> fusion.Vectors:
    """Of each case's sentence that says all that is known."""
    texts = text_tokens(bench)
    vectors = sentence_vectors(texts, train, pooling=str(bench.context.config.baselines[NAME].pooling))
    return lambda cases: vectors[texts.index[[case.row for case in cases], 0]]


METHOD = fusion.method(NAME, _head, _sentences)

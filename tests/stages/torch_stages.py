"""The four stages in plain torch, float32: their losses, as the paper prints them, and ten steps of their optimiser.

Nothing of prima_jax computes here. The backbones are those of transformers, and what is ours is read as numbers only:
starting weights (by the names in prima_jax.models.key_maps), batches, and the study's records.
"""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from flax.traverse_util import flatten_dict
from torch import nn

from prima_jax.models import pretrained

__all__ = ["Alignment", "Diagnosis", "MaskedLanguage", "Refinement", "backbone", "learning_rate", "text_features", "train"]

KINDS = {
    "ModernBert": transformers.ModernBertForMaskedLM,
    "DinoV3": transformers.DINOv3ViTModel,
    "Qwen3": transformers.Qwen3ForCausalLM,
}
MEAN, SD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def learning_rate(step: int, *, peak: float, steps: int, warmup_fraction: float) -> float:
    """Of step 0, 1, ...: linear from 0 to the peak over the warm-up, then half a cosine to 0."""
    warmup = round(warmup_fraction * steps)
    if step < warmup:
        return peak * step / warmup
    return peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def train(stage: nn.Module, batches: Iterable[dict], schedule: Callable[[int], float], weight_decay: float) -> list[float]:
    """One step for each batch; the losses before each."""
    trained = [p for p in stage.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.0, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay)
    losses = []
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = schedule(step)
        loss = stage({name: torch.tensor(value) for name, value in batch.items()})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


class LowRank(nn.Module):
    """A frozen linear layer and an adapter beside it: x W + (x A) B alpha / r (arXiv 2106.09685)."""

    def __init__(self, linear: nn.Linear, a: Any, b: Any, alpha_over_rank: float) -> None:
        super().__init__()
        self.linear, self.scale = linear, alpha_over_rank
        self.A, self.B = trainable(a), trainable(b)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + (x @ self.A) @ self.B * self.scale


def backbone(module: Any, frozen: dict, trained: dict, folder: Path) -> nn.Module:
    """The model of transformers with the weights of ours; frozen but for adapters, or trained whole where there are none."""
    params = frozen["params"] if "params" in frozen else trained["params"]
    pretrained.save_pretrained(folder, module, {"params": params})
    model = KINDS[type(module).__name__].from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    model.requires_grad_("params" in trained)
    if "lora" not in trained:
        return model
    adapters, scales = flatten_dict(trained["lora"]), flatten_dict(frozen["lora_scale"])
    key_map = pretrained.architecture_of(module).key_map
    links = key_map.links(module.config.num_hidden_layers, flatten_dict(params))
    names = {link.path: link.name for link in links}
    modules = dict(model.named_modules())
    for path in scales:
        place = path[:-1]
        name = next(n for s in key_map.spellings(names[(*place, "kernel")]) if (n := s.removesuffix(".weight")) in modules)
        parent, _, child = name.rpartition(".")
        adapted = LowRank(modules[name], adapters[(*place, "A")], adapters[(*place, "B")], float(scales[path]))
        setattr(modules[parent], child, adapted)
    return model


class MaskedLanguage(nn.Module):
    """Stage 1: the mean cross-entropy of the hidden tokens."""

    def __init__(self, text_encoder: nn.Module) -> None:
        super().__init__()
        self.text_encoder = text_encoder

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        output = self.text_encoder(input_ids=batch["input_ids"].long(), attention_mask=batch["attention_mask"].long())
        hidden = batch["loss_mask"]
        return F.cross_entropy(output.logits[hidden], batch["labels"][hidden].long())


class Alignment(nn.Module):
    """Stage 2, Eqs. 1 to 7 as printed. `texts`: each unit's class token and words, [1 + L, d], with no padding between."""

    def __init__(self, image_encoder: nn.Module, heads: dict, texts: list[torch.Tensor], likeness: Any, settings: Any) -> None:
        super().__init__()
        self.image_encoder, self.texts, self.likeness = image_encoder, texts, torch.tensor(likeness)
        self.image_head, self.text_head = projection_head(heads["image"]), projection_head(heads["text"])
        self.tau, self.label_tau, self.weights = settings.temperature, settings.label_temperature, settings.weights

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        units = batch["unit"].tolist()
        p = [self.image_head(image_tokens(self.image_encoder, pair)) for pair in batch["views"]]  # N of [2, 1 + K, D]
        q = [self.text_head(self.texts[unit]) for unit in units]  # N of [1 + L, D]
        p_cls, q_cls = torch.stack([one[:, 0] for one in p]), torch.stack([one[0] for one in q])
        parts = (
            image_consistency(p_cls, self.tau),
            global_semantic(p_cls, q_cls, self.tau),
            local_semantic([one[:, 1:] for one in p], [one[1:] for one in q], self.tau),
            soft_semantic(p_cls, q_cls, self.likeness[units][:, units], self.tau, self.label_tau),
        )
        return sum(weight * part for weight, part in zip(self.weights, parts, strict=True))  # (7)


class Refinement(nn.Module):
    """Stage 2b: each example's cross-entropy times its class's weight, divided by their number."""

    def __init__(self, image_encoder: nn.Module, head: dict, labels: Any, class_weights: Any) -> None:
        super().__init__()
        self.image_encoder, self.norm, self.output = image_encoder, norm(head["norm"]), dense(head["output"])
        self.labels, self.class_weights = torch.tensor(labels).long(), torch.tensor(class_weights)

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        tokens = image_tokens(self.image_encoder, batch["image"])
        summary = torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], dim=-1)
        return weighted(self.output(self.norm(summary)), self.labels[batch["index"].long()], self.class_weights)


class Diagnosis(nn.Module):
    """Stage 3: projectors, special tokens, and the LLM's answer over the class tokens."""

    def __init__(self, llm: nn.Module, projector: dict, class_ids: Any, class_weights: Any, grid: int) -> None:
        super().__init__()
        self.llm, self.grid = llm, grid
        self.class_ids, self.class_weights = torch.tensor(class_ids).long(), torch.tensor(class_weights)
        self.special = trainable(projector["special_tokens"])
        kinds = {"global": dense, "local": convolution}
        self.blocks = nn.ModuleDict()
        for name in ("image_global", "image_local", "text_global", "text_local"):
            linear = kinds[name.split("_")[1]]
            self.blocks[name] = nn.ModuleList(
                [norm(projector[f"{name}_norm"]), linear(projector[f"{name}_hidden"]), linear(projector[f"{name}_output"])]
            )

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        answers = [self.logits(*(batch[name][i] for name in FEATURES)) for i in range(len(batch["label"]))]
        return weighted(torch.stack(answers), batch["label"].long(), self.class_weights)

    def logits(self, images: torch.Tensor, present: torch.Tensor, text: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Of one case, [C]: only what is there is laid into the sequence, so that nothing has to be masked."""
        scans, special, parts = len(present), self.special, []
        for scan in range(scans):
            if present[scan]:
                local = self.image_local(images[scan, 1:])
                parts += [special[scan], self.mlp("image_global", images[scan, 0]), *local, special[scans]]
        local, left = self.text_local(text[1:], words)
        parts += [special[scans + 1], self.mlp("text_global", text[0]), *local[left], special[scans + 2], special[scans + 3]]
        hidden = self.llm.model(inputs_embeds=torch.stack(parts)[None]).last_hidden_state[0, -1]
        return self.llm.get_output_embeddings().weight[self.class_ids] @ hidden

    def mlp(self, name: str, x: torch.Tensor) -> torch.Tensor:
        before, hidden, output = self.blocks[name]
        return output(F.gelu(hidden(before(x))))

    def image_local(self, patches: torch.Tensor) -> torch.Tensor:
        """3 x 3 with stride 2: each output has its own patch at the upper left of four, the grid being even."""
        before, hidden, output = self.blocks["image_local"]
        x = before(patches).reshape(self.grid, self.grid, -1).permute(2, 0, 1)[None]
        x = F.conv2d(F.pad(x, (0, 1, 0, 1)), hidden.weight, hidden.bias, stride=2)
        x = F.conv2d(F.gelu(x), output.weight, output.bias)
        return x[0].flatten(1).T

    def text_local(self, tokens: torch.Tensor, words: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """3 with stride 2 over an odd number of tokens; an output is left where one of its pair is a word."""
        before, hidden, output = self.blocks["text_local"]
        x = (before(tokens) * words[:, None]).T[None]
        x = F.conv1d(F.pad(x, (1, 1)), hidden.weight, hidden.bias, stride=2)
        x = F.conv1d(F.gelu(x), output.weight, output.bias)
        left = torch.stack([words[2 * i : 2 * i + 2].any() for i in range(x.shape[-1])])
        return x[0].T, left


FEATURES = ("image_tokens", "scan_mask", "text_tokens", "text_mask")


def similarity(a: torch.Tensor, b: torch.Tensor, tau: float) -> torch.Tensor:
    """(1) for every pair of rows."""
    return (a @ b.T) / (a.norm(dim=-1)[:, None] * b.norm(dim=-1)[None]) / tau


def image_consistency(p: torch.Tensor, tau: float) -> torch.Tensor:
    """(2); p [N, 2, D]."""
    n, total = len(p), 0.0
    across, within = similarity(p[:, 0], p[:, 1], tau).exp(), similarity(p[:, 0], p[:, 0], tau).exp()
    for i in range(n):
        below = sum(across[i, k] + (within[i, k] if k != i else 0) for k in range(n))
        total = total + torch.log(across[i, i] / below)
    return -total / n


def global_semantic(p: torch.Tensor, q: torch.Tensor, tau: float) -> torch.Tensor:
    """(3); p [N, 2, D], q [N, D]."""
    n, total = len(p), 0.0
    for j in range(2):
        score = similarity(p[:, j], q, tau).exp()
        for i in range(n):
            total = total + torch.log(score[i, i] / score[i].sum()) + torch.log(score[i, i] / score[:, i].sum())
    return -total / (4 * n)


def local_semantic(p: list[torch.Tensor], q: list[torch.Tensor], tau: float) -> torch.Tensor:
    """(4) and (5); of each patient p [2, K, D] and q [L, D], L being its own."""
    total = 0.0
    for patches, words in zip(p, q, strict=True):
        for j in range(2):
            if not len(words):
                continue
            alpha = torch.softmax(words @ patches[j].T / math.sqrt(words.shape[1]), dim=-1)
            score = similarity(words, alpha @ patches[j], tau).exp()
            term = torch.log(score.diagonal() / score.sum(1))
            total = total + 2 * term.mean()  # both terms have phat^m in their denominators: they are equal
    return -total / (4 * len(p))


def soft_semantic(p: torch.Tensor, q: torch.Tensor, likeness: torch.Tensor, tau: float, label_tau: float) -> torch.Tensor:
    """(6); likeness [N, N] holds <y_i, y_j>."""
    n, total = len(p), 0.0
    for k in range(2):
        score = similarity(p[:, k], q, tau).exp()
        for i in range(n):
            s = (likeness[i] / label_tau).exp()
            to_text, to_image = score[i] / score[i].sum(), score[i] / score.sum(0)
            total = total + (s / s.sum() * (torch.log(to_text) + torch.log(to_image))).sum()
    return -total / (4 * n**2)


def weighted(logits: torch.Tensor, labels: torch.Tensor, class_weights: torch.Tensor) -> torch.Tensor:
    """The mean, not the weighted mean that torch's own `weight` gives."""
    return -(class_weights[labels] * torch.log_softmax(logits, -1)[range(len(labels)), labels]).mean()


@torch.no_grad()
def text_features(text_encoder: nn.Module, tokenizer: Any, sentences: list[str]) -> list[torch.Tensor]:
    """The class token and the words of each sentence, read by itself; the separator is no word."""
    found = []
    for sentence in sentences:
        ids = torch.tensor(tokenizer(sentence)["input_ids"])[None]
        found.append(text_encoder.model(input_ids=ids).last_hidden_state[0, :-1])
    return found


def image_tokens(image_encoder: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """uint8 [B, S, S, 3] -> class token and patches, without the registers."""
    images = (pixels / 255 - MEAN) / SD
    tokens = image_encoder(images.permute(0, 3, 1, 2)).last_hidden_state
    return torch.cat([tokens[:, :1], tokens[:, 1 + image_encoder.config.num_register_tokens :]], dim=1)


def projection_head(tree: dict) -> nn.Module:
    return nn.Sequential(norm(tree["norm"]), dense(tree["hidden"]), nn.GELU(), dense(tree["output"]))


def norm(tree: dict) -> nn.LayerNorm:
    layer = nn.LayerNorm(len(tree["scale"]), eps=1e-5)
    layer.weight, layer.bias = trainable(tree["scale"]), trainable(tree["bias"])
    return layer


def dense(tree: dict) -> nn.Linear:
    layer = nn.Linear(*tree["kernel"].shape)
    layer.weight, layer.bias = trainable(tree["kernel"].T), trainable(tree["bias"])
    return layer


def convolution(tree: dict) -> nn.Module:
    """Only holds the weights, [out, in, ...]; how the edges are padded is said where it is used."""
    *window, inputs, outputs = tree["kernel"].shape
    layer = {1: nn.Conv1d, 2: nn.Conv2d}[len(window)](inputs, outputs, tuple(window))
    layer.weight, layer.bias = trainable(np.moveaxis(tree["kernel"], (-1, -2), (0, 1))), trainable(tree["bias"])
    return layer


def trainable(array: Any) -> nn.Parameter:
    return nn.Parameter(torch.tensor(np.array(array, np.float32)))

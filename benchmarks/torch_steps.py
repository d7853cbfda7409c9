"""The steps of benchmarks/recipe_steps.py in torch, by transformers and PEFT: the peers that ours are timed beside.

The same model, adapters, batch, lengths and AdamW. Of what lies around the model torch has less to do, which favours it: in
stage 2 one contrastive loss over class tokens in place of four, in stage 3 a sequence that is ready, without projectors.
"""

from collections.abc import Callable, Mapping
from typing import Any

import peft
import torch
import transformers
from ml_collections import ConfigDict

from benchmarks.recipe_steps import Cohort

__all__ = ["reference_step"]


def reference_step(
    config: ConfigDict, stage: str, described: Mapping[str, Any], batch: int, cohort: Cohort, sequence: int, device: str
) -> Callable[[], None]:
    """Returns a call that takes one optimiser step. sequence: tokens of a case in stage 3."""
    settings = config[stage]
    model = _model(stage, described).to(device, _DTYPES[config.dtype])
    if config.remat:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    alpha = round(settings.rank * settings.alpha_over_rank)
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=settings.rank, lora_alpha=alpha, target_modules="all-linear"))
    head = torch.nn.Linear(model.config.hidden_size, {"align": config.align.projection_width}.get(stage, cohort.classes)).to(
        device
    )
    trained = [parameter for part in (adapted, head) for parameter in part.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.data = parameter.data.float()
    optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    loss = _LOSSES[stage](config, adapted, head, batch, cohort, sequence, device)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        if device != "cpu":
            torch.cuda.synchronize()

    return step


_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def _model(stage: str, described: Mapping[str, Any]) -> Any:
    settings = {name: value for name, value in described.items() if name not in ("model_type", "dtype", "torch_dtype")}
    config = transformers.AutoConfig.for_model(described["model_type"], **settings)
    kind = transformers.AutoModelForMaskedLM if stage == "knowledge" else transformers.AutoModel
    return kind.from_config(config)


def _knowledge(config: Any, model: Any, head: Any, batch: int, cohort: Cohort, sequence: int, device: str) -> Any:
    shape = (batch, config.knowledge.max_length)
    ids = torch.randint(5, model.config.vocab_size, shape, device=device)
    masked = torch.rand(shape, device=device) < config.knowledge.mask_probability
    labels = torch.where(masked, ids, -100)
    seen = torch.ones(shape, dtype=torch.long, device=device)
    return lambda: model(input_ids=ids, attention_mask=seen, labels=labels).loss


def _align(config: Any, model: Any, head: Any, batch: int, cohort: Cohort, sequence: int, device: str) -> Any:
    photographs, texts = (
        _photographs(config, model, 2 * batch, device),
        torch.randn(batch, config.align.projection_width, device=device),
    )
    positives = torch.arange(batch, device=device)

    def loss() -> torch.Tensor:
        seen = head(model(pixel_values=photographs).last_hidden_state.float())[:, 0]
        first, second = torch.nn.functional.normalize(seen, dim=-1).chunk(2)
        pairs = (first @ second.T, first @ torch.nn.functional.normalize(texts, dim=-1).T)
        return sum(torch.nn.functional.cross_entropy(pair / config.align.temperature, positives) for pair in pairs)

    return loss


def _refine(config: Any, model: Any, head: Any, batch: int, cohort: Cohort, sequence: int, device: str) -> Any:
    photographs = _photographs(config, model, batch, device)
    labels = torch.randint(0, cohort.classes, (batch,), device=device)

    def loss() -> torch.Tensor:
        tokens = model(pixel_values=photographs).last_hidden_state.float()
        return torch.nn.functional.cross_entropy(head(tokens[:, 0] + tokens[:, 1:].mean(1)), labels)

    return loss


def _diagnose(config: Any, model: Any, head: Any, batch: int, cohort: Cohort, sequence: int, device: str) -> Any:
    embeddings = torch.randn(batch, sequence, model.config.hidden_size, device=device, dtype=_DTYPES[config.dtype])
    seen = torch.ones((batch, sequence), dtype=torch.long, device=device)
    labels = torch.randint(0, cohort.classes, (batch,), device=device)

    def loss() -> torch.Tensor:
        hidden = model(inputs_embeds=embeddings, attention_mask=seen, use_cache=False).last_hidden_state[:, -1]
        return torch.nn.functional.cross_entropy(head(hidden.float()), labels)

    return loss


_LOSSES: dict[str, Any] = {"knowledge": _knowledge, "align": _align, "refine": _refine, "diagnose": _diagnose}


def _photographs(config: Any, model: Any, number: int, device: str) -> torch.Tensor:
    return torch.randn(number, 3, config.image.size, config.image.size, device=device, dtype=_DTYPES[config.dtype])

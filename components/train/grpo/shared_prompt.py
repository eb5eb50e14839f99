"""The completions of a group share one pass of the model over their prompt, with its frames.

TRL puts every completion on a row of its own, with the whole prompt. Here the model reads a prompt once. For sampling,
all completions of the prompt take its key-value cache; for log-probabilities they stand behind it on one row, with an
attention mask by which none sees another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig
from transformers.image_transforms import to_pil_image
from trl import GRPOConfig, GRPOTrainer
from trl.models import unwrap_model_for_generation

from components.train.packing import IGNORE, group_row, pad

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine


def same_prompt(prompts: Sequence[Sequence[int]], frames: Sequence[Tensor | None]) -> list[list[int]]:
    """Return the rows of each prompt, in the order of first appearance.

    Args:
        prompts: token ids of each row, without padding.
        frames: of each row, [frames, 3, H, W]; None for text alone.

    Returns:
        For each different prompt its rows: equal tokens, and frames equal to the bit.
    """
    rows: dict[tuple, list[int]] = {}
    for row, (ids, of_row) in enumerate(zip(prompts, frames, strict=True)):
        digest = None if of_row is None else hashlib.sha256(of_row.cpu().contiguous().numpy()).digest()
        rows.setdefault((tuple(ids), digest), []).append(row)
    return list(rows.values())


def frames_by_row(pixel_values: Tensor | None, counts: Sequence[int]) -> list[Tensor | None]:
    """Split frames [frames, 3, H, W] by the number that each row shows."""
    return [None] * len(counts) if pixel_values is None else list(pixel_values.split(list(counts)))


def score(
    model,
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    frames: Sequence[Tensor | None],
    *,
    pad_id: int,
    width: int,
) -> tuple[Tensor, Tensor | None]:
    """Return log-probability and entropy of every completion token, at the temperature of the model's fused head.

    Args:
        model: with TRL's fused head (`trl.trainer.utils.add_fused_lm_head`).
        prompts: token ids of each row, without padding.
        completions: likewise.
        frames: of each row, [frames, 3, H, W].
        pad_id: token id that fills rows up.
        width: columns of the answer; what is right of a completion is 0.

    Returns:
        Two tensors [rows, width]; entropy only where the head gives it.
    """
    groups = same_prompt(prompts, frames)
    packed = [group_row(prompts[rows[0]], [completions[row] for row in rows]) for rows in groups]
    inputs = {name: value.to(model.device) for name, value in pad(packed, pad_id).items()}
    labels = inputs.pop("labels")
    if (pixel_values := _frames_once(frames, groups)) is not None:
        inputs["pixel_values"] = pixel_values
    outputs = model(**inputs, shift_labels=labels, fused_lm_head=True)
    # the packed rows hold the completions group by group
    order = torch.tensor([row for rows in groups for row in rows], device=labels.device)
    lengths = torch.tensor([len(completions[row]) for row in order.tolist()], device=labels.device)
    is_token = torch.arange(width, device=labels.device) < lengths.unsqueeze(1)

    def unpacked(values: Tensor) -> Tensor:
        return values.new_zeros(is_token.shape).masked_scatter(is_token, values[labels != IGNORE])[order.argsort()]

    return unpacked(outputs.log_probs), None if outputs.entropy is None else unpacked(outputs.entropy)


def _frames_once(frames: Sequence[Tensor | None], groups: Sequence[Sequence[int]]) -> Tensor | None:
    """Return the frames of each group of rows once, one after another; None where no row shows any."""
    once = [of_group for rows in groups if (of_group := frames[rows[0]]) is not None]
    return torch.cat(once) if once else None


@torch.no_grad()
def sample(
    model,
    prompts: Sequence[Sequence[int]],
    frames: Sequence[Tensor | None],
    *,
    pad_id: int,
    config: GenerationConfig,
) -> list[list[int]]:
    """Sample a completion for every row; the model reads each different prompt once.

    Args:
        model: the policy.
        prompts: token ids of each row, without padding.
        frames: of each row, [frames, 3, H, W]; None for text alone.
        pad_id: token id that fills rows up.
        config: of the generation, with its end tokens.

    Returns:
        Token ids of each row's completion, up to and with its end token.
    """
    groups = same_prompt(prompts, frames)
    width = max(len(ids) for ids in prompts)
    ids = torch.full((len(groups), width), pad_id)
    for place, rows in enumerate(groups):
        ids[place, width - len(prompts[rows[0]]) :] = torch.tensor(prompts[rows[0]])
    ids = ids.to(model.device)
    mask = (torch.arange(width) >= width - torch.tensor([len(prompts[r[0]]) for r in groups]).unsqueeze(1)).to(ids)
    pixel_values = _frames_once(frames, groups)
    cache = DynamicCache(config=model.config.get_text_config())
    # no positions: `generate` counts them from the left edge, padding too, and the cache must agree with it
    model(
        input_ids=ids[:, :-1], attention_mask=mask[:, :-1], pixel_values=pixel_values,
        past_key_values=cache, use_cache=True, logits_to_keep=1,
    )  # fmt: skip
    prompt_of = torch.tensor([place for place, rows in enumerate(groups) for _ in rows], device=ids.device)
    cache.batch_select_indices(prompt_of)
    sampled = model.generate(
        input_ids=ids[prompt_of], attention_mask=mask[prompt_of], past_key_values=cache, generation_config=config
    )[:, width:]
    ends = torch.isin(sampled, torch.as_tensor(config.eos_token_id, device=sampled.device))
    kept = (ends.cumsum(1) - ends.int()) == 0  # what comes before the first end token, and that token
    completions = [ids[keep].tolist() for ids, keep in zip(sampled.cpu(), kept.cpu(), strict=True)]
    return [completions[place] for place in torch.tensor([row for rows in groups for row in rows]).argsort().tolist()]


class SharedPromptTrainer(GRPOTrainer):
    """TRL's trainer; where `shared` is true, its two methods that read prompts are those of this file."""

    shared = True
    args: GRPOConfig

    def _generate_single_turn(self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False):
        if not self.shared:
            if self.use_vllm and images:  # as arrays vLLM would read the height where the channels are
                images = [frames and [to_pil_image(frame_HWC) for frame_HWC in frames] for frames in images]
            return super()._generate_single_turn(
                prompt_ids, images, multimodal_fields, num_generations, has_tool_images=has_tool_images
            )
        pixel_values = multimodal_fields.get("pixel_values")
        counts = [len(of_prompt or []) for of_prompt in images] if images else [0] * len(prompt_ids)
        device = self.accelerator.device
        frames = frames_by_row(None if pixel_values is None else pixel_values.to(device), counts)
        with unwrap_model_for_generation(
            cast("DeepSpeedEngine", self.model_wrapped),  # every stage trains by DeepSpeed
            self.accelerator,
            gather_deepspeed3_params=self.args.ds3_gather_for_generation,
            generation_kwargs=self.generation_kwargs,
        ) as model:
            pad_id, config = self._tokenizer.pad_token_id, self.generation_config
            completions = sample(model, prompt_ids, frames, pad_id=pad_id, config=config)
        return completions, None

    def _get_per_token_logps_and_entropies(
        self,
        model,
        input_ids,
        attention_mask,
        logits_to_keep,
        batch_size=None,
        compute_entropy=False,
        compute_aux_loss=False,
        pixel_values=None,
        num_images=None,
        **others,
    ) -> tuple[Tensor, Tensor | None, None]:
        if not self.shared:
            return super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, batch_size=batch_size,
                compute_entropy=compute_entropy, compute_aux_loss=compute_aux_loss, pixel_values=pixel_values,
                num_images=num_images, **others,
            )  # fmt: skip
        rows = [ids[real].tolist() for ids, real in zip(input_ids, attention_mask.bool(), strict=True)]
        lengths = attention_mask[:, -logits_to_keep:].sum(1).tolist()
        prompts = [ids[: len(ids) - length] for ids, length in zip(rows, lengths, strict=True)]
        completions = [ids[len(ids) - length :] for ids, length in zip(rows, lengths, strict=True)]
        frames = frames_by_row(pixel_values, num_images or [0] * len(rows))
        size = batch_size or len(rows)
        with self.accelerator.autocast():
            parts = [
                score(
                    model, prompts[start : start + size], completions[start : start + size],
                    frames[start : start + size], pad_id=self._tokenizer.pad_token_id, width=logits_to_keep,
                )
                for start in range(0, len(rows), size)
            ]  # fmt: skip
        logps = torch.cat([part[0] for part in parts])
        entropies = [entropy for _, entropy in parts if entropy is not None]
        return logps, torch.cat(entropies) if compute_entropy else None, None

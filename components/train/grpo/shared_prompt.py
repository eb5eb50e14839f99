"""The completions of a group share one pass of the model over their prompt, with its frames.

TRL puts every completion on a row of its own, with the whole prompt. Here the model reads a prompt once, and all its
completions stand behind it on one row, with an attention mask by which none sees another: for sampling behind its
key-value cache (shared_decoding.py), for log-probabilities behind its tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from accelerate.utils import extract_model_from_parallel
from torch import Tensor
from transformers import DynamicCache, GenerationConfig
from transformers.image_transforms import to_pil_image
from trl import GRPOConfig, GRPOTrainer
from trl.models import unwrap_model_for_generation

from components.models import qwen_shared_prefix
from components.models.configuration import EgoflowConfig
from components.train.grpo import completion_tree, shared_decoding

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine

IMAGE_FIELDS = ("pixel_values", "image_grid_thw")
Images = dict[str, Tensor]  # what a model is given of a row's images; empty for text alone


def same_prompt(prompts: Sequence[Sequence[int]], images: Sequence[Images]) -> list[list[int]]:
    """Return the rows of each prompt, in the order of first appearance.

    Args:
        prompts: token ids of each row, without padding.
        images: of each row.

    Returns:
        For each different prompt its rows: equal tokens, and images equal to the bit.
    """
    found: dict[tuple[int, ...], list[list[int]]] = {}  # of equal tokens
    for row, ids in enumerate(prompts):
        alike = found.setdefault(tuple(ids), [])
        group = next((rows for rows in alike if _equal(images[rows[0]], images[row])), None)
        if group is None:
            alike.append(group := [])
        group.append(row)
    return sorted(group for alike in found.values() for group in alike)


def _equal(one: Images, two: Images) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def images_by_row(fields: Mapping[str, Any], counts: Sequence[int]) -> list[Images]:
    """Split what a model is given of all images by the number that each row shows.

    Args:
        fields: `pixel_values`, [images, 3, H, W], or with `image_grid_thw` [images, 3] their patches [patches, values];
            None or missing where no row has any.
        counts: images of each row.
    """
    named = {name: fields[name] for name in IMAGE_FIELDS if fields.get(name) is not None}
    if not named:
        return [{} for _ in counts]
    parts = {name: values.split(list(counts)) for name, values in named.items() if name != "pixel_values"}
    grids = parts.get("image_grid_thw")
    sizes = list(counts) if grids is None else [int(of_row.prod(-1).sum()) for of_row in grids]
    parts["pixel_values"] = named["pixel_values"].split(sizes)
    return [{name: of_rows[row] for name, of_rows in parts.items()} if n else {} for row, n in enumerate(counts)]


def score(
    model,
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    images: Sequence[Images],
    *,
    pad_id: int,
    width: int,
) -> tuple[Tensor, Tensor | None]:
    """Return log-probability and entropy of every completion token, at the temperature of the model's fused head.

    Args:
        model: with TRL's fused head (`trl.trainer.utils.add_fused_lm_head`).
        prompts: token ids of each row, without padding.
        completions: likewise.
        images: of each row.
        pad_id: token id that fills rows up.
        width: columns of the answer; what is right of a completion is 0.

    Returns:
        Two tensors [rows, width]; entropy only where the head gives it.
    """
    groups = same_prompt(prompts, images)
    trees = completion_tree.trees(
        [prompts[rows[0]] for rows in groups], [[completions[row] for row in rows] for rows in groups], pad_id
    )
    plain = extract_model_from_parallel(model)  # the `config` of DeepSpeed's engine is its own
    inputs = {
        "input_ids": trees.input_ids.to(model.device),
        "position_ids": trees.position_ids.to(model.device),
        "attention_mask": shared_decoding.as_taken(plain, trees.attention_mask.to(model.device)),
        **_once(images, groups),
    }
    if not isinstance(plain.config, EgoflowConfig):
        inputs["position_ids"] = qwen_shared_prefix.three_axes(
            plain, inputs["input_ids"], inputs["position_ids"], inputs.get("image_grid_thw")
        )
    outputs = model(**inputs, shift_labels=trees.labels.to(model.device), fused_lm_head=True)
    # the trees hold the completions group by group
    order = torch.tensor([row for rows in groups for row in rows], device=model.device)
    lengths = torch.tensor([len(completions[row]) for row in order.tolist()], device=model.device)
    is_token = torch.arange(width, device=model.device) < lengths.unsqueeze(1)
    places = trees.places.to(model.device)

    def unpacked(values: Tensor) -> Tensor:
        of_tokens = values.flatten().index_select(0, places)
        return values.new_zeros(is_token.shape).masked_scatter(is_token, of_tokens)[order.argsort()]

    return unpacked(outputs.log_probs), None if outputs.entropy is None else unpacked(outputs.entropy)


def _once(images: Sequence[Images], groups: Sequence[Sequence[int]]) -> Images:
    """Return the images of each group of rows once, one after another; nothing where no row shows any."""
    firsts = [shown for rows in groups if (shown := images[rows[0]])]
    return {name: torch.cat([shown[name] for shown in firsts]) for name in firsts[0]} if firsts else {}


@torch.no_grad()
def sample(
    model, prompts: Sequence[Sequence[int]], images: Sequence[Images], *, pad_id: int, config: GenerationConfig
) -> list[list[int]]:
    """Sample a completion for every row; the model reads each different prompt once.

    Args:
        model: the policy.
        prompts: token ids of each row, without padding.
        images: of each row.
        pad_id: token id that fills rows up.
        config: of the generation, with its end tokens.

    Returns:
        Token ids of each row's completion, up to and with its end token.
    """
    groups = same_prompt(prompts, images)
    width = max(len(ids) for ids in prompts)
    ids = torch.full((len(groups), width), pad_id)
    for place, rows in enumerate(groups):
        ids[place, width - len(prompts[rows[0]]) :] = torch.tensor(prompts[rows[0]])
    ids = ids.to(model.device)
    mask = (torch.arange(width) >= width - torch.tensor([len(prompts[r[0]]) for r in groups]).unsqueeze(1)).to(ids)
    shown = _once(images, groups)
    if isinstance(model.config, EgoflowConfig):
        positions = mask.cumsum(1) - mask
    else:
        positions, _ = qwen_shared_prefix.rope_index(model, ids, shown.get("image_grid_thw"), mask)
    cache = DynamicCache(config=model.config.get_text_config())
    model(
        input_ids=ids[:, :-1], attention_mask=mask[:, :-1], position_ids=positions[..., :-1], past_key_values=cache,
        use_cache=True, logits_to_keep=1, **shown,
    )  # fmt: skip
    most = max(map(len, groups))  # a smaller group samples some more, which are left
    decoding = partial(
        shared_decoding.decode, cache=cache, prompt_mask=mask[:, :-1], last_positions=positions[..., -1:]
    )
    sampled = model.generate(
        input_ids=ids.repeat_interleave(most, dim=0), attention_mask=mask.repeat_interleave(most, dim=0),
        generation_config=config, custom_generate=decoding,
    )[:, width:]  # fmt: skip
    ends = torch.isin(sampled, torch.as_tensor(config.eos_token_id, device=sampled.device))
    kept = (ends.cumsum(1) - ends.int()) == 0  # what comes before the first end token, and that token
    completions = [ids[keep].tolist() for ids, keep in zip(sampled.cpu(), kept.cpu(), strict=True)]
    of_row = {row: place * most + turn for place, rows in enumerate(groups) for turn, row in enumerate(rows)}
    return [completions[of_row[row]] for row in range(len(prompts))]


class SharedPromptTrainer(GRPOTrainer):
    """TRL's trainer; its two methods that read prompts are those of this file, but where vLLM samples."""

    args: GRPOConfig

    def _generate_single_turn(self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False):
        if self.use_vllm:
            if images:  # as arrays vLLM would read the height where the channels are
                images = [frames and [to_pil_image(frame_HWC) for frame_HWC in frames] for frames in images]
            return super()._generate_single_turn(
                prompt_ids, images, multimodal_fields, num_generations, has_tool_images=has_tool_images
            )
        fields = {
            # a processor may give arrays, or lists of them
            name: torch.as_tensor(np.asarray(multimodal_fields[name])).to(self.accelerator.device)
            for name in IMAGE_FIELDS
            if name in multimodal_fields
        }
        counts = [len(of_prompt or []) for of_prompt in images] if images else [0] * len(prompt_ids)
        shown = images_by_row(fields, counts)
        with unwrap_model_for_generation(
            cast("DeepSpeedEngine", self.model_wrapped),  # every stage trains by DeepSpeed
            self.accelerator,
            generation_kwargs=self.generation_kwargs,
            gradient_checkpointing_kwargs=cast("dict | None", self.args.gradient_checkpointing_kwargs),
        ) as model:
            pad_id, config = self._tokenizer.pad_token_id, self.generation_config
            completions = sample(model, prompt_ids, shown, pad_id=pad_id, config=config)
        return completions, None

    def _get_per_token_logps_and_entropies(
        self,
        model,
        input_ids,
        attention_mask,
        logits_to_keep,
        batch_size=None,
        compute_entropy=False,
        num_images=None,
        **fields,
    ) -> tuple[Tensor, Tensor | None, None]:
        rows = [ids[real].tolist() for ids, real in zip(input_ids, attention_mask.bool(), strict=True)]
        lengths = attention_mask[:, -logits_to_keep:].sum(1).tolist()
        prompts = [ids[: len(ids) - length] for ids, length in zip(rows, lengths, strict=True)]
        completions = [ids[len(ids) - length :] for ids, length in zip(rows, lengths, strict=True)]
        images = images_by_row(fields, num_images or [0] * len(rows))
        size = batch_size or len(rows)
        with self.accelerator.autocast():
            parts = [
                score(
                    model, prompts[start : start + size], completions[start : start + size],
                    images[start : start + size], pad_id=self._tokenizer.pad_token_id, width=logits_to_keep,
                )
                for start in range(0, len(rows), size)
            ]  # fmt: skip
        logps = torch.cat([part[0] for part in parts])
        entropies = [entropy for _, entropy in parts if entropy is not None]
        return logps, torch.cat(entropies) if compute_entropy else None, None

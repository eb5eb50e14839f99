"""Ego-adaptive tokens on the vision towers of Qwen2-VL and Qwen2.5-VL (Ego2ExoVLM, arXiv 2501.05711; systems §2.2).

The paper has them on SigLIP. Qwen's towers differ in three ways, and are read so here:

- Most layers of Qwen2.5's attend within windows. The queries stand in no window: behind every layer they attend to that
  layer's output of all patches of all frames of the clip. The order in which a tower lays patches out does not matter.
- Its attention turns queries and keys by their place. The paper's has no rotary embedding, and neither has this one.
- Its merger makes one token of four patches, a query is one vector. The projector begins as the merger does with four
  patches that are all alike, so that what comes out is what the language model knows.

They stand behind the last frame of a clip, each at a placeholder of text (qwen_ego_setup.py). So their positions on all
three axes go on from the end of that frame, one after the other, and the question goes on from them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

from torch import Tensor, nn
from transformers import (
    PretrainedConfig,
    PreTrainedModel,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLModel,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLModel,
)

from components.models.ego_tokens import EgoTokens

SUFFIX = "_ego_tokens"  # of a `model_type`: a class that knows no such tokens would load the rest and say nothing


class Qwen2VLEgoTokensConfig(Qwen2VLConfig):
    """Of Qwen2-VL with `ego_tokens` tokens for each clip, at the places of word `ego_token_id`."""

    model_type = Qwen2VLConfig.model_type + SUFFIX
    ego_tokens: int = 0
    ego_token_id: int | None = None


class Qwen2_5_VLEgoTokensConfig(Qwen2_5_VLConfig):  # noqa: N801 - as transformers writes it
    """The same of Qwen2.5-VL."""

    model_type = Qwen2_5_VLConfig.model_type + SUFFIX
    ego_tokens: int = 0
    ego_token_id: int | None = None


class _ReadsClips(nn.Module):
    """What stands in front of one of transformers' backbones: `model.model` of a model for conditional generation."""

    config: Any
    visual: Any
    get_image_features: Callable[..., Any]
    get_input_embeddings: Callable[[], nn.Module]

    def __init__(self, config: PretrainedConfig):
        super().__init__(config)
        if config.ego_tokens:
            self.ego_tokens = self.fresh_tokens()

    def fresh_tokens(self) -> EgoTokens:
        """Make tokens for this tower, whose weights are yet to be given."""
        blocks, merger = self.visual.blocks, self.visual.merger
        width, (wide, _, out) = blocks[0].attn.proj.out_features, merger.mlp
        project = nn.Sequential(
            type(merger.ln_q)(width, eps=1e-6),  # as transformers makes the merger's
            nn.Linear(width, wide.out_features),
            nn.GELU(),
            nn.Linear(out.in_features, out.out_features),
        )
        return EgoTokens(
            self.config.ego_tokens, width=width, heads=blocks[0].attn.num_heads, layers=len(blocks), projector=project
        )

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        image_grid_thw: Tensor | None = None,
        **kwargs,
    ):
        """Predict as transformers' backbone does; with frames, the tokens of each clip stand at their places.

        Raises:
            ValueError: frames came encoded or without the tokens of their prompts, or a clip has not the places of its
                tokens behind its frames.
        """
        if self.config.ego_tokens and kwargs.get("mm_encoder_outputs"):
            raise ValueError(
                f"{sorted(kwargs['mm_encoder_outputs'])} came as mm_encoder_outputs, allowed are pixel_values: "
                "ego-adaptive tokens read every layer of the tower; mend the model's call"
            )
        if not self.config.ego_tokens or pixel_values is None:
            return super().forward(
                input_ids=input_ids, pixel_values=pixel_values, image_grid_thw=image_grid_thw, **kwargs
            )
        if input_ids is None or image_grid_thw is None:
            raise ValueError(
                "frames came without input_ids or image_grid_thw, both are needed to find the places of ego-adaptive "
                "tokens; mend the model's call"
            )
        layers: list[Tensor] = []
        hooks = [
            block.register_forward_hook(lambda module, inputs, output: layers.append(output))
            for block in self.visual.blocks
        ]
        try:
            seen = self.get_image_features(pixel_values, image_grid_thw, return_dict=True)
        finally:
            for hook in hooks:
                hook.remove()
        # patch by patch: the frames of Qwen's clips differ in size
        tokens = self.ego_tokens([layer.unsqueeze(1) for layer in layers], self.patches_of_clips(input_ids))
        embeds = self.get_input_embeddings()(input_ids)
        is_token = (input_ids == self.config.ego_token_id).unsqueeze(-1)
        kwargs |= {"inputs_embeds": embeds.masked_scatter(is_token, tokens.to(embeds.dtype))}
        kwargs |= {"mm_encoder_outputs": {"image": seen}, "image_grid_thw": image_grid_thw}
        return super().forward(input_ids=input_ids, **kwargs)

    def patches_of_clips(self, input_ids: Tensor) -> list[int]:
        """Return how many patches each clip shows: those of the frames before its places, back to the clip before.

        Args:
            input_ids: [B, L]; a row may hold several clips, each with its places, or none.

        Raises:
            ValueError: a row's places are not those of its clips.
        """
        count, merged = self.config.ego_tokens, self.visual.spatial_merge_size**2
        ids = input_ids.cpu()  # once, and not for every number below
        clips: list[int] = []
        so_far = (ids == self.config.image_token_id).cumsum(1)
        for seen, is_token in zip(so_far, ids == self.config.ego_token_id, strict=True):
            before, shown = seen[is_token].tolist(), int(seen[-1])  # image tokens before each place, and in all
            ends = [0, *before[::count]]
            of_row = [end - begin for begin, end in pairwise(ends)]
            alike = before == [end for end in ends[1:] for _ in range(count)]
            if not alike or ends[-1] != shown or min(of_row, default=1) < 1:
                raise ValueError(
                    f"a row with {shown} tokens of frames has {len(before)} places for ego-adaptive tokens, allowed "
                    f"are {count} behind the last frame of each clip; lay prompts out by the model's own chat template"
                )
            clips += of_row
        return [tokens * merged for tokens in clips]


class Qwen2VLEgoTokensModel(_ReadsClips, Qwen2VLModel):
    """Backbone of Qwen2-VL with ego-adaptive tokens."""


class Qwen2_5_VLEgoTokensModel(_ReadsClips, Qwen2_5_VLModel):  # noqa: N801
    """Backbone of Qwen2.5-VL with ego-adaptive tokens."""


class _Speaks(nn.Module):
    """What stands in front of one of transformers' models for conditional generation."""

    backbone: type[nn.Module]
    post_init: Callable[[], None]

    def __init__(self, config: PretrainedConfig):
        # not the one between, which would make a backbone for nothing
        PreTrainedModel.__init__(cast(PreTrainedModel, self), config)
        text = config.text_config
        self.model = self.backbone(config)
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        self.post_init()

    def _supports_mm_encoder_outputs(self) -> bool:
        # else `generate` encodes frames beforehand, and the layers that the tokens read are gone
        return False


class Qwen2VLEgoTokensForConditionalGeneration(_Speaks, Qwen2VLForConditionalGeneration):
    """Qwen2-VL with ego-adaptive tokens; with none it is transformers' own to the bit."""

    config_class, backbone = Qwen2VLEgoTokensConfig, Qwen2VLEgoTokensModel


class Qwen2_5_VLEgoTokensForConditionalGeneration(_Speaks, Qwen2_5_VLForConditionalGeneration):  # noqa: N801
    """Qwen2.5-VL with ego-adaptive tokens; with none it is transformers' own to the bit."""

    config_class, backbone = Qwen2_5_VLEgoTokensConfig, Qwen2_5_VLEgoTokensModel


CLASSES: dict[type[PretrainedConfig], type[PreTrainedModel]] = {
    Qwen2VLEgoTokensConfig: Qwen2VLEgoTokensForConditionalGeneration,
    Qwen2_5_VLEgoTokensConfig: Qwen2_5_VLEgoTokensForConditionalGeneration,
}

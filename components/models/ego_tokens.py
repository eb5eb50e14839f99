"""Ego-adaptive visual tokens (Ego2ExoVLM, arXiv 2501.05711; systems §2.2): learned queries that read the whole clip.

After every layer of the tower the queries attend to that layer's output of all patches of all frames, and what they
attend to replaces them. The tower and its features are as they would be without.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.modeling_layers import GradientCheckpointingLayer

from components.models.configuration import EgoflowConfig
from components.models.parts import projector_of
from components.models.processing import EGO_TOKEN

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj")  # as transformers' CLIP and SigLIP name them


class CrossAttention(GradientCheckpointingLayer):
    """Multi-head attention of tokens to patches, and nothing around it: no residual, no norm, no rotary embedding.

    With gradient checkpointing the keys and values of all patches are computed again, not kept.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.v_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, tokens_SND: Tensor, patches_TPD: Tensor, steps: Sequence[int]) -> Tensor:
        """Return what the tokens of each clip attend to, in their place [S, N, D].

        Every projection runs once whatever the clips' lengths: under ZeRO-3 all ranks then gather the same weights.

        Args:
            tokens_SND: tokens of the S clips.
            patches_TPD: patches of the steps of all clips, in order.
            steps: how many steps each clip has; T in all.
        """
        by_head = (self.heads, tokens_SND.shape[-1] // self.heads)
        queries = self.q_proj(tokens_SND).unflatten(2, by_head).transpose(1, 2)
        keys, values = (project(patches_TPD).split(list(steps)) for project in (self.k_proj, self.v_proj))
        read = []
        for query, *both in zip(queries, keys, values, strict=True):
            key, value = (each.flatten(0, 1).unflatten(1, by_head).transpose(0, 1) for each in both)
            read.append(functional.scaled_dot_product_attention(query, key, value))
        return self.out_proj(torch.stack(read).transpose(1, 2).flatten(2))


class EgoTokens(nn.Module):
    """N queries E⁰, a cross-attention for each layer of the tower that is read, and a projector of their own.

    Args:
        count: N, tokens of a clip.
        width: D of the tower.
        heads: of its attention.
        layers: of the tower, up to the one that is read.
        projector: D to the width of the language model (`parts.projector_of`).
    """

    def __init__(self, count: int, *, width: int, heads: int, layers: int, projector: nn.Module):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(count, width) * 0.02)
        self.cross_attention = nn.ModuleList(CrossAttention(width, heads) for _ in range(layers))
        self.project = projector

    def forward(self, layers: Sequence[Tensor], steps: Sequence[int]) -> Tensor:
        """Return the tokens of all clips, one after another [S * N, text width].

        Args:
            layers: output [T, P, D] of each layer of the tower, first to last, for the steps of all clips in order.
            steps: how many of the T steps each of the S clips has.
        """
        tokens_SND = self.queries.expand(len(steps), -1, -1)
        for attend, patches_TPD in zip(self.cross_attention, layers, strict=True):
            tokens_SND = attend(tokens_SND, patches_TPD, steps)
        return self.project(tokens_SND.flatten(0, 1))

    @torch.no_grad()
    def begin_as(self, tower: nn.Module, projector: nn.Module) -> None:
        """Copy the weights of the tower's self-attention, layer by layer, and of the connector's projector if it fits.

        Args:
            tower: CLIP's or SigLIP's.
            projector: last layers of the visual connector; where their shapes are others, the tokens' own stay fresh.
        """
        for number, own in enumerate(self.cross_attention):
            attention = tower.get_submodule(f"encoder.layers.{number}.self_attn")
            for name in PROJECTIONS:
                own.get_submodule(name).load_state_dict(attention.get_submodule(name).state_dict())
        theirs, mine = projector.state_dict(), self.project.state_dict()
        if {name: value.shape for name, value in theirs.items()} == {name: value.shape for name, value in mine.items()}:
            self.project.load_state_dict(theirs)


def ego_tokens_of(config: EgoflowConfig) -> EgoTokens:
    """Make fresh tokens, `config.ego_tokens` of them, for the layers of the tower that are read."""
    vision, text = config.vision_config, config.text_config
    return EgoTokens(
        config.ego_tokens,
        width=vision.hidden_size,
        heads=vision.num_attention_heads,
        layers=vision.num_hidden_layers + 1 + config.vision_feature_layer,
        projector=projector_of(config.connector, vision.hidden_size, text.hidden_size),
    )


def places_of(config: EgoflowConfig, input_ids: Tensor) -> Tensor:
    """Return which of the tokens [B, L] are places of ego-adaptive tokens, bool [B, L]; none where a model has none."""
    if not config.ego_tokens:
        return torch.zeros_like(input_ids, dtype=torch.bool)
    return input_ids == config.token_ids[EGO_TOKEN]


def check_places(config: EgoflowConfig, is_token: Tensor, steps: Tensor) -> None:
    """Make sure that every sample that shows frames has the places of its tokens, and no other has any.

    Args:
        config: of the model.
        is_token: bool [B, L], see `places_of`.
        steps: int64 [B], steps of the tower that each sample shows.

    Raises:
        ValueError: it does not hold.
    """
    asked = torch.where(steps > 0, config.ego_tokens, 0)
    if not torch.equal(is_token.sum(1), asked):
        raise ValueError(
            f"{is_token.sum(1).tolist()} places for ego-adaptive tokens came, allowed are {asked.tolist()}; lay "
            "prompts out by processing.layout with the model's configuration"
        )

"""Prompts that begin alike are read together: what a model has read of frames is kept, and questions go on behind it.

A prompt is a prefix, the frames, and a turn, the question. The keys and values of a prefix depend on nothing behind it,
so all questions about the same frames, of all tasks and controls, share one reading of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import Cache, DynamicLayer, PreTrainedModel

from components.models import qwen_shared_prefix
from components.models.configuration import EgoflowConfig

KEPT_BYTES = 2**30  # of keys and values; beyond it all are forgotten
ROOM = 32  # tokens that a cache first has room for behind a prompt


@dataclass(frozen=True)
class Prefix:
    """What stands before a question.

    Attributes:
        key: tells it from all others of one model.
        tokens: how many it has.
        next_position: of the token behind it; an image may take fewer positions than tokens.
        inputs: what a model reads it by.
    """

    key: Hashable
    tokens: int
    next_position: int
    inputs: Any


@dataclass(frozen=True)
class Prompts:
    """Prompts of a batch that a model has read.

    Attributes:
        cache: their keys and values, L of each.
        real: bool [B, L], false where a prompt is padded.
        next_positions: int64 [B, 1], of the token behind each; on three axes [3, B, 1].
        logits: [B, vocabulary] of that token.
    """

    cache: Cache
    real: Tensor
    next_positions: Tensor
    logits: Tensor


class RoomyLayer(DynamicLayer):
    """One layer's keys and values, with room for more: transformers' own layer copies all of them for every token."""

    def __init__(self, keys: Tensor, values: Tensor):
        """Begin with keys and values [B, H, L, D]."""
        super().__init__()
        self.lazy_initialization(keys, values)
        self._hold(keys, values, keys.shape[-2] + ROOM)

    def update(self, key_states: Tensor, value_states: Tensor, *args, **kwargs) -> tuple[Tensor, Tensor]:
        """Append keys and values [B, H, L, D]; return all."""
        start, end = self._length, self._length + key_states.shape[-2]
        if end > self._held[0].shape[-2]:
            self._hold(*(held[:, :, :start] for held in self._held), 2 * end)
        for held, new in zip(self._held, (key_states, value_states), strict=True):
            held[:, :, start:end] = new
        return self._show(end)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep some rows alone."""
        capacity = self._held[0].shape[-2]
        self._hold(*(held[indices, :, : self._length] for held in self._held), capacity)

    def _hold(self, keys: Tensor, values: Tensor, capacity: int) -> None:
        rows, heads, length, width = keys.shape
        self._held = keys.new_empty(rows, heads, capacity, width), values.new_empty(rows, heads, capacity, width)
        for held, known in zip(self._held, (keys, values), strict=True):
            held[:, :, :length] = known
        self._show(length)

    def _show(self, length: int) -> tuple[Tensor, Tensor]:
        self._length = length
        keys, values = (held[:, :, :length] for held in self._held)
        self.keys, self.values = keys, values
        return keys, values


class Reader:
    """Reads prompts by a model, of equal prefixes one.

    Args:
        model: in evaluation mode.
        read: reads new prefixes, without padding; returns the keys and values of each by turns, layer after layer
            [C, 2 * layers, H, D].
        axes: of the model's positions, 1 or 3.
    """

    def __init__(self, model: PreTrainedModel, read: Callable[[list[Prefix]], list[Tensor]], *, axes: int = 1):
        self._model, self._read_new, self._axes = model, read, axes
        self._kept: dict[Hashable, Tensor] = {}  # of prefixes

    def __contains__(self, key: Hashable) -> bool:
        """Return whether the prefix with this key is kept until others are read."""
        return key in self._kept

    def read(self, prefixes: Sequence[Prefix], turns: Sequence[Sequence[int]]) -> Prompts:
        """Read a batch of prompts, for what comes behind them.

        Args:
            prefixes: of each; of equal keys one is read.
            turns: token ids of each, at least one.
        """
        hidden, cache, real, following = self._read(prefixes, turns)
        return Prompts(cache, real, following, self._model.lm_head(hidden[:, -1]))

    def logits(self, prefixes: Sequence[Prefix], turns: Sequence[Sequence[int]], *, keep: int) -> Tensor:
        """Return the logits [B, keep, vocabulary] behind the last tokens of each turn, of a shorter one behind padding.

        Args:
            prefixes: as `read` takes them.
            turns: likewise.
            keep: how many of the last tokens.
        """
        return self._model.lm_head(self._read(prefixes, turns)[0][:, -keep:])

    def _read(self, prefixes: Sequence[Prefix], turns: Sequence[Sequence[int]]) -> tuple[Tensor, Cache, Tensor, Tensor]:
        """Return hidden states [B, T, W] of left-padded turns, and what `Prompts` has but the logits."""
        known = self._known(prefixes)
        before = pad_sequence(known, batch_first=True, padding_side="left")  # [B, C, 2 * layers, H, D]
        device, length, first = before.device, max(map(len, turns)), before.shape[1]
        ids = torch.tensor([[0] * (length - len(turn)) + list(turn) for turn in turns], device=device)
        lengths = torch.tensor([[len(turn)] for turn in turns], device=device)
        places = torch.arange(length, device=device) - (length - lengths)  # [B, T], of padding negative
        starts = torch.tensor([[len(each)] for each in known], device=device)
        real = torch.cat([torch.arange(first, device=device) >= first - starts, places >= 0], 1)
        # what pads sees itself: a position that sees nothing would give NaN
        sees = torch.ones(length, real.shape[1], dtype=torch.bool, device=device).tril(first) & real[:, None]
        sees[:, :, first:] |= torch.eye(length, dtype=torch.bool, device=device)
        both = before.transpose(1, 3).unbind(2)  # [B, H, C, D] each
        cache = Cache(layers=[RoomyLayer(*both[at : at + 2]) for at in range(0, len(both), 2)])
        following = torch.tensor([[each.next_position] for each in prefixes], device=device)
        positions, following = (following + places).clamp(min=0), following + lengths
        if self._axes > 1:
            positions, following = (each.expand(self._axes, -1, -1) for each in (positions, following))
        return behind(self._model, cache, ids, sees, positions), cache, real, following

    def _known(self, prefixes: Sequence[Prefix]) -> list[Tensor]:
        """Return keys and values of prefixes [C, 2 * layers, H, D]; those that are not kept are read."""
        if sum(each.nbytes for each in self._kept.values()) > KEPT_BYTES:
            self._kept.clear()
        new = {each.key: each for each in prefixes if each.key not in self._kept}
        if new:
            self._kept |= zip(new, self._read_new([*new.values()]), strict=True)
        return [self._kept[each.key] for each in prefixes]


def keys_and_values(cache: Cache) -> Tensor:
    """Return all that a cache holds, keys and values by turns, layer after layer [B, L, 2 * layers, H, D]."""
    layers: list[Any] = cache.layers  # declared as any kind of layer
    both = [side.transpose(1, 2) for layer in layers for side in (layer.keys, layer.values)]
    return torch.stack(both, 2)


def behind(model: PreTrainedModel, cache: Cache, ids: Tensor, sees: Tensor, position_ids: Tensor) -> Tensor:
    """Read tokens behind what was read.

    Args:
        model: in evaluation mode.
        cache: of what was read, which grows.
        ids: int64 [B, T].
        sees: bool [B, T, L], true where one of them sees a token, of the cache or of these.
        position_ids: int64 [B, T], or [3, B, T].

    Returns:
        Hidden states [B, T, W].
    """
    mask = sees.unsqueeze(1)
    if not isinstance(model.config, EgoflowConfig):  # which makes it fit its attention itself
        mask = qwen_shared_prefix.seen_by(model, mask)
    return model.model(
        inputs_embeds=model.get_input_embeddings()(ids), attention_mask=mask, position_ids=position_ids,
        past_key_values=cache, use_cache=True,
    ).last_hidden_state  # fmt: skip

"""The completions of a prompt as a tree behind it: what several of them begin with stands, and is read, once.

The completions of a policy that has learned its task are alike up to where they decide something: of eight boxes all
begin with the same thought, and some share their first numbers. Equal beginnings have equal log-probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from components.train.packing import IGNORE


@dataclass(frozen=True)
class Trees:
    """A row for each prompt: its tokens but the last, then the nodes of its completions; padded on the right.

    A node is a token of one or several completions that are equal up to and with it. It stands where that token is
    predicted: its input is the token before, its label the token itself.

    Args:
        input_ids: int64 [B, L].
        labels: what a position predicts, int64 [B, L], shifted already; IGNORE where that is no token of a completion.
        position_ids: int64 [B, L].
        attention_mask: bool [B, 1, L, L], true where a position (third axis) sees another (fourth): the prompt, the
            nodes before it in its completions, and itself.
        places: int64 [tokens], in `labels.flatten()`, of each token of each completion, one prompt after another.
    """

    input_ids: Tensor
    labels: Tensor
    position_ids: Tensor
    attention_mask: Tensor
    places: Tensor


def trees(prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[Sequence[int]]], pad_id: int) -> Trees:
    """Put the completions of each prompt behind it.

    Args:
        prompts: token ids, without padding.
        completions: of each prompt, token ids; some may be empty.
        pad_id: fills rows up.
    """
    rows = [_tree(*of_prompt) for of_prompt in zip(prompts, completions, strict=True)]
    length = max(len(row) for row, _, _ in rows)
    # padding sees at least itself: a position that sees nothing would give NaN
    sees = np.broadcast_to(np.eye(length, dtype=bool), (len(rows), length, length)).copy()
    columns = np.zeros((3, len(rows), length), dtype=np.int64)
    columns[:2] = [[[pad_id]], [[IGNORE]]]
    places = []
    for number, (row, parents, mine) in enumerate(rows):
        columns[:, number, : len(row)] = np.array(row).T.reshape(3, -1)
        for place, parent in enumerate(parents):
            if parent >= 0:
                sees[number, place, : parent + 1] = sees[number, parent, : parent + 1]
        places += [number * length + place for place in mine]
    input_ids, labels, position_ids = torch.from_numpy(columns)
    return Trees(input_ids, labels, position_ids, torch.from_numpy(sees).unsqueeze(1), torch.tensor(places))


def _tree(
    prompt: Sequence[int], completions: Sequence[Sequence[int]]
) -> tuple[list[tuple[int, int, int]], list[int], list[int]]:
    """Return (input, label, position) of each place of a row, the place before each, and each token's place."""
    *shared, last = prompt
    row = [(token, IGNORE, place) for place, token in enumerate(shared)]
    parents = list(range(-1, len(shared) - 1))
    found: dict[tuple[int, int], int] = {}  # the place before and the label to a node
    places = []
    for said in completions:
        parent = len(shared) - 1
        for depth, (before, token) in enumerate(zip([last, *said], said, strict=False)):
            node = found.setdefault((parent, token), len(row))
            if node == len(row):
                row.append((before, token, len(shared) + depth))
                parents.append(parent)
            places.append(parent := node)
    return row, parents, places


def branches(column: Tensor, tokens: Tensor, goes_on: Tensor) -> tuple[Tensor, Tensor]:
    """Say which completions go on as one after each has got another token.

    Args:
        column: int64 [B, G], completions of one prompt with the same number were equal until now.
        tokens: int64 [B, G], the newest token of each.
        goes_on: bool [B, G], whether a completion has another token to come.

    Returns:
        For each completion its number from now on [B, G], 0 where it has ended; and for each number, as many as the
        prompt with the most has, a completion of it [B, N]: numbers that a prompt does not have repeat others.
    """
    alike = (column.unsqueeze(2) == column.unsqueeze(1)) & (tokens.unsqueeze(2) == tokens.unsqueeze(1))
    first = (alike & goes_on.unsqueeze(1)).int().argmax(2)  # of those that go on
    is_first = goes_on & (first == torch.arange(column.shape[1], device=column.device))
    numbers = is_first.cumsum(1) - 1
    most = int(is_first.sum(1).max())
    chosen = is_first.int().argsort(dim=1, descending=True, stable=True)[:, :most]
    return torch.where(goes_on, numbers.gather(1, first), 0), chosen

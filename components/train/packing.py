"""Questions to tokens: a context stands once, and every question about it sees the context and itself alone.

Ten questions about one window of frames then cost one reading of the window, and give the gradient of ten samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from components.models.processing import EgoflowProcessor, context, turn

IGNORE = -100  # labels that give no loss


@dataclass(frozen=True)
class Row:
    """A context and its questions as tokens; lists of one length.

    Args:
        ids: token ids.
        labels: the ids of answers, IGNORE elsewhere: only answers are learned.
        turns: 0 for the tokens of the context, k for those of question k.
        positions: place of each token; every question goes on where the context ends.
    """

    ids: list[int]
    labels: list[int]
    turns: list[int]
    positions: list[int]


def row(processor: EgoflowProcessor, visual: str, turns: Sequence[tuple[str, str]]) -> Row:
    """Tokenize a context and what is asked about it; every answer ends with <eos>.

    Args:
        processor: of the model.
        visual: the visual tokens of the context as text; "" for none.
        turns: (question, answer) pairs.
    """
    texts = [
        context(visual),
        *(text for asked, said in turns for text in (turn(asked, processor.turn_words), f"{said}<eos>")),
    ]
    # one call: most of what a call costs is not for its text
    ids, *encoded = processor.tokenizer(texts, add_special_tokens=False)["input_ids"]
    length = len(ids)
    made = Row(ids, [IGNORE] * length, [0] * length, list(range(length)))
    for number, (asked, said) in enumerate(zip(encoded[::2], encoded[1::2], strict=True), start=1):
        size = len(asked) + len(said)
        made.ids.extend(asked + said)
        made.labels.extend([IGNORE] * len(asked) + said)
        made.turns.extend([number] * size)
        made.positions.extend(range(length, length + size))
    return made


def pad(rows: Sequence[Row], pad_id: int) -> dict[str, torch.Tensor]:
    """Right-pad rows to a batch.

    Returns:
        input_ids, labels, position_ids [B, L] and attention_mask [B, 1, L, L], true where a token (third axis) sees
        another (fourth): earlier ones of the context and of its own question.
    """
    length = max(len(row.ids) for row in rows)

    def padded(lists: list[list[int]], value: int) -> torch.Tensor:
        # numpy reads lists many times faster than torch
        return torch.from_numpy(np.array([values + [value] * (length - len(values)) for values in lists]))

    turns = padded([row.turns for row in rows], -1)
    return {
        "input_ids": padded([row.ids for row in rows], pad_id),
        "labels": padded([row.labels for row in rows], IGNORE),
        "position_ids": padded([row.positions for row in rows], 0),
        "attention_mask": visible(turns, torch.zeros_like(turns)),
    }


def visible(turns: torch.Tensor, contexts: torch.Tensor) -> torch.Tensor:
    """Say which token sees which: itself, and earlier ones of its own turn and of the context of that turn.

    Args:
        turns: int64 [B, L], the turn that each token belongs to; a context is a turn too.
        contexts: int64 [B, L], the turn that is the context of each token's turn.

    Returns:
        bool [B, 1, L, L], true where a token (third axis) sees another (fourth). Padding, a turn like others, sees at
        least itself: a position that sees nothing would give NaN.
    """
    mine, theirs = turns.unsqueeze(2), turns.unsqueeze(1)
    earlier = torch.ones(turns.shape[1], turns.shape[1], dtype=torch.bool).tril()
    return (((mine == theirs) | (theirs == contexts.unsqueeze(2))) & earlier).unsqueeze(1)

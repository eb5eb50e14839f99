"""Rows of a Qwen model: frames stand once with all that is asked about them, and what is short shares a row.

Exact: a question sees its frames and itself, at the positions that it would have alone, so losses and gradients are
those of a row for each question. Only contexts hold images, and a question goes on where its context ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from components.train.packing import IGNORE, visible

_TEXT = 0  # the word of `mm_token_type_ids` for a token that is no image's


@dataclass(frozen=True)
class Piece:
    """Frames and what is asked about them, as tokens.

    Args:
        ids: int64 [L], token ids.
        labels: int64 [L], the ids of answers, IGNORE elsewhere.
        turns: int64 [L], 0 for the tokens of the context, k for those of question k.
        positions: int64 [3, L], of time, row and column.
        pixel_values: float32 [patches, values] of the frames, as the image processor gives them.
        image_grid_thw: int64 [frames, 3], patches of each frame by time, row and column.
    """

    ids: np.ndarray
    labels: np.ndarray
    turns: np.ndarray
    positions: np.ndarray
    pixel_values: Tensor
    image_grid_thw: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def questions(self) -> int:
        """How many questions there are."""
        return int(self.turns.max(initial=0))


def piece(
    context: tuple[Sequence[int], Sequence[int]],
    turns: Sequence[tuple[Sequence[int], Sequence[int]]],
    pixel_values: Tensor,
    image_grid_thw: Tensor,
    *,
    merge_size: int,
) -> Piece:
    """Put questions behind their context.

    Args:
        context: token ids, and the modality of each (`mm_token_type_ids`).
        turns: token ids of question and answer; no question is empty, for its last token predicts the answer's first.
        pixel_values: float32 [patches, values] of the context's frames.
        image_grid_thw: int64 [frames, 3], their patches by time, row and column.
        merge_size: patches along a side that become one token.
    """
    ids, types = context
    of_context, end = positions_of(types, image_grid_thw.tolist(), merge_size=merge_size)
    made = [np.array(ids, dtype=np.int64)]
    labels, numbers, positions = [np.full(len(ids), IGNORE)], [np.zeros(len(ids), dtype=np.int64)], [of_context]
    for number, (asked, said) in enumerate(turns, start=1):
        length = len(asked) + len(said)
        made.append(np.array([*asked, *said]))
        labels.append(np.array([IGNORE] * len(asked) + [*said]))
        numbers.append(np.full(length, number))
        positions.append(np.tile(np.arange(end, end + length), (3, 1)))
    return Piece(
        ids=np.concatenate(made),
        labels=np.concatenate(labels),
        turns=np.concatenate(numbers),
        positions=np.concatenate(positions, axis=1),
        pixel_values=pixel_values,
        image_grid_thw=image_grid_thw,
    )


def positions_of(
    types: Sequence[int], grids_thw: Sequence[Sequence[int]], *, merge_size: int
) -> tuple[np.ndarray, int]:
    """Return the positions of a sequence that begins at 0, and the one at which text goes on behind it.

    Text takes one position after the other on all axes; an image begins where the text before it ended, spreads over
    its rows and columns, and text goes on behind the longer of its sides (Qwen2-VL, arXiv 2409.12191, section 2.1).

    Args:
        types: modality of each token, as `mm_token_type_ids` has it.
        grids_thw: patches of each image by time, row and column.
        merge_size: patches along a side that become one token.

    Returns:
        int64 [3, L] by time, row and column; and an integer.
    """
    parts, begin, grids = [np.empty((3, 0), dtype=np.int64)], 0, iter(grids_thw)
    for kind, run in groupby(types):
        if kind == _TEXT:
            length = len(list(run))
            parts.append(np.tile(np.arange(begin, begin + length), (3, 1)))
            begin += length
        else:
            times, rows, columns = next(grids)
            sides = rows // merge_size, columns // merge_size
            parts.append(np.indices((times, *sides)).reshape(3, -1) + begin)
            begin += max(sides)
    return np.concatenate(parts, axis=1), begin


def fill_rows(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Share rows as long as the longest piece out among pieces, each behind the last of the first row with room.

    A longer row would spare no more padding, and attention takes the square of its length.
    """
    room = max(map(len, pieces))
    rows: list[list[Piece]] = []
    for each in sorted(pieces, key=len, reverse=True):
        row = next((row for row in rows if sum(map(len, row)) + len(each) <= room), None)
        if row is None:
            rows.append([each])
        else:
            row.append(each)
    return rows


def batch_of(rows: Sequence[Sequence[Piece]], *, pad_id: int, additive: bool) -> dict[str, Tensor]:
    """Lay rows out as a model's inputs.

    Args:
        rows: of pieces.
        pad_id: token behind the end of a row.
        additive: give the mask as numbers to add to the scores, as plain attention takes it, not as booleans.

    Returns:
        input_ids and labels [B, L], position_ids [3, B, L], pixel_values, image_grid_thw, and attention_mask
        [B, 1, L, L] where a token must not see all those before it. Without one, attention has its fastest way; and
        what stands behind the only question of a row, padding or a piece without one, no answer sees.
    """
    shape = len(rows), max(sum(map(len, row)) for row in rows)
    ids, labels = np.full(shape, pad_id), np.full(shape, IGNORE)
    turns, contexts = np.full(shape, -1), np.full(shape, -1)
    positions = np.zeros((3, *shape), dtype=np.int64)
    for number, row in enumerate(rows):
        begin, turn = 0, 0
        for each in row:
            place = slice(begin, begin + len(each))
            ids[number, place], labels[number, place] = each.ids, each.labels
            turns[number, place], contexts[number, place] = each.turns + turn, turn
            positions[:, number, place] = each.positions
            begin, turn = begin + len(each), turn + each.questions + 1
    pieces = [each for row in rows for each in row]
    batch = {
        "input_ids": torch.from_numpy(ids),
        "labels": torch.from_numpy(labels),
        "position_ids": torch.from_numpy(positions),
        "pixel_values": torch.cat([each.pixel_values for each in pieces]),
        "image_grid_thw": torch.cat([each.image_grid_thw for each in pieces]),
    }
    if any(first.questions > 1 or any(each.questions for each in others) for first, *others in rows):
        sees = visible(torch.from_numpy(turns), torch.from_numpy(contexts))
        lowest = torch.finfo(torch.float32).min
        batch["attention_mask"] = torch.zeros(sees.shape).masked_fill(~sees, lowest) if additive else sees
    return batch

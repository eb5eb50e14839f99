"""Features of a frozen tower, computed once: which frames come again, and where their grids lie until then.

Stage 2 of Exo2Ego compares F(x) with y, the exo features of the same moment, and does not train the tower that gives
them (systems §1.4): of the same frames y is the same in every pass. Which frames come again is known before the first
step, so only those are kept, and the order of the samples alone says which item is computed and which is read: ranks
and a resumed run do what a run does that was never killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from components.models.build import has_bf16_cpu
from components.models.processing import normalise

if TYPE_CHECKING:
    from components.models.modeling import EgoflowForConditionalGeneration

# steps from an item that is kept to one that reads it: a batch is collated while the one before it is trained on
AHEAD = 2
_MARK = 4  # bytes in front of a grid: its CRC-32


@dataclass(frozen=True)
class CachePlan:
    """What is kept of every item, in the order of the training.

    Args:
        slots: int64 [items], place of the item's first grid in the file; -1 where nothing is kept.
        counts: int64 [items], grids of the item.
        keeps: bool [items], whether the item's grids are written: it is the first that shows its frames.
        reads: bool [items], whether they are read: an earlier step wrote them.
    """

    slots: np.ndarray
    counts: np.ndarray
    keeps: np.ndarray
    reads: np.ndarray

    @property
    def grids(self) -> int:
        """Grids that are kept in all."""
        return int(self.counts[self.keeps].sum())


def plan_cache(shown: np.ndarray, counts: np.ndarray, *, batch: int, most: int) -> CachePlan:
    """Decide what is kept: frames that come again `AHEAD` steps later or more, as many of the first as there is room.

    Args:
        shown: int64 [items], which frames an item shows, in the order of the training.
        counts: int64 [items], grids of the item.
        batch: items of an optimiser step.
        most: grids that there is room for.

    >>> plan_cache(np.array([0, 1, 2, 0, 0, 1]), np.ones(6, int), batch=1, most=1).reads.tolist()
    [False, False, False, True, True, False]
    """
    items = np.arange(len(shown))
    step = items // batch
    _, first, of = np.unique(shown, return_index=True, return_inverse=True)
    last = np.zeros_like(first)
    np.maximum.at(last, of, items)
    again = np.sort(first[step[last] - step[first] >= AHEAD])
    ends = counts[again].cumsum()
    fits = ends <= most
    slots = np.full(len(shown), -1)
    slots[again[fits]] = (ends - counts[again])[fits]
    slots = slots[first][of]
    kept = slots >= 0
    return CachePlan(slots, counts, kept & (items == first[of]), kept & (step - step[first[of]] >= AHEAD))


class FeatureCache:
    """The grids that a stage keeps, in one file that all its ranks share.

    It is written and read by offset, so that memory holds none of it. A grid that is not there whole (the machine died
    before its disk had it) is computed and written again.
    """

    def __init__(self, path: Path, plan: CachePlan, *, patches: int, width: int, dtype: torch.dtype):
        """Open the file, or make an empty one.

        Args:
            path: the file.
            plan: what it holds.
            patches: H * W of a grid.
            width: D of a grid.
            dtype: type of its numbers, that of the tower's output.
        """
        self.path, self.plan, self.shape, self.dtype = path, plan, (patches, width), dtype
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT)
        self._record = _MARK + patches * width * dtype.itemsize

    def item(self, index: int) -> dict[str, Tensor]:
        """Return `paired_grids` [grids, H * W, D] of an item that reads, `slots` [grids] of one that is to be kept."""
        slot, count = int(self.plan.slots[index]), int(self.plan.counts[index])
        if self.plan.reads[index] and (grids := self._read(slot, count)) is not None:
            return {"paired_grids": grids}
        if self.plan.keeps[index] or self.plan.reads[index]:
            return {"slots": torch.arange(slot, slot + count)}
        return {}

    def _read(self, slot: int, count: int) -> Tensor | None:
        records = np.frombuffer(os.pread(self._file, count * self._record, slot * self._record), np.uint8)
        if len(records) < count * self._record:
            return None
        records = records.reshape(count, self._record)
        marks, grids = records[:, :_MARK], np.ascontiguousarray(records[:, _MARK:])
        if any(zlib.crc32(grid) != int.from_bytes(mark, "little") for mark, grid in zip(marks, grids, strict=True)):
            return None
        return torch.from_numpy(grids).view(self.dtype).unflatten(1, self.shape)

    def keep(self, slots: Tensor, grids_NDHW: Tensor) -> None:
        """Write the grids whose slot [N] is not negative.

        Raises:
            OSError: the disk takes no more.
        """
        chosen = slots >= 0
        patches = grids_NDHW.detach()[chosen.to(grids_NDHW.device)].flatten(2).mT.to("cpu", self.dtype)
        for slot, patch in zip(slots[chosen].tolist(), patches.flatten(1).view(torch.uint8).numpy(), strict=True):
            record = zlib.crc32(patch).to_bytes(_MARK, "little") + patch.tobytes()
            try:
                os.pwrite(self._file, record, slot * self._record)
            except OSError as error:
                raise OSError(
                    f"{self.path} takes no more features: {error}; allowed are {self.plan.grids * self._record} bytes. "
                    "Make room for them, or lower `feature_cache_gib` of the stage"
                ) from error


def collate(items: list[dict], tubelet_frames: int) -> dict:
    """Return what the model and the losses read of the items' other view.

    Returns:
        `paired_pixel_values` [frames, 3, H, W] of the items that have frames; `paired_grids`, where some have grids:
        bool [N], whether a step has one, and those [K, H * W, D]; `paired_slots` int64 [N], where some are to be kept:
        their places, -1 for others.
    """
    batch = {}
    counts = [
        len(item["paired_grids"]) if "paired_grids" in item else len(item["paired_frames"]) // tubelet_frames
        for item in items
    ]
    if shown := [item["paired_frames"] for item in items if "paired_frames" in item]:
        batch["paired_pixel_values"] = normalise(np.concatenate(shown))
    if grids := [item["paired_grids"] for item in items if "paired_grids" in item]:
        is_known = torch.tensor(["paired_grids" in item for item in items])
        batch["paired_grids"] = is_known.repeat_interleave(torch.tensor(counts)), torch.cat(grids)
    if any("slots" in item for item in items):
        none = (torch.full((count,), -1) for count in counts)
        batch["paired_slots"] = torch.cat([item.get("slots", rest) for item, rest in zip(items, none, strict=True)])
    return batch


def open_cache(
    model: EgoflowForConditionalGeneration,
    folder: Path,
    *,
    shown: np.ndarray,
    counts: np.ndarray,
    batch: int,
    contract: str,
    room_gib: float,
) -> FeatureCache | None:
    """Open what a stage keeps of its exo tower; None where that learns, or where no frames come again.

    The file is named by what made its grids: weights, sampling contract, arithmetic, and which items show what.

    Args:
        model: with its frozen parts marked.
        folder: takes the file.
        shown: str [items], which exo frames an item shows, in the order of the training.
        counts: int64 [items], grids of the item.
        batch: items of an optimiser step.
        contract: digest of the frames' sampling contract.
        room_gib: room for the file.
    """
    tower, config = model.model.exo_encoder, model.config
    vision = config.vision_config
    if any(parameter.requires_grad for parameter in tower.parameters()) or vision.attention_dropout:
        return None
    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    patches, width = config.vision_grid**2, vision.hidden_size
    most = int(room_gib * 2**30 / (patches * width * dtype.itemsize + _MARK))
    made = plan_cache(pd.factorize(shown)[0], counts, batch=batch, most=most)
    if not made.reads.any():
        return None
    terms = [contract, config.vision_feature_layer, str(dtype), has_bf16_cpu()]
    made_of = hashlib.sha256(json.dumps(terms).encode() + made.slots.tobytes())
    made_of.update("\n".join(shown).encode())
    for name, value in sorted(tower.state_dict().items()):
        made_of.update(name.encode())
        made_of.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    path = folder / f"features-{made_of.hexdigest()[:16]}"
    return FeatureCache(path, made, patches=patches, width=width, dtype=dtype)

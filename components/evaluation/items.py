"""What a checkpoint is asked: the samples of each task, with their own frames and under the controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components import records
from components.data.time_resolution import is_resolvable
from components.evaluation.score import SCORABLE
from components.models.frame_choice import evenly
from components.params.evaluation import Control

MODEL = "model"
OTHER_FRAMES: Control = "other_frames"
GREY: Control = "grey"
MEAN_FRAME: Control = "mean_frame"
GUESSER: Control = "guesser"


@dataclass(frozen=True)
class Skipped:
    """Samples that a task does not ask or score, and why.

    Attributes:
        task: as in params/eval.yaml.
        reason: of all of them.
        samples: how many; 0 where there was none to begin with.
    """

    task: str
    reason: str
    samples: int


@dataclass(frozen=True)
class Item:
    """A sample as a task asks it.

    Attributes:
        task: as in params/eval.yaml.
        condition: MODEL, or the control.
        frames_of: id of the sample whose frames are shown; "<control>/<view>/<frame kind>" for frames that show none
            (`ControlFrames`).
        sample: a row of `records.SAMPLE`, with `reasoned`, whether its answer must stand inside the answer tags.
    """

    task: str
    condition: str
    frames_of: str
    sample: dict

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells the item from every other."""
        return self.task, self.condition, self.sample["sample_id"], self.frames_of


def of_task(samples: pa.Table, task: str, *, paired: bool = False) -> pa.Table:
    """Return the samples of a task and its view.

    Args:
        samples: rows of `records.SAMPLE`.
        task: of `score.TASKS`.
        paired: only those whose moment was filmed from outside too.
    """
    of_thoughts = task == "reasoning"
    name = "qa" if of_thoughts else task.removesuffix("_ego").removesuffix("_exo")
    wanted = pc.and_(
        pc.and_(pc.equal(samples["task"], name), pc.equal(samples["view"], "exo" if task.endswith("_exo") else "ego")),
        pc.equal(pc.equal(samples["question_type"], "cot"), of_thoughts),
    )
    if paired:
        wanted = pc.and_(wanted, pc.greater(pc.list_value_length(samples["paired"]), 0))
    return samples.filter(wanted)


def told_in_time(
    samples: pa.Table, task: str, *, contract: Mapping[str, Any], most_frames: int | None, time_step_s: float
) -> tuple[pa.Table, list[Skipped]]:
    """Leave out questions whose time the frames that a model is shown cannot tell, as its training does.

    Args:
        samples: of the task.
        task: as in params/eval.yaml.
        contract: of the sampling of frames, which says how many there are.
        most_frames: of a sample, how many are shown; None for all.
        time_step_s: answers are multiples of this.
    """
    counts = {kind: contract[f"{kind}_frames"] for kind in ("clip", "window")}
    shown = {kind: (count, evenly(count, most_frames)) for kind, count in counts.items()}
    fine = is_resolvable(samples, shown=shown, time_step_s=time_step_s)
    reason = f"{most_frames} frames (`max_frames`) cannot tell when it happens"
    skipped = [] if fine.all() else [Skipped(task, reason, int((~fine).sum()))]
    return samples.filter(pa.array(fine)), skipped


def select(samples: pa.Table, task: str, *, limit: int, seed: int) -> tuple[list[dict], list[Skipped]]:
    """Return at most `limit` samples of a task, drawn by content so that every checkpoint is asked the same.

    Args:
        samples: of the task (`of_task`); those that it cannot score (`score.SCORABLE`) are left out.
        task: as in params/eval.yaml.
        limit: most samples; a larger one only adds to them.
        seed: of the draw.

    Returns:
        The samples, and what was left out of the draw as far as it went.
    """
    ids = samples["sample_id"].to_pylist()
    order = sorted(range(len(ids)), key=lambda place: records.content_id(seed, ids[place]))
    is_scorable, why_not = SCORABLE.get(task, (lambda sample: True, ""))
    chosen: list[dict] = []
    unscorable = 0
    for sample in records.rows(samples.combine_chunks(), order):
        if len(chosen) == limit:
            break
        if is_scorable(sample):
            chosen.append(sample)
        else:
            unscorable += 1
    skipped = [Skipped(task, why_not, unscorable)] if unscorable else []
    if not chosen and not unscorable:
        skipped.append(Skipped(task, "the data has no held-out sample of it", 0))
    return chosen, skipped


def other_takes(samples: list[dict], *, seed: int) -> list[str | None]:
    """Return for each sample the id of another one, whose frames it is shown instead; None where there is none.

    The other has frames of the same kind and is of another take.
    """
    rng = np.random.default_rng(seed)
    chosen: list[str | None] = []
    for sample in samples:
        others = [
            s["sample_id"]
            for s in samples
            if s["take_id"] != sample["take_id"] and s["frame_kind"] == sample["frame_kind"]
        ]
        chosen.append(others[rng.integers(len(others))] if others else None)
    return chosen


def with_controls(
    task: str, samples: list[dict], controls: Mapping[Control, int], *, seed: int
) -> tuple[list[Item], list[Skipped]]:
    """Return the items of a task: each sample with its own frames, and the first of them under each control.

    Args:
        task: as in params/eval.yaml.
        samples: of the task.
        controls: control -> most samples of it.
        seed: of the choice of other takes.

    Returns:
        The items, and the samples that no other take can stand in for, which have no control by other frames.
    """
    items = [Item(task, MODEL, sample["sample_id"], sample) for sample in samples]
    skipped = []
    for control, limit in controls.items():
        first = samples[:limit]
        shown: list[str | None] = [f"{control}/{sample['view']}/{sample['frame_kind']}" for sample in first]
        if control == OTHER_FRAMES:
            shown = other_takes(samples, seed=seed)[:limit]
        items += [Item(task, control, name, sample) for sample, name in zip(first, shown, strict=True) if name]
        if alone := shown.count(None):
            reason = "no other take with frames of the same kind: no control by other frames (world.val_fraction)"
            skipped.append(Skipped(task, reason, alone))
    return items, skipped

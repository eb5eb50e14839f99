"""What a checkpoint is asked: the samples of each task, with their own frames and under the controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components import records
from components.data.time_resolution import is_resolvable
from components.evaluation.score import SCORABLE
from components.models.frame_choice import evenly
from components.params.evaluation import PAIRS, Control
from components.records.view_pairs import COLUMNS, view_pairs

MODEL = "model"
OTHER_FRAMES: Control = "other_frames"
GREY: Control = "grey"
MEAN_FRAME: Control = "mean_frame"
GUESSER: Control = "guesser"
# task of the data -> question type of those that are asked: with a rationale the same is asked again, to teach it
PLAIN = {"verify": "verification", "ground_temporal": "temporal"}


Sampled = TypeVar("Sampled")


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
    """Return the samples of a task and its view, or of both where it asks pairs.

    Args:
        samples: rows of `records.SAMPLE`.
        task: of `score.TASKS`.
        paired: only those whose moment was filmed from outside too.
    """
    of_thoughts = task == "reasoning"
    name = "qa" if of_thoughts else PAIRS.get(task, task.removesuffix("_ego").removesuffix("_exo"))
    views = ["ego", "exo"] if task in PAIRS else ["exo" if task.endswith("_exo") else "ego"]
    kinds = samples["question_type"]
    of_kind = pc.equal(kinds, PLAIN[name]) if name in PLAIN else pc.equal(pc.equal(kinds, "cot"), of_thoughts)
    wanted = pc.and_(
        pc.and_(pc.equal(samples["task"], name), pc.is_in(samples["view"], pa.array(views))),
        of_kind,
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
    """Return at most `limit` samples or pairs of a task, drawn by content so that every checkpoint is asked the same.

    Args:
        samples: of the task (`of_task`); those that it cannot score (`score.SCORABLE`) are left out.
        task: as in params/eval.yaml.
        limit: most samples, or pairs; a larger one only adds to them.
        seed: of the draw.

    Returns:
        The samples, those of pairs as ego, exo, ego, exo, …; and what was left out of the draw as far as it went.
    """
    if task in PAIRS:
        return _select_pairs(samples, task, limit=limit, seed=seed)
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


def _select_pairs(samples: pa.Table, task: str, *, limit: int, seed: int) -> tuple[list[dict], list[Skipped]]:
    rows = samples.select(COLUMNS).to_pylist()
    pairs, alone = view_pairs(rows)
    # what is asked of one event stands together: its true and its false question balance yes and no in any draw
    pairs.sort(key=lambda pair: (records.content_id(seed, *rows[pair[0]]["parents"]), rows[pair[0]]["sample_id"]))
    drawn = [place for pair in pairs[:limit] for place in pair]
    skipped = [Skipped(task, "it is asked of one view alone", len(alone))] if alone else []
    if not pairs:
        skipped.append(Skipped(task, "the data has no held-out pair of it", 0))
    return [*records.rows(samples.combine_chunks(), drawn)], skipped


def units(task: str, samples: Sequence[Sampled]) -> list[Sequence[Sampled]]:
    """Return what is drawn, shown and left out as a whole: pairs of a task that asks pairs, else single samples.

    Args:
        task: as in params/eval.yaml.
        samples: as `select` returns them, or items of them.
    """
    size = 2 if task in PAIRS else 1
    return [samples[start : start + size] for start in range(0, len(samples), size)]


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

    A pair is shown both views of one other pair.

    Args:
        task: as in params/eval.yaml.
        samples: of the task, as `select` returns them.
        controls: control -> most samples of it, or pairs.
        seed: of the choice of other takes.

    Returns:
        The items, and the samples that no other take can stand in for, which have no control by other frames.
    """
    items = [Item(task, MODEL, sample["sample_id"], sample) for sample in samples]
    skipped = []
    whole = units(task, samples)
    for control, limit in controls.items():
        first = [sample for unit in whole[:limit] for sample in unit]
        shown: list[str | None] = [f"{control}/{sample['view']}/{sample['frame_kind']}" for sample in first]
        if control == OTHER_FRAMES:
            of_unit = {unit[0]["sample_id"]: [sample["sample_id"] for sample in unit] for unit in whole}
            others = other_takes([unit[0] for unit in whole], seed=seed)[:limit]
            shown = [
                name
                for unit, other in zip(whole, others, strict=False)
                for name in (of_unit[other] if other else [None] * len(unit))
            ]
        items += [Item(task, control, name, sample) for sample, name in zip(first, shown, strict=True) if name]
        if alone := shown.count(None):
            reason = "no other take with frames of the same kind: no control by other frames (world.val_fraction)"
            skipped.append(Skipped(task, reason, alone))
    return items, skipped

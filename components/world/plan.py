"""Which takes the miniature dataset holds: name, uid, split and defects of each, all from the seed."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass

from components.world.script import Take, script_take

NAMESPACE = uuid.UUID("6f9a2a52-2c1b-5d0e-9f53-8b3b5f1c7a10")  # any constant: uids must come from the seed alone
DROPPED_FRACTION = 0.015
SILENT_FRACTION = 0.02  # takes that nobody narrated
SITES = ("north", "south", "east")


@dataclass(frozen=True)
class PlannedTake:
    """One take of the dataset. `split` is Ego-Exo4D's: "train", "val" or "test"."""

    take: Take
    name: str
    uid: str
    split: str
    is_dropped: bool
    is_narrated: bool

    @property
    def number(self) -> int:
        """Its place in the dataset, from 0."""
        return self.take.index


@dataclass(frozen=True)
class WorldPlan:
    """What the writers of all sources read.

    Attributes:
        seed: of every random draw.
        takes: the takes of Ego-Exo4D.
        fps: frames per second of a film, where a source has no rate of its own.
        size_px: side of the square frames.
        web_videos: films of the web corpora.
        is_egoexo4d_written: whether Ego-Exo4D is among the sources: others then annotate its takes, else films of
            their own.
        is_epic100_written: whether EPIC-KITCHENS-100 is among the sources: VISOR then annotates its videos.
        downscaled_takes: whether the films of takes lie where Ego-Exo4D has its downscaled ones.
    """

    seed: int
    takes: list[PlannedTake]
    fps: int
    size_px: int
    web_videos: int = 0
    is_egoexo4d_written: bool = True
    is_epic100_written: bool = False
    downscaled_takes: bool = False


def seeded_uid(seed: int, *parts: object) -> str:
    """Return a uuid that depends on the seed and the parts, and on no clock.

    >>> seeded_uid(7, "take", 1) == seeded_uid(7, "take", 1)
    True
    """
    return str(uuid.uuid5(NAMESPACE, "/".join(str(part) for part in (seed, *parts))))


def plan_takes(seed: int, *, takes: int, take_s: float, val_fraction: float, test_fraction: float) -> list[PlannedTake]:
    """Script the takes and assign splits and defects, at least one of each defect where there are enough takes.

    Args:
        seed: of the world.
        takes: how many.
        take_s: length of each, in seconds.
        val_fraction: share of the takes in Ego-Exo4D's val split, at least one take.
        test_fraction: share in its test split.

    Raises:
        ValueError: val and test leave no train take.
    """
    n_val, n_test = max(1, round(takes * val_fraction)), round(takes * test_fraction)
    if n_val + n_test >= takes:
        raise ValueError(
            f"world.takes {takes} with val_fraction {val_fraction} and test_fraction {test_fraction} leaves no train "
            "take; mend them in params/data.yaml"
        )
    order = list(range(takes))
    random.Random(f"{seed}/splits").shuffle(order)
    split = dict.fromkeys(order, "train") | dict.fromkeys(order[:n_val], "val")
    split |= dict.fromkeys(order[n_val : n_val + n_test], "test")
    # defects fall on train takes, so that the held-out set keeps its size
    rest = order[n_val + n_test :]
    n_dropped, n_silent = (
        max(1, round(takes * share)) if len(rest) > 3 else 0 for share in (DROPPED_FRACTION, SILENT_FRACTION)
    )
    dropped, silent = set(rest[:n_dropped]), set(rest[n_dropped : n_dropped + n_silent])
    return [
        PlannedTake(
            take=script_take(seed, number, take_s=take_s),
            name=f"{SITES[number % len(SITES)]}_cooking{number // 8:02d}_{number % 8}",
            uid=seeded_uid(seed, "take", number),
            split=split[number],
            is_dropped=number in dropped,
            is_narrated=number not in silent and number not in dropped and split[number] != "test",
        )
        for number in range(takes)
    ]

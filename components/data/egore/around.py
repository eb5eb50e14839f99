"""Short-term questions that look around their clip: windows over several narrations, and objects that lie by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from components.data.egore.coded import LOOKS, OBJECTS, expand
from components.data.egore.qa import below
from components.data.egore.short import MOST_NARRATIONS
from components.data.egore.timeline import APART_S, LONGEST_S, Timeline
from components.prompts import KINDS, VERBS

# cumulative shares of the numbers 1 to 4 that a counting question wants: few windows hold three or four objects, and
# what is wanted as often as it is found is right without a look (measured on the miniature: 1, 2 and 3 alike)
_WANTED = (0.13, 0.24, 0.70, 1.0)
ANNOTATORS = 2  # who tell the same event on one timeline
NEAREST_BOX_S = 0.25  # half a second away, one object in fifty is out of view (measured on the miniature)
# after the clip: a hand reaches for an object well before the middle of the action, which is what is narrated
HANDS_OFF_S = 2.0
_KIND = rf"\b({'|'.join(KINDS)})\b"


class Found(NamedTuple):
    """What is found for some rows, shape [N] each: whether, the answer, and the window in narrations [low, high)."""

    there: np.ndarray
    answer: np.ndarray
    low: np.ndarray
    high: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray


def one_take(line: Timeline, at: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Say where two narrations, each with a clip, span at most `LONGEST_S` of one take."""
    both = (line.take[at] == line.take[to]) & (line.clip[at] >= 0) & (line.clip[to] >= 0)
    return both & (line.end_s[to] - line.start_s[at] <= LONGEST_S)


def counted(line: Timeline, at: np.ndarray, lot: np.ndarray) -> Found:
    """Find a window of two to four narrations from each one on, and count its objects.

    The narrations of one event by two annotators are taken for one. The number wanted is drawn first and a window
    looked for that has it, the longest: drawn the other way round, most windows would hold two objects, and "2" be
    right without a look.

    Args:
        at: narrations, shape [N].
        lot: numbers above 0 and at most 1, shape [N].

    Returns:
        `answer` is the number of objects.
    """
    wanted = np.searchsorted(_WANTED, lot) + 1
    none = np.zeros(len(at), dtype=np.int64)
    found = Found(none.astype(bool), wanted, none, none, none.astype(np.float64), none.astype(np.float64))
    for more in range(1, ANNOTATORS * MOST_NARRATIONS):
        to = np.minimum(at + more, len(line.take) - 1)
        ok = (at + more == to) & one_take(line, at, to)
        start_s, end_s = line.start_s[at], line.end_s[to]
        low, high = line.within(line.take[at], np.where(ok, start_s, 0), np.where(ok, end_s, 0))
        ok &= (high - low >= 2) & line.all_known(low, high)
        rows, told = expand(low, np.where(ok, high, low))
        ok &= _different(rows, line.event[told], len(at)) <= MOST_NARRATIONS
        ok &= _different(rows, line.event[told] % OBJECTS, len(at)) == wanted
        new = Found(ok, wanted, low, high, start_s, end_s)
        found = Found(*(np.where(ok, value, old) for value, old in zip(new, found, strict=True)))
    return found


def _different(rows: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Count the different values, integers from 0, of each of `count` rows."""
    most = values.max(initial=0) + 1
    # np.unique hashes, which takes ten times as long here
    pairs = np.sort(rows * most + values)
    return np.bincount(pairs[np.diff(pairs, prepend=-1) > 0] // most, minlength=count)


def continued(line: Timeline, at: np.ndarray, lot: np.ndarray) -> Found:
    """Find what is done next with the object of each narration, at most `LONGEST_S` later.

    Another narration of the same action, by the second annotator, is not the next one: the verb must change. Where one
    verb follows another far more often than all others do ("puts down" after "picks up"), it is thinned out to as
    many as the one that comes second: it would be right without a look.

    Args:
        at: narrations, shape [N].
        lot: numbers above 0 and at most 1, shape [N].

    Returns:
        `answer` is the verb; the first narration of the window is the one itself, the last one the next action.
    """
    told = np.flatnonzero(line.event >= 0)
    thing, verb = line.event[told] % OBJECTS, line.event[told] // OBJECTS
    # narrations of one object of one take, in time: an action ends where the verb changes
    order = np.lexsort((told, thing, line.take[told]))
    of_object = line.take[told][order] * OBJECTS + thing[order]
    action = np.cumsum(np.diff(verb[order], prepend=-1).astype(bool) | np.diff(of_object, prepend=-1).astype(bool))
    first = np.searchsorted(action, action + 1)
    has_next = first < len(order)
    first = np.minimum(first, len(order) - 1)
    has_next &= of_object[first] == of_object
    then = np.full(len(line.take), -1)
    then[told[order]] = np.where(has_next, told[order][first], -1)
    to = np.where(then[at] >= 0, then[at], at)
    there = (to > at) & one_take(line, at, to) & (line.time_s[to] - line.time_s[at] <= LONGEST_S)
    there &= line.all_known(at, to + 1)
    before, after = line.event[at] // OBJECTS, line.event[to] // OBJECTS
    follow = np.zeros((len(VERBS), len(VERBS)))
    np.add.at(follow, (before[there], after[there]), 1)
    second = np.sort(follow, axis=1)[:, -2]
    there &= lot * follow[before, after] <= np.maximum(second[before], 1)
    return Found(there, line.event[to] // OBJECTS, at, to + 1, line.start_s[at], line.end_s[to])


def untouched(clips: pd.DataFrame, boxes: pd.DataFrame, handled_s: np.ndarray, lot: np.ndarray) -> np.ndarray:
    """Find an object that lies by in each clip, read off the boxes of its video.

    It has a box in the clip, or within `NEAREST_BOX_S` of it; no other box of that frame has its kind; and nobody has
    handled it in the take so far, nor does in the next `HANDS_OFF_S`: what was picked up may still be carried.

    Args:
        clips: with `video_id`, `start_s`, `end_s`.
        boxes: the table of components/records.py.
        handled_s: when each object is first handled in the take of each clip, [N, objects].
        lot: numbers above 0 and at most 1, one for each clip: which of several objects.

    Returns:
        The object, shape [N]; -1 where there is none.
    """
    videos = pd.Index(clips["video_id"].unique())
    number, names = pd.factorize(boxes["name"])
    kinds = pd.Series(names).str.extract(_KIND)[0].to_numpy(dtype=object)
    look = {f"{colour} {kind}": thing for thing, (colour, kind) in enumerate(LOOKS)}
    things = np.array([look.get(name, -1) for name in names], dtype=np.int64)
    boxes = boxes.assign(video=videos.get_indexer(boxes["video_id"]), kind=kinds[number], thing=things[number])
    boxes = boxes[(boxes["video"] >= 0) & boxes["kind"].notna()]
    boxes = boxes[~boxes.duplicated(["video", "frame", "kind"], keep=False) & (boxes["thing"] >= 0)]
    boxes = boxes.sort_values(["video", "time_s"])
    video, time_s = boxes["video"].to_numpy(), boxes["time_s"].to_numpy()
    line, begin = video * APART_S + time_s, videos.get_indexer(clips["video_id"]) * APART_S
    start_s, end_s = clips["start_s"].to_numpy(), clips["end_s"].to_numpy()
    rows, box = expand(
        np.searchsorted(line, begin + start_s - NEAREST_BOX_S, side="left"),
        np.searchsorted(line, begin + end_s + NEAREST_BOX_S, side="right"),
    )
    thing = boxes["thing"].to_numpy()[box]
    free = handled_s[rows, thing] > end_s[rows] + HANDS_OFF_S
    rows, box, thing = rows[free], box[free], thing[free]
    away_s = np.maximum(0, np.maximum(start_s[rows] - time_s[box], time_s[box] - end_s[rows]))
    turned = (thing + below(OBJECTS, lot)[rows]) % OBJECTS
    best = np.lexsort((turned, away_s, rows))
    rows, thing = rows[best], thing[best]
    first = np.diff(rows, prepend=-1).astype(bool)
    found = np.full(len(clips), -1)
    found[rows[first]] = thing[first]
    return found

"""Short-term questions that look around their clip: windows over several narrations, and objects that lie by."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from components.data.egore.multiple_choice import below
from components.data.egore.rule_based.fact_codes import LOOKS, OBJECTS, expand, places
from components.data.egore.rule_based.short_templates import MOST_NARRATIONS
from components.data.egore.rule_based.timeline import APART_S, LONGEST_S, Timeline
from components.prompts.kitchen_grammar import KINDS, VERBS

# cumulative shares of the numbers 1 to 4 that a counting question wants: few windows hold three or four objects, and
# what is wanted as often as it is found is right without a look (measured on the miniature: 1, 2 and 3 alike)
_WANTED = (0.13, 0.24, 0.70, 1.0)
ANNOTATORS = 2  # who tell the same event on one timeline
NEAREST_BOX_S = 0.25  # half a second away, one object in fifty is out of view (measured on the miniature)
# after the clip: a hand reaches for an object well before the middle of the action, which is what is narrated
HANDS_OFF_S = 2.0
_KIND = re.compile(rf"\b({'|'.join(KINDS)})\b")


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
    wanted, low = np.searchsorted(_WANTED, lot) + 1, line.low[at]
    ends = np.minimum(at + np.arange(1, ANNOTATORS * MOST_NARRATIONS)[:, None], len(line.take) - 1)
    # at the end of the line its last narration stands in for those that are missing
    askable = (np.diff(ends, axis=0, prepend=at[None]) > 0) & one_take(line, at, ends)
    askable &= (line.high[ends] - low >= 2) & line.all_known(low, line.high[ends])
    # windows from one narration on share their beginning: it is read once, up to the end of the longest
    longest = np.where(askable, line.high[ends] - low, 0).max(axis=0)
    (rows, told), first = expand(low, low + longest), np.cumsum(longest) - longest
    there, to = np.zeros(len(at), dtype=bool), at
    events, objects = (
        np.append(0, np.cumsum(_before(line.take, values)[told] < low[rows]))
        for values in (line.event, line.event % OBJECTS)
    )
    for ok, end in zip(askable, ends, strict=True):
        last = first + np.where(ok, line.high[end] - low, 0)
        fits = ok & (events[last] - events[first] <= MOST_NARRATIONS) & (objects[last] - objects[first] == wanted)
        there, to = there | fits, np.where(fits, end, to)
    return Found(there, wanted, low, line.high[to], line.start_s[at], line.end_s[to])


def _before(take: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return the last row before each with the same value in the same take, shape [N]; -1 where there is none.

    Where that row lies before a span, the value comes for the first time in the span: so its values are counted.

    Args:
        take, value: integers from 0 and from -1.
    """
    group, rows = take * (value.max(initial=0) + 2) + value + 1, np.arange(len(take))
    # every number is another one, so that the fastest sort will do
    order = np.argsort(group * len(take) + rows)
    before = np.full(len(take), -1)
    before[order[1:]] = np.where(np.diff(group[order]) == 0, order[:-1], -1)
    return before


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
    verb = line.event[told] // OBJECTS
    # narrations of one object of one take, in time: an action ends where the verb changes
    of_object = line.take[told] * OBJECTS + line.event[told] % OBJECTS
    order = np.argsort(of_object * len(told) + np.arange(len(told)))
    of_object = of_object[order]
    changes = np.diff(verb[order], prepend=-1).astype(bool) | np.diff(of_object, prepend=-1).astype(bool)
    first = np.append(np.flatnonzero(changes), len(order))[np.cumsum(changes)]
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
        boxes: the table of components/records/schemas.py.
        handled_s: when each object is first handled in the take of each clip, [N, objects].
        lot: numbers above 0 and at most 1, one for each clip: which of several objects.

    Returns:
        The object, shape [N]; -1 where there is none.
    """
    videos = clips["video_id"].unique()
    video, kind, looks = places(boxes["video_id"], videos), *_looks(boxes["name"])
    of_kind = np.flatnonzero((video >= 0) & (kind >= 0))
    frame, frames = pd.factorize(boxes["frame"].to_numpy()[of_kind])
    spot = pd.Series((video[of_kind] * len(frames) + frame) * len(KINDS) + kind[of_kind])
    alone = of_kind[~spot.duplicated(keep=False).to_numpy() & (looks[of_kind] >= 0)]
    line = video[alone] * APART_S + boxes["time_s"].to_numpy(dtype=np.float64)[alone]
    alone, line = (values[np.argsort(line)] for values in (alone, line))
    time_s, looks = boxes["time_s"].to_numpy(dtype=np.float64)[alone], looks[alone]
    begin = places(clips["video_id"], videos) * APART_S
    start_s, end_s = clips["start_s"].to_numpy(), clips["end_s"].to_numpy()
    rows, box = expand(
        np.searchsorted(line, begin + start_s - NEAREST_BOX_S, side="left"),
        np.searchsorted(line, begin + end_s + NEAREST_BOX_S, side="right"),
    )
    thing = looks[box]
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


def _looks(names: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the kind and the object that the name of each box has in it, int64 [N] each; -1 where there is none."""
    number, distinct = pd.factorize(names)
    kinds = [_KIND.search(name) for name in distinct]
    look = {f"{colour} {kind}": thing for thing, (colour, kind) in enumerate(LOOKS)}
    # a missing name has number -1, which reads the last
    kind = np.array([*(KINDS.index(found[0]) if found else -1 for found in kinds), -1])
    return kind[number], np.array([*(look.get(name, -1) for name in distinct), -1])[number]

"""Background: what colour is an object that lies there and that C does not touch?"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from components.data.egore.multiple_choice import QA, below
from components.data.egore.rule_based.fact_codes import LOOKS, OBJECTS, expand, places
from components.data.egore.rule_based.short_questions.form import Candidates, Form, Shown
from components.data.egore.rule_based.timeline import APART_S
from components.prompts.kitchen_grammar import COLOURS, KINDS, Facts

NEAREST_BOX_S = 0.25  # half a second away, one object in fifty is out of view (measured on the miniature)
# after the clip: a hand reaches for an object well before the middle of the action, which is what is narrated
HANDS_OFF_S = 2.0
_KIND = re.compile(rf"\b({'|'.join(KINDS)})\b")

FORM = Form("background", "what colour is the {facts.type} that C does not touch?", COLOURS)


def question(colour: str, kind: str) -> QA:
    """Ask for the colour of an object that nobody touches."""
    return FORM.ask(Facts("", colour, kind), colour)


def candidates(
    clips: pd.DataFrame, boxes: pd.DataFrame, handled_s: np.ndarray, draws: np.ndarray, shown: Shown
) -> Candidates:
    """Ask for the colour of an untouched object of each clip, as `_untouched` finds it.

    Args:
        clips: with `video_id`, `start_s`, `end_s`.
        boxes: the table of components/records/schemas.py.
        handled_s: when each object is first handled in the take of each clip, seconds, [N, objects].
        draws: random numbers above 0 and at most 1, shape [N]: which of several objects.
        shown: the clips.
    """
    untouched = _untouched(clips, boxes, handled_s, draws)
    return Candidates("background", untouched >= 0, untouched, untouched // len(KINDS), shown)


def _untouched(clips: pd.DataFrame, boxes: pd.DataFrame, handled_s: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Find an object that nobody touches in each clip, from the boxes of its video, shape [N]; -1 if there is none.

    It has a box in the clip, or within `NEAREST_BOX_S` of it; no other box of that frame has its kind; and nobody has
    handled it in the take so far, nor does in the next `HANDS_OFF_S`: what was picked up may still be carried.
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
    objects = looks[box]
    free = handled_s[rows, objects] > end_s[rows] + HANDS_OFF_S
    rows, box, objects = rows[free], box[free], objects[free]
    away_s = np.maximum(0, np.maximum(start_s[rows] - time_s[box], time_s[box] - end_s[rows]))
    # among boxes equally near, the first one after a random place in the list of objects
    turned = (objects + below(OBJECTS, draws)[rows]) % OBJECTS
    best = np.lexsort((turned, away_s, rows))
    rows, objects = rows[best], objects[best]
    first = np.diff(rows, prepend=-1).astype(bool)
    found = np.full(len(clips), -1)
    found[rows[first]] = objects[first]
    return found


def _looks(names: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the kind and the object that the name of each box has in it, int64 [N] each; -1 where there is none."""
    number, distinct = pd.factorize(names)
    kinds = [_KIND.search(name) for name in distinct]
    look = {f"{colour} {kind}": place for place, (colour, kind) in enumerate(LOOKS)}
    # a missing name has number -1, which reads the last
    kind = np.array([*(KINDS.index(found[0]) if found else -1 for found in kinds), -1])
    return kind[number], np.array([*(look.get(name, -1) for name in distinct), -1])[number]

"""The short-term samples of EgoRe: which questions each ego clip is asked, and which of them with a chain of thought.

How the questions are put is said in components/data/egore/rule_based/short_questions. A clip is asked at most one
question of each type, drawn by its content. Rows stay columns of numbers until the end.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.data import sample_table
from components.data.egore.multiple_choice import random_draws
from components.data.egore.rule_based import fact_codes, wording
from components.data.egore.rule_based.fact_codes import OBJECTS
from components.data.egore.rule_based.short_questions import (
    FORMS,
    TYPES,
    background,
    count,
    existence,
    reason,
    slots,
)
from components.data.egore.rule_based.short_questions.form import Candidates, Shown
from components.data.egore.rule_based.timeline import Timeline, first_times, fitted, timeline
from components.data.partition.runner import RowCounts

# fewer clips allow these types; where one does, its question is drawn that much more readily, so that each type has a
# fair share of all (tests/components/data/egore/rule_based/test_short_term.py)
WEIGHTS = {"count": 4.0, "reason": 8.0, "background": 8.0}
_READ = ["clip_id", "narration_id", "take_id", "split", "video_id", "view", "start_s", "end_s", "text"]


def draw_types(possible: np.ndarray, count: int, draws: np.ndarray) -> np.ndarray:
    """Draw at most `count` types for each clip.

    Args:
        possible: which types can be asked, bool [N, types].
        count: types wanted.
        draws: random numbers above 0 and at most 1, [N, types].

    Returns:
        bool [N, types]; of two types that can both be asked, one comes first in proportion to `WEIGHTS`.
    """
    order = np.where(possible, -np.log(draws) / [WEIGHTS.get(name, 1.0) for name in TYPES], np.inf)
    drawn = np.zeros_like(possible)
    np.put_along_axis(drawn, np.argsort(order, axis=1, kind="stable")[:, :count], True, axis=1)
    return drawn & possible


def short_term(
    clips: pd.DataFrame,
    annotations: dict[str, pd.DataFrame],
    *,
    per_clip: int,
    cot_fraction: float,
    choices: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame, RowCounts]:
    """Ask `per_clip` short-term questions of each ego clip; a share of them is judged for a chain of thought.

    Args:
        clips: the table of components/records/schemas.py, every view.
        annotations: the tables "narrations", "intervals", "boxes" and "videos".
        per_clip: questions wanted of each clip; a clip that allows fewer types has fewer.
        cot_fraction: share of the questions that are judged, 0 to 1.
        choices: options of a question.
        seed: of all random draws.

    Returns:
        Samples for `sample_table.table`; the rejects, ego clips of a wrong length or whose narration does not parse;
        and the row counts, where a question without a chain of thought is no row lost: it is asked without one.
    """
    ego = clips.loc[clips["view"] == "ego", _READ]
    fit, misfit = fitted(ego, annotations["videos"])
    event, hand = fact_codes.events(fit["text"])
    unparsed = sample_table.dropped(fit[event < 0], "text_unparsed", row_id="clip_id", detail="text")
    fit, own = fit[event >= 0].reset_index(drop=True), (event[event >= 0], hand[event >= 0])
    candidates, line = _candidates(fit, own, annotations, seed=seed)
    type_of = {each.form: FORMS[each.form].question_type for each in candidates}
    of_type = [[each.possible for each in candidates if type_of[each.form] == name] for name in TYPES]
    possible = np.stack([np.any(forms, axis=0) for forms in of_type], axis=1)
    drawn = draw_types(possible, per_clip, random_draws(seed, "types", of=fit["clip_id"])[:, : len(TYPES)])
    parts = []
    for each in candidates:
        rows = np.flatnonzero(each.possible & drawn[:, TYPES.index(type_of[each.form])])
        draws = random_draws(seed, "short", each.form, of=fit["clip_id"].iloc[rows])
        parts.append(wording.with_options(each, rows, draws, choices=choices))
    plain = wording.Questions(*map(np.concatenate, zip(*parts, strict=True)))
    plain = plain.take(np.argsort(plain.row, kind="stable"))
    judged = np.flatnonzero(plain.draw <= cot_fraction)
    reasoned = wording.suitable_for_thought(plain, judged)
    rejected = pd.concat([misfit, unparsed], ignore_index=True)
    return (
        wording.samples(fit, plain, reasoned, line),
        rejected,
        [
            ("ego clips", len(ego), len(fit), len(rejected)),
            ("chains of thought", len(judged), len(reasoned), len(judged) - len(reasoned)),
        ],
    )


def _candidates(
    clips: pd.DataFrame, own: tuple[np.ndarray, np.ndarray], annotations: dict[str, pd.DataFrame], *, seed: int
) -> tuple[list[Candidates], Timeline]:
    """Find every question that can be asked of clips that are fit and parse.

    Args:
        clips: as `timeline.fitted` returns them, N rows.
        own: event and hand of each clip's own narration, shape [N] each.
        annotations: the tables "narrations", "intervals" and "boxes".
        seed: of the random draws.

    Returns:
        The questions of every form; and the timeline of the clips' takes.
    """
    narrations, intervals, boxes = (annotations[name] for name in ("narrations", "intervals", "boxes"))
    number, takes = pd.factorize(clips["take_id"])
    take_ids = pd.Index(takes)
    line, at = timeline(clips, narrations, take_ids)
    texts = [(clips, "text", "start_s"), (narrations, "text", "time_s"), (intervals, "text", "start_s")]
    handled_s = first_times(take_ids, *texts)
    shown_s = first_times(take_ids, (boxes, "name", "time_s"))
    named = np.isfinite(np.minimum(handled_s, shown_s))
    start_s, end_s = clips["start_s"].to_numpy(), clips["end_s"].to_numpy()
    inside = line.readable_within(number, start_s, end_s)
    clip = Shown(start_s, end_s, at, at + 1, np.bincount(inside[0], minlength=len(clips)))
    draws = random_draws(seed, "forms", of=clips["clip_id"])
    return [
        existence.candidates(line.event[at] % OBJECTS, named[number], draws[:, 3:5], clip),
        *slots.candidates(line, own, inside, prefer_hand=draws[:, 0] <= 0.5, shown=clip),
        count.candidates(line, at, draws[:, 1]),
        reason.candidates(line, at, draws[:, 5]),
        background.candidates(clips, boxes, handled_s[number], draws[:, 2], clip),
    ], line

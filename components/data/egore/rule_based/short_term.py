"""The short-term samples of EgoRe: which questions each ego clip is asked (`short` says how they are put).

A clip is asked at most one question of each type, drawn by its content. Rows stay columns of numbers until the end.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.data import sample_table
from components.data.egore.multiple_choice import lots
from components.data.egore.rule_based import context_questions, fact_codes
from components.data.egore.rule_based.clip_questions import Asked, existence, slots
from components.data.egore.rule_based.fact_codes import OBJECTS
from components.data.egore.rule_based.short_templates import FORMS, TYPES
from components.data.egore.rule_based.timeline import Timeline, first_times, fitted, timeline
from components.data.egore.rule_based.wording import Questions, Shown, deserving, laid, worded
from components.prompts.kitchen_grammar import KINDS, VERBS

# fewer clips allow these types; where one does, its question is drawn that much more readily, so that each type has a
# fair share of all (tests/components/data/egore/rule_based/test_short_term.py)
READINESS = {"count": 4.0, "reason": 8.0, "background": 8.0}
_READ = ["clip_id", "narration_id", "take_id", "split", "video_id", "view", "start_s", "end_s", "text"]

Ledger = list[tuple[str, int, int, int]]  # what, rows in, rows out, rejected


def drawn(can: np.ndarray, count: int, lot: np.ndarray) -> np.ndarray:
    """Draw at most `count` types for each clip.

    Args:
        can: which types can be asked, bool [N, types].
        lot: numbers above 0 and at most 1, [N, types].

    Returns:
        bool [N, types]; of two types that can both be asked, one comes first in proportion to `READINESS`.
    """
    order = np.where(can, -np.log(lot) / [READINESS.get(name, 1.0) for name in TYPES], np.inf)
    chosen = np.zeros_like(can)
    np.put_along_axis(chosen, np.argsort(order, axis=1, kind="stable")[:, :count], True, axis=1)
    return chosen & can


def _never_next(found: context_questions.Found, event: np.ndarray) -> np.ndarray:
    """Say which verbs never follow each verb on one object, [verbs, verbs]: they could be ruled out without a look."""
    never = np.ones((len(VERBS), len(VERBS)))
    never[event[found.there] // OBJECTS, found.answer[found.there]] = 0
    # the verb of the question least of all: nobody would ask so
    return never + np.eye(len(VERBS))


def short_term(
    clips: pd.DataFrame,
    annotations: dict[str, pd.DataFrame],
    *,
    per_clip: int,
    cot_fraction: float,
    choices: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame, Ledger]:
    """Ask `per_clip` short-term questions of each ego clip; a share of them is judged for a chain of thought.

    Args:
        clips: the table of components/records/schemas.py, every view.
        annotations: the tables "narrations", "intervals", "boxes" and "videos".

    Returns:
        Samples for `samples.table`; the rejects, ego clips of a wrong length or whose narration does not parse; and
        the ledger, where a question without a chain of thought is no row lost: it is asked without one.
    """
    ego = clips.loc[clips["view"] == "ego", _READ]
    fit, misfit = fitted(ego, annotations["videos"])
    event, hand = fact_codes.events(fit["text"])
    unparsed = sample_table.dropped(fit[event < 0], "text_unparsed", row_id="clip_id", detail="text")
    fit, facts = fit[event >= 0].reset_index(drop=True), (event[event >= 0], hand[event >= 0])
    asked, windows, line, narrations, at = _asked(fit, facts, annotations, seed=seed)
    of_type = [[each.can for each in asked if FORMS[each.form].question_type == name] for name in TYPES]
    can = np.stack([np.any(each, axis=0) for each in of_type], axis=1)
    lot = lots(seed, "types", of=fit["clip_id"])
    chosen = drawn(can, per_clip, lot[:, : len(TYPES)])
    clip = Shown(fit["start_s"].to_numpy(), fit["end_s"].to_numpy(), at, at + 1, narrations)
    shown = {
        form: Shown(found.start_s, found.end_s, found.low, found.high, found.high - found.low)
        for form, found in windows.items()
    }
    parts = []
    for each in asked:
        rows = np.flatnonzero(each.can & chosen[:, TYPES.index(FORMS[each.form].question_type)])
        last = _never_next(windows["reason"], each.event) if each.form == "reason" else None
        lot = lots(seed, "short", each.form, of=fit["clip_id"].iloc[rows])
        parts.append(laid(each, rows, shown.get(each.form, clip), lot, choices=choices, last=last))
    plain = Questions(*map(np.concatenate, zip(*parts, strict=True)))
    plain = plain.take(np.argsort(plain.row, kind="stable"))
    judged = np.flatnonzero(plain.lot <= cot_fraction)
    chained = deserving(plain, judged)
    made = worded(fit, plain, chained, line)
    rejected = pd.concat([misfit, unparsed], ignore_index=True)
    return (
        made,
        rejected,
        [
            ("ego clips", len(ego), len(fit), len(rejected)),
            ("chains of thought", len(judged), len(chained), len(judged) - len(chained)),
        ],
    )


def _asked(
    clips: pd.DataFrame, facts: tuple[np.ndarray, np.ndarray], annotations: dict[str, pd.DataFrame], *, seed: int
) -> tuple[list[Asked], dict[str, context_questions.Found], Timeline, np.ndarray, np.ndarray]:
    """Find what can be asked of clips that are fit and parse.

    Returns:
        Every form for every clip; the windows of the forms that show one; the timeline; how many narrations each clip
        holds; and where on the timeline its own stands.
    """
    narrations, intervals = annotations["narrations"], annotations["intervals"]
    take, takes = pd.factorize(clips["take_id"])
    line, at = timeline(clips, narrations, takes)
    said = [(clips, "text", "start_s"), (narrations, "text", "time_s"), (intervals, "text", "start_s")]
    handled_s = first_times(takes, *said)
    shown_s = first_times(takes, (annotations["boxes"], "name", "time_s"))
    named = np.isfinite(np.minimum(handled_s, shown_s))
    event, lot = line.event[at], lots(seed, "forms", of=clips["clip_id"])
    own, narrated = slots(line, clips, take, facts, lot[:, 0] <= 0.5)
    windows = {
        "count": context_questions.counted(line, at, lot[:, 1]),
        "reason": context_questions.continued(line, at, lot[:, 5]),
    }
    lying = context_questions.untouched(clips, annotations["boxes"], handled_s[take], lot[:, 2])
    return (
        [
            existence(event % OBJECTS, named[take], lot[:, 3:5]),
            *own,
            Asked("count", windows["count"].there, event, windows["count"].answer - 1),
            Asked("reason", windows["reason"].there, event, windows["reason"].answer),
            Asked("background", lying >= 0, lying, lying // len(KINDS)),
        ],
        windows,
        line,
        narrated,
        at,
    )

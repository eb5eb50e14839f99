"""The short-term samples of EgoRe: which questions each ego clip is asked (`short` says how they are put).

A clip is asked at most one question of each type, drawn by its content. Rows stay columns of numbers until the end.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.data import samples
from components.data.egore import around, coded, cot
from components.data.egore.coded import OBJECTS
from components.data.egore.inside import Asked, existence, slots
from components.data.egore.qa import QA, lots, options_of_rows
from components.data.egore.short import FORMS, TYPES
from components.data.egore.timeline import Timeline, first_times, fitted, mentions, timeline
from components.prompts import KINDS, VERBS, think_answer

# fewer clips allow these types; where one does, its question is drawn that much more readily, so that each type has a
# fair share of all (tests/components/data/egore/test_short_term.py)
READINESS = {"count": 4.0, "reason": 8.0, "background": 8.0}

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


def _never_next(found: around.Found, event: np.ndarray) -> np.ndarray:
    """Say which verbs never follow each verb on one object, [verbs, verbs]: they could be ruled out without a look."""
    never = np.ones((len(VERBS), len(VERBS)))
    never[event[found.there] // OBJECTS, found.answer[found.there]] = 0
    # the verb of the question least of all: nobody would ask so
    return never + np.eye(len(VERBS))


def _samples(
    clips: pd.DataFrame, asked: Asked, rows: np.ndarray, *, choices: int, seed: int, last: np.ndarray | None
) -> pd.DataFrame:
    """Make multiple choice of one form of question about some of the clips."""
    words = np.array(FORMS[asked.form].words, dtype=object)
    lot = lots(seed, "short", asked.form, of=clips["clip_id"].iloc[rows])
    event, answer = asked.event[rows], asked.answer[rows]
    behind = None if last is None else last[event // OBJECTS]
    laid, index = options_of_rows(answer, choices, lot, words=len(words), last=behind)
    return clips.iloc[rows].assign(
        row=rows,
        form=asked.form,
        question_type=FORMS[asked.form].question_type,
        question=coded.asked(asked.form)[event],
        answer=words[answer],
        choices=words[laid].tolist(),
        answer_index=index,
        cot_lot=lot[:, -2],  # the last one places the answer
    )


def _windowed(frame: pd.DataFrame, found: around.Found) -> pd.DataFrame:
    """Show the rows the windows found for their clips, in the place of the clips."""
    rows = frame["row"].to_numpy()
    columns = {name: getattr(found, name)[rows] for name in ("low", "high", "start_s", "end_s")}
    return frame.assign(frame_kind="window", narrations=columns["high"] - columns["low"], **columns)


def _thoughts(made: pd.DataFrame, line: Timeline) -> pd.DataFrame:
    """Answer questions once more, each with its chain of thought."""
    answers = []
    columns = made[["form", "question_type", "question", "answer", "low", "high"]]
    for form, kind, said, answer, low, high in columns.astype(object).itertuples(index=False, name=None):
        places = (low, high - 1) if form == "reason" else range(low, high)
        steps = [coded.facts_of(line.event[place], line.hand[place]) for place in places]
        answers.append(think_answer(cot.thought(QA(kind, said, answer, ()), steps), answer))
    asked = [cot.cued(said) for said in made["question"]]
    return made.assign(question_type="cot", question=asked, answer=pd.Series(answers, made.index, dtype=object))


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
        clips: the table of components/records.py, every view.
        annotations: the tables "narrations", "intervals", "boxes" and "videos".

    Returns:
        Samples for `samples.table`; the rejects, ego clips of a wrong length or whose narration does not parse; and
        the ledger, where a question without a chain of thought is no row lost: it is asked without one.
    """
    ego = clips[clips["view"] == "ego"]
    fit, misfit = fitted(ego, annotations["videos"])
    parses = coded.events(fit["text"])[0] >= 0
    unparsed = samples.dropped(fit[~parses], "text_unparsed", row_id="clip_id", detail="text")
    fit = fit[parses].reset_index(drop=True)
    asked, windows, line, narrations, at = _asked(fit, annotations, seed=seed)
    of_type = [[each.can for each in asked if FORMS[each.form].question_type == name] for name in TYPES]
    can = np.stack([np.any(each, axis=0) for each in of_type], axis=1)
    lot = lots(seed, "types", of=fit["clip_id"])
    chosen = drawn(can, per_clip, lot[:, : len(TYPES)])
    fit = fit.assign(
        corpus="egore", task="qa", kind="choice", text=None, frame_kind="clip", parent=fit["clip_id"],
        low=at, high=at + 1, narrations=narrations,
    )  # fmt: skip
    parts = []
    for each in asked:
        rows = np.flatnonzero(each.can & chosen[:, TYPES.index(FORMS[each.form].question_type)])
        last = _never_next(windows["reason"], each.event) if each.form == "reason" else None
        part = _samples(fit, each, rows, choices=choices, seed=seed, last=last)
        parts.append(_windowed(part, windows[each.form]) if each.form in windows else part)
    plain = pd.concat(parts).sort_values("row", kind="stable")
    judged = plain[plain["cot_lot"] <= cot_fraction]
    chained = judged[cot.suitable(judged["form"], judged["narrations"])]
    made = pd.concat([plain, _thoughts(chained, line)], ignore_index=True)
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
    clips: pd.DataFrame, annotations: dict[str, pd.DataFrame], *, seed: int
) -> tuple[list[Asked], dict[str, around.Found], Timeline, np.ndarray, np.ndarray]:
    """Find what can be asked of clips that are fit and parse.

    Returns:
        Every form for every clip; the windows of the forms that show one; the timeline; how many narrations each clip
        holds; and where on the timeline its own stands.
    """
    narrations, intervals = annotations["narrations"], annotations["intervals"]
    takes = pd.Index(clips["take_id"].unique())
    take = takes.get_indexer(clips["take_id"])
    line, at = timeline(clips, narrations, takes)
    said = [(clips, "text", "start_s"), (narrations, "text", "time_s"), (intervals, "text", "start_s")]
    handled_s = first_times(len(takes), mentions(takes, *said))
    shown_s = first_times(len(takes), mentions(takes, (annotations["boxes"], "name", "time_s")))
    named = np.isfinite(np.minimum(handled_s, shown_s))
    event, lot = line.event[at], lots(seed, "forms", of=clips["clip_id"])
    own, narrated = slots(line, clips, take, lot[:, 0] <= 0.5)
    windows = {"count": around.counted(line, at, lot[:, 1]), "reason": around.continued(line, at, lot[:, 5])}
    lying = around.untouched(clips, annotations["boxes"], handled_s[take], lot[:, 2])
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

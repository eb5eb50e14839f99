"""The short-term samples of takes that people narrated: which questions each ego clip is asked, and which with a chain.

As components/data/egore/rule_based/short_term.py does for the kitchen: a clip is asked at most one question of each
type, drawn by its content.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.data import sample_table
from components.data.egore.free_text import chain_of_thought, joined_questions, short_questions
from components.data.egore.free_text.joined_questions import Asked
from components.data.egore.free_text.short_questions import Shown
from components.data.egore.free_text.told import Told
from components.data.egore.multiple_choice import choice, random_draws
from components.data.egore.rule_based.chain_of_thought import with_cue
from components.data.egore.rule_based.short_questions import TYPES
from components.data.egore.rule_based.short_term import draw_types
from components.data.egore.rule_based.timeline import fitted
from components.data.partition.runner import RowCounts
from components.prompts import think_answer
from components.prompts.narration_text import read_narration

_REASONED = (
    short_questions.handling,
    short_questions.interaction,
    short_questions.background,
    short_questions.attribute,
)
_COLUMNS = ["clip_id", "video_id", "text", "start_s", "end_s"]


def short_term(
    clips: pd.DataFrame,
    videos: pd.DataFrame,
    told: Told,
    *,
    per_clip: int,
    cot_fraction: float,
    choices: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame, RowCounts]:
    """Ask `per_clip` short-term questions of each ego clip; a share of the clips is judged for a chain of thought.

    Args:
        clips: ego clips of components/records/schemas.py.
        videos: the table of components/records/schemas.py.
        told: what is told of their videos.
        per_clip: questions wanted of each clip; a clip that allows fewer types has fewer.
        cot_fraction: share of the clips that are judged, 0 to 1.
        choices: options of a question.
        seed: of all random draws.

    Returns:
        Samples for `sample_table.table`; the rejects, clips of a wrong length or of another person's action; and the
        row counts, where a clip without a chain of thought is no row lost.
    """
    fit, misfit = fitted(clips, videos)
    other = np.array([not read_narration(text).wearer for text in fit["text"]], dtype=bool)
    not_wearer = sample_table.dropped(fit[other], "not_camera_wearer", row_id="clip_id", detail="text")
    fit = fit[~other].reset_index(drop=True)
    found = [_asked(*row, told) for row in fit[_COLUMNS].itertuples(index=False, name=None)]
    possible = np.array([[name in each for name in TYPES] for each in found], dtype=bool).reshape(-1, len(TYPES))
    drawn = draw_types(possible, per_clip, random_draws(seed, "types", of=fit["clip_id"])[:, : len(TYPES)])
    rows, types = np.nonzero(drawn)
    plain = _laid(fit, rows, [found[row][TYPES[kind]] for row, kind in zip(rows, types, strict=True)], choices, seed)
    judged = np.flatnonzero(random_draws(seed, "cot", of=fit["clip_id"])[:, 0] <= cot_fraction)
    chains = _chains(fit, judged, told, choices=choices)
    rejected = pd.concat([misfit, not_wearer], ignore_index=True)
    return (
        pd.concat([plain, chains], ignore_index=True),
        rejected,
        [
            ("ego clips", len(clips), len(fit), len(rejected)),
            ("chains of thought", len(judged), len(chains), len(judged) - len(chains)),
        ],
    )


def _shown(told: Told, video_id: str, text: str, start_s: float, end_s: float, *key: object) -> Shown:
    log = told.logs[video_id]
    happening = tuple(moment.said for moment in log.during(start_s, end_s))
    return Shown(read_narration(text), happening, log, told.vocabulary, (told.seed, *key))


def _asked(clip_id: str, video_id: str, text: str, start_s: float, end_s: float, told: Told) -> dict[str, Asked]:
    """Ask everything of one clip: question type -> the question and the seconds that it is asked of."""
    shown = _shown(told, video_id, text, start_s, end_s, clip_id)
    joined = [ask(shown, start_s, end_s) for ask in (joined_questions.reason, joined_questions.count)]
    of_clip = [(qa, start_s, end_s) for ask in short_questions.OF_CLIP if (qa := ask(shown))]
    # of two questions of one type the last stays: numbers that a narration says before numbers that are counted
    asked = [one for one in (*joined, *of_clip) if one and one[0].distractors]
    return {one[0].question_type: one for one in asked}


def _laid(fit: pd.DataFrame, rows: np.ndarray, asked: list[Asked], choices: int, seed: int) -> pd.DataFrame:
    """Make the samples of some questions, each of the clip with the number in `rows`."""
    frame = fit.iloc[rows].reset_index(drop=True)
    joined = np.array([(start_s, end_s) for _, start_s, end_s in asked], dtype=np.float64).reshape(-1, 2)
    whole = (joined == frame[["start_s", "end_s"]].to_numpy()).all(axis=1)
    frame = frame.assign(
        frame_kind=np.where(whole, "clip", "window"), parent=frame["clip_id"], start_s=joined[:, 0], end_s=joined[:, 1]
    )
    return choice(frame, [qa for qa, _, _ in asked], choices=choices, seed=seed)


def _chains(fit: pd.DataFrame, judged: np.ndarray, told: Told, *, choices: int) -> pd.DataFrame:
    """Make the samples with a chain of thought of those of the judged clips that allow one."""
    chains = [(row, _chain(*clip, told)) for row, clip in zip(judged, fit[_COLUMNS].to_numpy()[judged], strict=True)]
    made = [(row, asked, steps) for row, (asked, steps) in chains if asked]
    frame = _laid(
        fit, np.array([row for row, _, _ in made], dtype=np.int64), [each for _, each, _ in made], choices, told.seed
    )
    thoughts = [chain_of_thought.thought(steps, asked[0].answer) for _, asked, steps in made]
    answers = [think_answer(thought, answer) for thought, answer in zip(thoughts, frame["answer"], strict=True)]
    return frame.assign(question_type="cot", question=frame["question"].map(with_cue), answer=answers)


def _chain(
    clip_id: str, video_id: str, text: str, start_s: float, end_s: float, told: Told
) -> tuple[Asked | None, list[str]]:
    """Ask one question of a clip and its neighbours, with the steps to its answer, of which there are two at least."""
    log = told.logs[video_id]
    start_s, end_s = chain_of_thought.widened(log, start_s, end_s)
    steps = chain_of_thought.steps(log, start_s, end_s)
    shown = _shown(told, video_id, text, start_s, end_s, clip_id, "cot")
    asked = (qa for ask in _REASONED if (qa := ask(shown)) and qa.distractors)
    qa = next(asked, None) if steps else None
    return (qa, start_s, end_s) if qa else None, steps

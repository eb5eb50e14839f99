"""Rationales of both views of a question, kept where both succeed (View30K, systems §5.2).

A question is asked of an ego view and of a view from outside. It is dropped in both where one of them does not show the
event, where its rationale leads to a wrong answer, or where the span that it predicts is off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from components import llm
from components.data import sample_table
from components.data.egore.multiple_choice import random_draws
from components.data.egore.rationales import writing
from components.data.partition.runner import RowCounts
from components.metrics import temporal_iou
from components.prompts import NO, format_span, parse_span, think_answer
from components.prompts.rationales import TYPES

CORPUS = "view30k"
MIN_IOU = 0.7  # of the span that a rationale predicts, as published
_PAIR = ["parent", "task", "question", "start_s"]  # not the end: the cameras of a take stop at different times
_TAG = re.compile(r"</?(?:think|answer)>", re.IGNORECASE)
_Fact = tuple[str, float, float]  # event, start and end in seconds from the start of what is shown


def questions(asked: pd.DataFrame, facts: pd.DataFrame, *, share: float, seed: int) -> pd.DataFrame:
    """Return the questions in both views that rationales are wanted for, each with what its view shows.

    Args:
        asked: the samples of `grounding.temporal` and `ego_exo_questions.verification` of both views, with their
            `event` and `false_event`.
        facts: as `visible_facts` returns them.
        share: of the events whose questions get rationales, drawn by content.
        seed: of that draw.

    Returns:
        Rows of `asked` with the columns that `writing.requests` takes, and `is_visible`: whether the view shows what
        happens.
    """
    is_drawn = random_draws(seed, "rationale", of=asked["parent"])[:, 0] <= share
    in_both = asked.groupby(_PAIR)["view"].transform("nunique") == 2  # what one view is not asked is rejected there
    asked = asked[is_drawn & in_both].reset_index(drop=True)
    by_video = {video_id: of_video.to_dict("list") for video_id, of_video in facts.groupby("video_id")}
    columns = ["video_id", "task", "parent", "start_s", "end_s"]
    shown = [
        list(_within(by_video.get(row.video_id, {}), row.start_s, row.end_s, given=row.task == "ground_temporal"))
        for row in asked[columns].itertuples()
    ]
    is_false = (asked["task"] == "verify") & (asked["answer"] == NO)
    return asked.assign(
        wanted=asked["event"].where(~is_false, asked["false_event"]),
        length_s=asked["end_s"] - asked["start_s"],
        facts=pd.Series([[fact for _, fact in seen] for seen in shown], asked.index, dtype=object),
        is_visible=np.array(
            [parent in [known for known, _ in seen] for parent, seen in zip(asked["parent"], shown, strict=True)], bool
        ),
        request_id=[
            "/".join(map(str, (writing.KIND, *key))) for key in asked[["view", *_PAIR]].itertuples(index=False)
        ],
    )


def _within(of_video: dict[str, list], from_s: float, to_s: float, *, given: bool) -> Iterator[tuple[str, _Fact]]:
    """Return the facts whose middle is shown, each behind its id; those whose spans nobody gave are left out of times.

    Args:
        of_video: the columns of `visible_facts`, of one video.
        from_s: start of what is shown, seconds of the video.
        to_s: its end.
        given: whether the times of the facts matter.
    """
    columns = (of_video.get(name, []) for name in ("interval_id", "event", "start_s", "end_s", "is_given"))
    for interval_id, event, start_s, end_s, is_given in zip(*columns, strict=True):
        if from_s <= (start_s + end_s) / 2 < to_s and (is_given or not given):
            yield interval_id, (event, max(start_s, from_s) - from_s, min(end_s, to_s) - from_s)


def requests(asked: pd.DataFrame, *, words: int, time_step_s: float) -> Iterable[llm.Request]:
    """Return the requests for the rationales of `questions`: of views that show what happens."""
    return writing.requests(asked[asked["is_visible"]], words=words, time_step_s=time_step_s)


def written(
    asked: pd.DataFrame, settings: llm.Settings, *, ledger_path: Path, words: int, time_step_s: float
) -> tuple[pd.DataFrame, pd.DataFrame, RowCounts]:
    """Let rationales be written, and keep the pairs of which both views succeed.

    Args:
        asked: as `questions` returns them.
        settings: of the writer, a language model or the rule.
        ledger_path: where the replies of a language model are kept.
        words: most words of a rationale.
        time_step_s: answers are multiples of this, seconds.

    Returns:
        Samples for `sample_table.table`; the rejects: `not_visible`, `empty_text`, `tag_in_text`, `too_many_words`,
        `wrong_answer`, `span_below_0.7`, those of components/llm and `other_view_failed`; and the row counts.

    Raises:
        llm.StoppedError: as `llm.generate`; or a request failed in a way that another run may mend.
    """
    wanted = requests(asked, words=words, time_step_s=time_step_s)
    results = llm.generate(wanted, settings, rules={writing.KIND: writing.by_rule}, ledger_path=ledger_path)
    settled = iter(llm.all_settled(results, what="rationales", ledger_path=ledger_path))
    judged = [
        _judged(row, next(settled), words=words, time_step_s=time_step_s) if row["is_visible"] else ("not_visible", "")
        for row in asked.to_dict("records")
    ]
    made = asked.assign(corpus=CORPUS, question_type=asked["task"].map(TYPES), answer=[answer for _, answer in judged])
    reason = _of_pairs(asked, np.array([reason for reason, _ in judged], dtype=object))
    shown = asked.assign(
        detail=[f"{view}: {text}" for view, text in zip(asked["view"], asked["question"], strict=True)]
    )
    dropped = sample_table.dropped(shown, reason, row_id="parent", detail="detail")
    kept = made[reason == ""]
    return kept, dropped, [("questions for rationales", len(asked), len(kept), len(dropped))]


def _judged(row: dict, result: llm.Answer | llm.Reject, *, words: int, time_step_s: float) -> tuple[str, str]:
    """Return why a rationale fails, "" where it does not, and the answer that it leads to."""
    if isinstance(result, llm.Reject):
        return result.reason, ""
    thought = " ".join(result.value["rationale"].split())
    if _TAG.search(thought) or not thought:
        return "tag_in_text" if thought else "empty_text", ""
    if len(thought.split()) > words:
        return "too_many_words", ""
    if row["task"] == "verify":
        said = result.value["answer"]
        return "" if said == row["answer"] else "wrong_answer", think_answer(thought, said)
    said = format_span(result.value["start_s"], result.value["end_s"], time_step_s)
    span_s = parse_span(said)
    is_near = span_s is not None and temporal_iou(span_s, (row["from_s"], row["to_s"])) >= MIN_IOU
    return "" if is_near else f"span_below_{MIN_IOU:g}", think_answer(thought, said)


def _of_pairs(asked: pd.DataFrame, reason: np.ndarray) -> np.ndarray:
    """Add the reason of those that succeed alone."""
    both_succeed = asked.assign(ok=reason == "").groupby(_PAIR)["ok"].transform("all").to_numpy(bool)
    return np.where((reason == "") & ~both_succeed, "other_view_failed", reason)

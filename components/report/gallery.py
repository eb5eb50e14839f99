"""Held-out samples for a reader: frames, question, truth, and the answers of the last stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.params.evaluation import PAIRS
from components.prompts import parse_box, parse_span, split_think_answer
from components.records import SAMPLE, read_table, rows
from components.report.stage import Stage
from components.report.table import TASKS, words
from components.video.data_uri import data_uri

_PER_TASK = 3
STAGES = 3  # whose answers are shown, the last ones
_FRAMES = 8


@dataclass(frozen=True)
class Bar:
    """An interval on the time line of a window, in percent of the window's length."""

    label: str
    left: float
    width: float
    truth: bool


@dataclass(frozen=True)
class Answer:
    """The answer of one stage and its scores as text, such as [("verb", "1.00"), ...]."""

    stage: str
    completion: str
    scores: list[tuple[str, str]]
    good: bool


@dataclass(frozen=True)
class Item:
    """One sample; `frames` are (time in seconds, data URI), boxes are percent of the frame.

    `options` are those of a closed question, with whether each is right. `blind` are (control, answer) of what was
    asked the same without seeing it, of the last stage.
    """

    sample_id: str
    task: str
    question: str
    truth: str
    frames: list[tuple[str, str]]
    truth_box_xyxy: Sequence[float] | None
    predicted_box_xyxy: Sequence[float] | None
    bars: list[Bar]
    window_s: float
    answers: list[Answer]
    options: list[tuple[str, bool]]
    blind: list[tuple[str, str]]


def gallery(stages: list[Stage], *, samples: Path, frames: Callable[[str], np.ndarray]) -> list[tuple[str, list[Item]]]:
    """Pick samples for each task and lay them out; pairs of views have a part of the page of their own (`pairs`).

    They are the first by id of those that the last evaluated stage answered. Ids are content hashes, so nobody chose
    the samples, and the same ones appear in every report of one dataset.

    Args:
        stages: in training order.
        samples: data/dataset/samples.parquet.
        frames: sample id -> uint8 [T, H, W, 3], RGB.

    Returns:
        (task, items) for each task that has predictions.
    """
    last = next((stage for stage in reversed(stages) if stage.predictions), None)
    if last is None:
        return []
    ids: dict[str, set[str]] = {}
    for row in last.predictions:
        if row["task"] in PAIRS:
            continue
        ids.setdefault(_task(row), set()).add(row["sample_id"])
    chosen = {task: sorted(ids[task])[:_PER_TASK] for task in sorted(ids, key=_order)}
    wanted = {sample_id for some in chosen.values() for sample_id in some}
    table = read_table(samples, SAMPLE)
    keep = [index for index, sample_id in enumerate(table["sample_id"].to_pylist()) if sample_id in wanted]
    of_id = {row["sample_id"]: row for row in rows(table, keep)}
    return [
        (
            task,
            [
                item(of_id[name], task, _answers(name, task, stages), frames(name), blind(name, task, last))
                for name in some
            ],
        )
        for task, some in chosen.items()
    ]


def _task(row: dict) -> str:
    return f"caption_{row['view']}" if row["task"] == "caption" else row["task"]


def _order(task: str) -> tuple[int, str]:
    return (TASKS.index(task) if task in TASKS else len(TASKS), task)


def item(
    sample: dict, task: str, answers: list[Answer], frames_THWC: np.ndarray, blind_answers: list[tuple[str, str]]
) -> Item:
    """Lay a sample out.

    Args:
        sample: a row of `records.SAMPLE`.
        task: as in params/eval.yaml.
        answers: to it, of stages in training order.
        frames_THWC: its frames, uint8 RGB.
        blind_answers: (control, answer) of the last stage.
    """
    target, last = sample["target"], split_think_answer(answers[-1].completion)
    window_s = sum(media["end_s"] - media["start_s"] for media in sample["media"])
    times_s = (np.arange(len(frames_THWC)) + 0.5) / len(frames_THWC) * window_s
    most = 1 if target["kind"] == "box" else _FRAMES
    shown = np.unique(np.linspace(0, len(frames_THWC) - 1, most).round().astype(int))
    return Item(
        sample_id=sample["sample_id"],
        task=task,
        question=sample["question"],
        truth=_truth(target),
        frames=[(f"{times_s[index]:.1f} s", data_uri(frames_THWC[index])) for index in shown],
        truth_box_xyxy=target["box_xyxy"],
        predicted_box_xyxy=parse_box(last[1]) if last and target["kind"] == "box" else None,
        bars=_bars(target, answers, window_s) if target["kind"] == "span" else [],
        window_s=window_s,
        answers=answers,
        options=[(text, place == target["answer_index"]) for place, text in enumerate(target["choices"] or [])],
        blind=blind_answers,
    )


def blind(sample_id: str, task: str, stage: Stage) -> list[tuple[str, str]]:
    """Return what the controls of a stage answered to a sample, as (control, answer).

    Args:
        sample_id: of the sample.
        task: as the page calls it.
        stage: that was evaluated.
    """
    said = {
        row["condition"]: row["completion"]
        for row in stage.blind
        if (row["sample_id"], _task(row)) == (sample_id, task)
    }
    return [(words(control), completion) for control, completion in said.items()]


def _answers(sample_id: str, task: str, stages: list[Stage]) -> list[Answer]:
    found = []
    for stage in stages:
        # a metric without a score does not apply, such as the hand where the annotator did not name it
        rows = [
            row
            for row in stage.predictions
            if (row["sample_id"], _task(row)) == (sample_id, task) and row["score"] is not None
        ]
        if rows:
            scores = [(row["score_name"], f"{row['score']:.2f}") for row in rows]
            found.append(Answer(stage.name, rows[0]["completion"], scores, all(row["score"] >= 0.5 for row in rows)))
    return found[-STAGES:]


def _truth(target: dict) -> str:
    if target["kind"] == "choice":
        return target["choices"][target["answer_index"]]
    if target["kind"] == "span":
        return f"({target['span']['start_s']:g}, {target['span']['end_s']:g}) s"
    if target["kind"] == "box":
        return "[" + ", ".join(f"{value:.0f}" for value in target["box_xyxy"]) + "]"
    return target["text"]


def _bars(target: dict, answers: list[Answer], window_s: float) -> list[Bar]:
    def bar(label: str, start_s: float, end_s: float, *, truth: bool) -> Bar:
        left, right = (min(1.0, max(0.0, at_s / window_s)) * 100 for at_s in (start_s, end_s))
        return Bar(label, round(left, 1), round(right - left, 1), truth)

    bars = [bar("truth", target["span"]["start_s"], target["span"]["end_s"], truth=True)]
    for answer in answers:
        parts = split_think_answer(answer.completion)
        if parts and (span := parse_span(parts[1])):
            bars.append(bar(answer.stage, *span, truth=False))
    return bars

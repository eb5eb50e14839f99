"""The question of a sample as a model is asked it, the same in training, rollouts, evaluation and serving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from components.prompts.formats import with_options
from components.prompts.frame_times import timed_question
from components.prompts.reasoned import reasons, with_letters

# corpora of what people asked: as in a benchmark, their closed questions say the options. Those of EgoRe are asked
# without, for its rules write each answer in words that the question determines
SAYING_OPTIONS = ("egoit", "general")


def asked_question(sample: Mapping[str, Any], times_s: np.ndarray | None, *, reasoned: bool) -> str:
    """Return the question of a sample with what has to be known to answer it: the times of its frames, its options.

    Args:
        sample: `question`, `question_type`, `answer`, `target`, `media` and `corpus` of `records.SAMPLE`.
        times_s: of the frames, as `timed_question` takes them.
        reasoned: `reasoned` of the stage: closed questions are asked for a thought and a letter.

    >>> target = {"kind": "choice", "choices": ["red", "blue"]}
    >>> sample = {"question": "which?", "question_type": "", "answer": "red", "target": target, "corpus": "general"}
    >>> asked_question(sample, None, reasoned=False)
    'which? Choose one of: red; blue.'
    """
    question, target = timed_question(sample, times_s), sample["target"]
    if target["kind"] != "choice":
        return question
    if reasons(sample, reasoned=reasoned):
        return with_letters(question, target["choices"])
    return with_options(question, target["choices"]) if sample["corpus"] in SAYING_OPTIONS else question


def spelled_out(sample: Mapping[str, Any], times_s: np.ndarray | None, *, reasoned: bool) -> str:
    """Ask so that a model that never saw our answers can write them; the miniature learns their form instead.

    Args:
        sample: as `asked_question` takes it.
        times_s: likewise.
        reasoned: likewise.

    >>> box = {"question": "where is the cup?", "question_type": "", "answer": "", "target": {"kind": "box"}}
    >>> spelled_out(box, None, reasoned=False)[:52]
    'where is the cup? Reason inside <think></think>, the'
    """
    question, target = timed_question(sample, times_s), sample["target"]
    if not reasons(sample, reasoned=reasoned):
        asks_option = target["kind"] == "choice"
        return f"{with_options(question, target['choices'])} Answer with the option alone." if asks_option else question
    if target["kind"] == "choice":
        return with_letters(question, target["choices"])
    form = {
        "box": "the box [x1, y1, x2, y2] in percent of the frame, as integers",
        "span": "the interval (start, end) in seconds from the start of the video",
    }.get(target["kind"], "the answer alone")
    return f"{question} Reason inside <think></think>, then give {form} inside <answer></answer>."

"""The time of each frame, said in one line before a question about time: the same wherever a model is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# "when did I", also behind an instruction; "when I came in" tells of a place in the story and asks for no time
_ASKS_WHEN = re.compile(r"(?:^|[.:?!] )when (?:is|was|are|were|do|does|did|will)\b|\bhow long\b|\bwhat time\b", re.I)
_SECONDS = re.compile(r"\d ?(?:s|secs?|seconds?)\b|\bin seconds\b", re.I)


def time_line(window_s: float, times_s: Sequence[float] | np.ndarray) -> str:
    """Say how long a window is and when its frames were taken.

    Args:
        window_s: length of the window, seconds.
        times_s: of the frames, in seconds from the start of the window, at equal distances.

    >>> time_line(16.0, [0.25, 0.75, 1.25])
    '16 s, frames every 0.5 s from 0.25 s:'
    """
    every_s = times_s[1] - times_s[0] if len(times_s) > 1 else window_s
    length, every, first = (f"{round(float(value), 4):.9g}" for value in (window_s, every_s, times_s[0]))
    return f"{length} s, frames every {every} s from {first} s:"


def asks_for_time(sample: Mapping[str, Any]) -> bool:
    """Return whether a time is asked for or answered.

    Args:
        sample: `question`, `answer` and `target` of `records.SAMPLE`.
    """
    target = sample["target"]
    if target["kind"] == "span" or _ASKS_WHEN.search(sample["question"]):
        return True
    choices = target["choices"] if target["kind"] == "choice" else []
    return any(_SECONDS.search(text) for text in (sample["question"], sample["answer"], *choices))


def timed_question(sample: Mapping[str, Any], times_s: np.ndarray | None) -> str:
    """Return the question of a sample, behind the times of its frames where it asks for time.

    Args:
        sample: of `records.SAMPLE`.
        times_s: when the frames that are shown were taken, in seconds from the start of the one span that they show;
            None where there are several spans, or no frames.
    """
    if times_s is None or not asks_for_time(sample):
        return sample["question"]
    span = sample["media"][0]
    return f"{time_line(span['end_s'] - span['start_s'], times_s)} {sample['question']}"

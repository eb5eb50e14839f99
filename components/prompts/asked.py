"""The question of a sample as our own models are asked it, the same in training, rollouts and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from components.prompts.formats import with_options
from components.prompts.frame_times import timed_question

# corpora of what people asked: as in a benchmark, their closed questions say the options. Those of EgoRe are asked
# without, for its rules write each answer in words that the question determines
SAYING_OPTIONS = ("egoit", "general")


def asked_question(sample: Mapping[str, Any], times_s: np.ndarray | None) -> str:
    """Return the question of a sample with what has to be known to answer it: the times of its frames, its options.

    Args:
        sample: `question`, `answer`, `target`, `media` and `corpus` of `records.SAMPLE`.
        times_s: of the frames, as `timed_question` takes them.

    >>> target = {"kind": "choice", "choices": ["red", "blue"]}
    >>> asked_question({"question": "which colour?", "answer": "red", "target": target, "corpus": "general"}, None)
    'which colour? Choose one of: red; blue.'
    """
    question, target = timed_question(sample, times_s), sample["target"]
    says_options = target["kind"] == "choice" and sample["corpus"] in SAYING_OPTIONS
    return with_options(question, target["choices"]) if says_options else question

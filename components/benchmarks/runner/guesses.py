"""Guesses of open answers, intervals and boxes without a frame: a constant, another's, and that of like words."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from components.benchmarks.shared.sample import Box, Sample, Span, Text

SEED = 0  # of the draw of another sample's answer


def truth(sample: Sample) -> Any:
    """Return a right answer in the form that readers of completions return.

    Raises:
        TypeError: the target is neither text nor interval nor box.
    """
    match sample.target:
        case Text(answers):
            return answers[0]
        case Span(start_s, end_s):
            return start_s, end_s
        case Box(box_xyxy):
            return box_xyxy
    raise TypeError(f"{type(sample.target).__name__} came, allowed are Text, Span and Box")


def constant(samples: Sequence[Sample]) -> list[Any]:
    """Return the most frequent text for every sample, or the median of each number."""
    truths = [truth(sample) for sample in samples]
    if isinstance(truths[0], str):
        counts = Counter(text.strip() for text in truths)
        return [min(counts, key=lambda text: (-counts[text], text))] * len(samples)  # of equal ones the first word
    return [tuple(np.median(np.array(truths), axis=0).tolist())] * len(samples)


def others(samples: Sequence[Sample]) -> list[Any]:
    """Return for each sample the truth of a random one about another video; None where there is none."""
    known = sorted(samples, key=lambda one: one.sample_id)
    found = []
    for sample in samples:
        rng = random.Random(f"{SEED} {sample.sample_id}")  # by the id alone, in whatever order samples come
        # a draw that falls on the same video is repeated some times: rare, and a list of all others would be large
        drawn = next((one for one in rng.choices(known, k=20) if one.video != sample.video), None)
        found.append(None if drawn is None else truth(drawn))
    return found


def by_words(samples: Sequence[Sample]) -> list[Any]:
    """Return for each sample the truth of the question about another video that shares most words with its own.

    Samples of one subset are compared, where there are subsets; of equal ones the first in the order of ids counts.
    """
    words = {sample.sample_id: frozenset(re.findall(r"\w+", sample.question.casefold())) for sample in samples}
    groups: dict[tuple[str, ...], list[Sample]] = {}
    for sample in sorted(samples, key=lambda one: one.sample_id):
        groups.setdefault(sample.subsets, []).append(sample)
    found = []
    for sample in samples:
        own = words[sample.sample_id]
        best, nearest = -1.0, None
        for other in groups[sample.subsets]:
            likeness = len(own & words[other.sample_id]) / (len(own | words[other.sample_id]) or 1)
            if likeness > best and other.video != sample.video:
                best, nearest = likeness, truth(other)
        found.append(nearest)
    return found

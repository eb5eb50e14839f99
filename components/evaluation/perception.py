"""Ego-in-Exo Perception in the miniature: what a narration of ego video says, asked of the exo view (systems §2.3).

A question offers four sentences that differ in one slot of the narration, the category of the question: the verb
(action), the look of the object, which tells it from others of its kind (task-relevant region), the kind of object in
the hand (hand-object interaction), and which hand. So every wrong option is a plausible one, and its words say nothing.
The same questions asked of the ego view are the upper bound. Options are always ranked: no model is taught to write
such an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import asdict

import numpy as np
import pyarrow as pa

from components import records
from components.data.egore.multiple_choice import QA, draw, options
from components.evaluation import score
from components.evaluation.answer import Answerer, FrameSource
from components.evaluation.caption_slots import WORDS, Sample, Scores
from components.evaluation.qwen import QwenAnswerer
from components.prompts.kitchen_grammar import Facts, narrate, parse_narration

BASE = "caption_ego"  # whose samples are asked
EXO = "perception_exo"
OPTIONS = 4
CATEGORIES = {"action": "verb", "region": "colour", "interaction": "type", "hand": "hand"}  # -> slot of a narration


def asked(sample: Sample, task: str) -> Sample | None:
    """Return the question of one category about a caption's moment; None where the caption is none of the grammar.

    Args:
        sample: a row of `records.SAMPLE`, an ego caption.
        task: whose view is shown.

    Returns:
        The sample with four captions in the place of its target. The category is drawn by the sample's id, so that both
        views are asked the same.
    """
    facts = parse_narration(sample["answer"])
    if facts is None:
        return None
    said = asdict(facts)
    categories = [name for name, slot in CATEGORIES.items() if said[slot]]
    category = categories[draw(len(categories), "perception", sample["sample_id"])]
    slot = CATEGORIES[category]
    others = (Facts(**said | {slot: word}) for word in WORDS[slot] if word != said[slot])
    qa = QA(category, sample["question"], narrate(facts), tuple(map(narrate, others)))
    offered, index = options(qa, OPTIONS, key=sample["sample_id"])
    target = dict.fromkeys(sample["target"]) | {"kind": "choice", "choices": list(offered), "answer_index": index}
    view = "exo" if task == EXO else "ego"
    return sample | {"view": view, "question_type": category, "answer": qa.answer, "target": target}


def questions(samples: Sequence[Sample], task: str) -> list[Sample]:
    """Return the questions about some captions, without those of captions that are none of the grammar."""
    return [question for sample in samples if (question := asked(sample, task))]


def known(train: pa.Table, task: str) -> pa.Table:
    """Return the questions about training captions, for the guesser that sees no frame."""
    return pa.Table.from_pylist(questions(train.to_pylist(), task), records.SAMPLE)


def scores(samples: list[Sample], completions: list[str]) -> Scores:
    """Score the chosen sentences: of all questions, and of each category."""
    right = score.choice(samples, completions)["accuracy"]
    of_category = {
        name: [value if sample["question_type"] == name else None for sample, value in zip(samples, right, strict=True)]
        for name in CATEGORIES
    }
    return {"accuracy": right} | of_category


def chance(samples: list[Sample]) -> dict[str, float]:
    """Return the mean accuracy of a uniform guess, of all questions and of each category."""
    groups = {name: [sample for sample in samples if sample["question_type"] == name] for name in CATEGORIES}
    found = {"accuracy": samples} | {name: group for name, group in groups.items() if group}
    return {name: score.choice_chance(group)["accuracy"] for name, group in found.items()}


TASKS: dict[str, tuple[Callable, Callable]] = dict.fromkeys((EXO, "perception_ego"), (scores, chance))


def answerer_of(answerer: Answerer | QwenAnswerer, task: str) -> Answerer | QwenAnswerer:
    """Return what answers a task: as another does, but plainly, and where it asks so of the first exo view."""
    other = copy(answerer)
    other.reasoned = False  # sentences are ranked as they stand
    if task == EXO:
        other.store = _Outside(answerer.store)
    return other


class _Outside:
    """The first exo view of the moments whose ego view another store has."""

    def __init__(self, store: FrameSource):
        self._store = store

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        return self._store.frames(sample_id, exo_view=exo_view or 0)

"""Captions of the miniature: how many slots of the kitchen's grammar a caption gets right.

The only score that knows the grammar. Captions of people have no slots: they say the same in many words.
"""

from __future__ import annotations

import numpy as np

from components.prompts.kitchen_grammar import COLOURS, HANDS, KINDS, VERBS, parse_narration, slots

Sample = dict
Scores = dict[str, list[float | None]]  # metric -> score of each sample; None where it does not apply
WORDS = {"verb": VERBS, "colour": COLOURS, "type": KINDS, "hand": HANDS}


def is_readable(sample: Sample) -> bool:
    """Return whether the true caption is a sentence of the grammar: any other has no slots to score."""
    return parse_narration(sample["answer"]) is not None


def score(samples: list[Sample], completions: list[str]) -> Scores:
    """Compare the verb, colour, type and hand of each caption with those of the narration.

    Returns:
        0.0 or 1.0 for each slot, None where the narration does not name it; and "all", 1.0 where no slot is wrong.
        All are None where the narration is no sentence of the grammar.
    """
    scores: Scores = {name: [] for name in (*WORDS, "all")}
    for sample, completion in zip(samples, completions, strict=True):
        if not is_readable(sample):
            for values in scores.values():
                values.append(None)
            continue
        truth, found = slots(sample["answer"]), slots(completion)
        right = {name: None if truth[name] is None else float(found[name] == truth[name]) for name in WORDS}
        for name, value in right.items():
            scores[name].append(value)
        scores["all"].append(float(all(value != 0.0 for value in right.values())))
    return scores


def chance(samples: list[Sample]) -> dict[str, float]:
    """Return what uniform guesses of each slot score; for "all" it is their product."""
    guessed = {name: 1 / len(words) for name, words in WORDS.items()}
    return {**guessed, "all": float(np.prod(list(guessed.values())))}

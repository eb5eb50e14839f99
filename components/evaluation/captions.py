"""Captions: METEOR for the sentences of people, and the slots of the miniature's grammar where it holds.

METEOR scores a caption by itself. CIDEr weighs words by the other captions of the set, so that a sample would score
otherwise under another limit. It is NLTK's, with exact and stemmed words: synonyms would need WordNet, which is a
download, so the numbers are a little below those that papers print.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from components.evaluation import caption_slots
from components.evaluation.caption_slots import Sample, Scores

CHANCE_PAIRS_SEED = 0


class _NoSynonyms:
    """In the place of WordNet: no word means what another does."""

    @staticmethod
    def synsets(word: str) -> list:
        return []


def score(samples: list[Sample], completions: list[str]) -> Scores:
    """Return METEOR (Banerjee and Lavie 2005) of each caption, and the scores of its slots.

    Returns:
        "meteor" from 0 to just below 1, and the scores of `caption_slots.score`.
    """
    pairs = zip(samples, completions, strict=True)
    return {"meteor": [meteor(sample["answer"], completion) for sample, completion in pairs]} | caption_slots.score(
        samples, completions
    )


def chance(samples: list[Sample]) -> dict[str, float]:
    """Return what the caption of another sample scores, and what uniform guesses of each slot do."""
    values = [meteor(sample["answer"], other["answer"]) for sample, other in pairs(samples)]
    return ({"meteor": float(np.mean(values))} if values else {}) | caption_slots.chance(samples)


def pairs(samples: list[Sample]) -> list[tuple[Sample, Sample]]:
    """Pair each sample with another one, drawn once for all; a single sample has none."""
    shuffled = [samples[place] for place in np.random.default_rng(CHANCE_PAIRS_SEED).permutation(len(samples))]
    return list(zip(shuffled, [*shuffled[1:], shuffled[0]], strict=True)) if len(samples) > 1 else []


def meteor(truth: str, said: str) -> float:
    """Return METEOR of a sentence against the true one, without case and punctuation.

    >>> round(meteor("C picks up the mug from the table.", "C picks the cup from the table"), 2)
    0.71
    """
    from nltk.stem.porter import PorterStemmer  # NLTK takes seconds to import
    from nltk.translate.meteor_score import single_meteor_score

    true_words, said_words = (re.findall(r"[\w']+", text.lower()) for text in (truth, said))
    known: dict[str, Any] = {"stemmer": PorterStemmer(), "wordnet": _NoSynonyms}
    return float(single_meteor_score(true_words, said_words, **known))

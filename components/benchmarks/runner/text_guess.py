"""A guesser that never sees a frame: what of a closed question's answer its text alone gives away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence

from components import records
from components.benchmarks.shared.sample import Choice, Sample

FOLDS = 10  # of videos; a question is guessed by what the questions on other folds' videos say
WEIGHT = 5.0  # of the more general share, in offers, as in components/data/quality/blind_baseline.py


def accuracy(samples: Sequence[Sample[Choice]]) -> list[float]:
    """Guess each closed question by the questions about other videos, and return how much of each guess is right.

    The odds of an option are the share of right ones among options of its rank by length, drawn to the share of its own
    text, and that to its share behind the same question. Equal odds share the guess.

    Args:
        samples: with right answers.
    """
    folds = [int(records.content_id(sample.video), 16) % FOLDS for sample in samples]
    right: Counter[Hashable] = Counter()
    offered: Counter[Hashable] = Counter()
    for sample, fold in zip(samples, folds, strict=True):
        for place, keys in enumerate(_keys(sample)):
            for key in keys:
                for of in (key, (fold, key)):
                    offered[of] += 1
                    right[of] += place == sample.target.index
    found = []
    for sample, fold in zip(samples, folds, strict=True):
        odds = []
        for keys in _keys(sample):
            share = 1 / len(sample.target.options)
            for key in keys:
                others, of_them_right = offered[key] - offered[fold, key], right[key] - right[fold, key]
                share = (of_them_right + WEIGHT * share) / (others + WEIGHT)
            odds.append(round(share, 9))  # sums of other orders differ in the last digits
        best = [place for place, share in enumerate(odds) if share == max(odds)]
        found.append(float(sample.target.index in best) / len(best))
    return found


def _keys(sample: Sample[Choice]) -> Iterator[tuple[Hashable, ...]]:
    """Yield for each option what it shares with options of other questions, the most general first."""
    target = sample.target
    ranked = sorted(range(len(target.options)), key=lambda place: (len(target.options[place]), target.options[place]))
    for place, text in enumerate(target.options):
        words = " ".join(text.casefold().split())
        rank = ("length", len(ranked), ranked.index(place))
        yield rank, ("option", words), ("question", sample.question, words)

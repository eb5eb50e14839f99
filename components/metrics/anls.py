"""ANLS: how near an answer's letters are to a true answer's, for answers that were read or heard a little wrong."""

from __future__ import annotations

from collections.abc import Sequence

THRESHOLD = 0.5


def anls(answer: str, truths: Sequence[str]) -> float:
    """Return the normalised Levenshtein similarity of an answer to the nearest true one (Biten et al. 2019, §4).

    Case and the spaces around count for nothing. What differs in half of the letters or more is another answer, not a
    misspelt one, and scores 0. The mean over questions is the ANLS of a benchmark.

    Args:
        answer: what was answered.
        truths: the answers that are right, at least one.

    Returns:
        0, or above one half to 1.

    Raises:
        ValueError: no true answer came.

    >>> anls("Coca cola", ["coca-cola", "coke"])
    0.8888888888888888
    """
    if not truths:
        raise ValueError("no true answer came to compare with, allowed is one or more")
    return max(_similarity(_plain(answer), _plain(truth)) for truth in truths)


def _similarity(answer: str, truth: str) -> float:
    from nltk.metrics.distance import edit_distance  # NLTK takes seconds to import

    longest = max(len(answer), len(truth))
    distance = edit_distance(answer, truth) / longest if longest else 0.0
    return 1 - distance if distance < THRESHOLD else 0.0


def _plain(text: str) -> str:
    return " ".join(text.lower().split())

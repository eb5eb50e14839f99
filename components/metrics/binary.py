"""Yes/no questions as POPE measures them (Li et al. 2023, "Evaluating Object Hallucination", §5): yes is positive."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def yes_no(answers: Sequence[bool | None], truths: Sequence[bool]) -> dict[str, float]:
    """Return accuracy, precision, recall, F1 and how often the answer was yes.

    The share of yes is that of the answers, which shows a model that always says the same; the truth's would not.

    Args:
        answers: N; None where neither yes nor no could be read, which is wrong and no yes.
        truths: N.

    Returns:
        "accuracy", "precision", "recall", "f1" and "said_yes", 0 to 1. A ratio of none to none is 0: precision where
        no answer was yes, recall where no truth is.

    Raises:
        ValueError: no question came, or answers and truths differ in number.

    >>> yes_no([True, True, None, False], [True, False, True, False])
    {'accuracy': 0.5, 'precision': 0.5, 'recall': 0.5, 'f1': 0.5, 'said_yes': 0.5}
    """
    if not truths or len(answers) != len(truths):
        raise ValueError(f"{len(answers)} answers and {len(truths)} truths came, allowed is one each, at least one")
    said_yes = np.array([answer is True for answer in answers])
    is_yes = np.array(truths, dtype=bool)
    right = np.array([answer is not None and answer == truth for answer, truth in zip(answers, truths, strict=True)])
    hits = int((said_yes & is_yes).sum())
    return {
        "accuracy": float(right.mean()),
        "precision": hits / max(1, int(said_yes.sum())),
        "recall": hits / max(1, int(is_yes.sum())),
        "f1": 2 * hits / max(1, int(said_yes.sum() + is_yes.sum())),
        "said_yes": float(said_yes.mean()),
    }

"""What a guesser gets right that reads questions and options and sees no video."""

from __future__ import annotations

import numpy as np
import pandas as pd

WEIGHT = 5.0  # of what is known in general, in offers: an option seen less often says little of its own


def accuracy(offered: pd.DataFrame) -> pd.DataFrame:
    """Guess the held-out questions by how often each option was right in training.

    The odds of an option are its share of right answers where the question text offered it, drawn towards its share in
    the whole question type, and that towards the share of any option.

    Args:
        offered: a row for each option of each question: `type`, `split`, `row` (of the question), `question`, `option`
            and whether it is `right`.

    Returns:
        By `type`: `blind_asked` (held-out questions), `blind_right` (expected: equal odds share the guess) and `chance`
        (mean of 1 / options over all questions).
    """
    train = offered[offered["split"] == "train"]
    odds = offered.assign(odds=offered["type"].map(train.groupby("type")["right"].mean()).fillna(0.0))
    for keys in (["type", "option"], ["type", "question", "option"]):
        seen = train.groupby(keys)["right"].agg(["sum", "size"])
        known = odds[keys].join(seen, on=keys)[["sum", "size"]].fillna(0.0)
        odds["odds"] = (known["sum"] + WEIGHT * odds["odds"]) / (known["size"] + WEIGHT)
    held_out = odds[odds["split"] == "test"]
    # sums of other orders differ in the last digits, and equal odds must stay equal
    score = held_out["odds"].round(9)
    best = score == score.groupby(held_out["row"]).transform("max")
    guess = best / best.groupby(held_out["row"]).transform("sum") * held_out["right"]
    questions = offered.groupby(["type", "row"]).size().rename("options").reset_index()
    return pd.DataFrame(
        {
            "blind_asked": held_out.groupby("type")["row"].nunique(),
            "blind_right": guess.groupby(held_out["type"]).sum(),
            "chance": (1 / questions["options"]).groupby(questions["type"]).mean(),
        }
    )


def lift(share: pd.Series | np.ndarray, chance: pd.Series) -> pd.Series:
    """Give what is gained over chance, as a share of what can be gained: 0 at chance, 1 where all is known."""
    return (share - chance) / (1 - chance)

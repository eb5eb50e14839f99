"""The blind baseline: what is right of guesses from questions and options alone, without any video."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.util import hash_pandas_object

from components.data.seen_ids import seen_before

WEIGHT = 5.0  # of the more general share, in offers: an option that was offered less often says little of its own
_KEYS = (["type", "option"], ["type", "question", "option"])

Parts = Callable[[], Iterable[pd.DataFrame]]


@dataclass(frozen=True)
class Guesser:
    """What training says of the options of held-out questions.

    Attributes:
        general: share of right options by type.
        seen: how often each key was right and was offered, shape (2, keys).
        keys: sorted hashes of the columns of _KEYS.
    """

    general: pd.Series
    seen: np.ndarray
    keys: np.ndarray

    def odds(self, offered: pd.DataFrame) -> pd.Series:
        """Return the odds of each option of held-out questions, in rows as `accuracy` takes them."""
        odds = offered["type"].map(self.general).fillna(0.0).to_numpy(dtype=np.float64)
        for columns in _KEYS:
            right, offers = self.seen[:, _places(_hashed(offered, columns), self.keys)[0]]
            odds = (right + WEIGHT * odds) / (offers + WEIGHT)
        # sums of other orders differ in the last digits, and equal odds must stay equal
        return pd.Series(odds, index=offered.index).round(9)


def accuracy(parts: Parts) -> pd.DataFrame:
    """Guess the held-out questions by how often each option was right in training.

    The odds of an option are its share of right answers where the question text offered it, drawn towards its share in
    the whole question type, and that towards the share of any option. In memory are 24 bytes for each option that a
    held-out question text offers: other options are not counted.

    Args:
        parts: returns, each time that it is called, the questions some at a time, a row for each option of each
            question: `type`, `split`, `row` (of the question, in its part), `question`, `option` and whether it is
            `right`. At least one part.

    Returns:
        By `type`: `blind_asked` (held-out questions), `blind_right` (expected: equal odds share the guess) and `chance`
        (mean of 1 / options over all questions).
    """
    guesser = fit(parts)
    questions, guesses = [], []
    for part in parts():
        of_question = part.value_counts(["type", "row"]).rename("options")
        questions.append(of_question.groupby(["type", of_question]).size())
        guesses.append(_guessed(part[part["split"] == "test"], guesser))
    # whole numbers first: sums of fractions would differ in the last digits with the cut
    options, guessed = _summed(questions, ["type", "options"]), _summed(guesses, ["type", "best", "right"])
    asked = guessed.groupby("type")["rows"].sum()
    right = (guessed["rows"] * guessed["right"] / guessed["best"]).groupby(guessed["type"]).sum()
    of_type = options.assign(chances=options["rows"] / options["options"]).groupby("type")[["chances", "rows"]].sum()
    chance = of_type["chances"] / of_type["rows"]
    return pd.DataFrame({"blind_asked": asked, "blind_right": right, "chance": chance})


def fit(parts: Parts) -> Guesser:
    """Count what the training questions among `parts` (see `accuracy`) say of the options of the held-out ones."""
    wanted: list[np.ndarray] = []
    for part in parts():
        for columns in _KEYS:
            seen_before(np.unique(_hashed(part[part["split"] == "test"], columns)), wanted)
    keys = np.sort(np.concatenate([np.zeros(0, dtype=np.uint64), *wanted]))
    seen, types = np.zeros((2, len(keys))), []
    for part in parts():
        train = part[part["split"] == "train"]
        types.append(train.groupby("type")["right"].agg(["sum", "size"]))
        for columns in _KEYS:
            place, known = _places(_hashed(train, columns), keys)
            np.add.at(seen[0], place[known], train["right"].to_numpy()[known])
            np.add.at(seen[1], place[known], 1.0)
    of_type = pd.concat(types).groupby("type").sum()
    return Guesser(of_type["sum"] / of_type["size"], seen, keys)


def _guessed(held_out: pd.DataFrame, guesser: Guesser) -> pd.Series:
    """Count questions by `type`, the number of options with the `best` odds, and whether the `right` one is of them."""
    score = guesser.odds(held_out)
    best = score == score.groupby(held_out["row"]).transform("max")
    marks = held_out[["type", "row"]].assign(best=best, right=best & (held_out["right"] > 0))
    counted = marks.groupby(["type", "row"]).sum()
    return counted.groupby(["type", "best", "right"]).size()


def _summed(counted: list[pd.Series], names: list[str]) -> pd.DataFrame:
    """Add the counts of all parts up, as the column `rows`; `names` are the levels of their index."""
    frames = [part.rename("rows").rename_axis(names).reset_index() for part in counted]
    return pd.concat(frames).groupby(names)["rows"].sum().reset_index()


def _hashed(rows: pd.DataFrame, columns: list[str]) -> np.ndarray:
    return hash_pandas_object(rows[columns], index=False).to_numpy()


def _places(hashes: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find hashes among sorted keys: the index of each, and whether it is there."""
    if not len(keys):
        return np.zeros(len(hashes), dtype=np.int64), np.zeros(len(hashes), dtype=bool)
    place = np.minimum(np.searchsorted(keys, hashes), len(keys) - 1)
    return place, keys[place] == hashes


def lift(share: pd.Series | np.ndarray, chance: pd.Series) -> pd.Series:
    """Return the gain over chance as a share of the largest possible gain: 0 at chance, 1 where all is right."""
    return (share - chance) / (1 - chance)

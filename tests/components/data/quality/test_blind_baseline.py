"""The blind guesser: above chance where the words tell, at chance where they do not."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.quality import blind_baseline
from components.data.quality.blind_baseline import lift

WORDS = ("red", "green", "blue", "white")


def accuracy(*parts: pd.DataFrame) -> pd.DataFrame:
    return blind_baseline.accuracy(lambda: parts)


def asked(rights: list[str], *, questions: list[str] | None = None, kind: str = "t", seed: int = 0) -> pd.DataFrame:
    """Questions with all four words to choose from; every fourth is held out."""
    places = np.random.default_rng(seed).permuted(np.tile(np.arange(4), (len(rights), 1)), axis=1)
    rows = [
        {"type": kind, "split": "train" if row % 4 else "test", "row": row, "option": WORDS[place]}
        | {"question": questions[row] if questions else "?", "right": float(WORDS[place] == right)}
        for row, right in enumerate(rights)
        for place in places[row]
    ]
    return pd.DataFrame(rows)


def drawn(shares: list[float], count: int = 4000) -> list[str]:
    return np.random.default_rng(3).choice(WORDS, size=count, p=shares).tolist()


def test_a_common_answer_is_found_out():
    found = accuracy(asked(drawn([0.7, 0.1, 0.1, 0.1]))).loc["t"]
    assert found["blind_right"] / found["blind_asked"] == pytest.approx(0.7, abs=0.05)
    assert (found["blind_asked"], found["chance"]) == (1000, 0.25)


def test_a_question_that_names_its_answer_is_found_out():
    rights = drawn([0.25] * 4)
    found = accuracy(asked(rights, questions=[f"what is {right[::-1]}?" for right in rights])).loc["t"]
    assert found["blind_right"] == found["blind_asked"]


def test_without_a_bias_it_guesses_at_chance():
    rights = drawn([0.25] * 4)
    seldom = [f"question {row // 3}?" for row in range(len(rights))]  # most texts tell of three answers at most
    for questions in (None, seldom):
        found = accuracy(asked(rights, questions=questions)).loc["t"]
        assert found["blind_right"] / found["blind_asked"] == pytest.approx(0.25, abs=0.04)


def test_types_do_not_learn_from_one_another():
    both = pd.concat(
        [asked(["red"] * 40, kind="a"), asked(["blue"] * 40, kind="b").assign(row=lambda f: f["row"] + 40)]
    )
    found = accuracy(both)
    assert found["blind_right"].tolist() == found["blind_asked"].tolist() == [10, 10]


def test_the_guess_is_the_same_however_the_questions_are_cut():
    texts = [f"question {row % 5}?" for row in range(48)]
    kinds = [asked(drawn([0.4, 0.3, 0.2, 0.1], 48), kind=str(n), questions=texts, seed=n) for n in range(3)]
    kinds[2]["split"] = "test"  # nothing is known of it: all odds are equal
    whole = pd.concat([kind.assign(row=3 * kind["row"] + n) for n, kind in enumerate(kinds)])
    whole = whole[(whole["row"] % 4 > 0) | (whole["option"] != "white")].sort_values("row", kind="stable")
    once = accuracy(whole)
    last = whole[whole["type"] == "2"]
    guesses = last["right"] / last.groupby("row")["right"].transform("size")
    assert once["blind_asked"].tolist() == [12, 12, 48] and once.loc["2", "blind_right"] == pytest.approx(guesses.sum())
    for rows in (11, 50):
        cut = [part.assign(row=part["row"] - part["row"].min()) for _, part in whole.groupby(whole["row"] // rows)]
        pd.testing.assert_frame_equal(accuracy(whole[:0], *cut), once, check_exact=True)


def test_equal_odds_share_the_guess_and_no_held_out_question_tells_nothing():
    unseen = asked(["red", "green", "blue", "white"] * 4).assign(split="test")
    assert accuracy(unseen).loc["t", ["blind_asked", "blind_right"]].tolist() == [16, 4.0]
    assert np.isnan(accuracy(unseen.assign(split="train")).loc["t", "blind_asked"])


@given(st.floats(0.01, 0.9), st.floats(0, 1))
def test_lift_is_zero_at_chance_and_one_where_all_is_known(chance, share):
    assert lift(chance, chance) == 0 and lift(1.0, chance) == pytest.approx(1)
    assert (lift(share, chance) > 0) == (share > chance)

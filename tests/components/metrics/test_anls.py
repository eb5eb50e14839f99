"""ANLS against a distance that is counted by recursion, and its threshold."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.metrics.anls import anls

words = st.text("abc ", max_size=7)


@cache
def distance(a: str, b: str) -> int:
    """Fewest letters put in, taken out or changed that make one text the other."""
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, distance(a[1:], b[1:]) + (a[0] != b[0]))


@given(words, st.lists(words, min_size=1, max_size=3))
def test_the_nearest_answer_counts_and_half_of_the_letters_are_another_answer(answer, truths):
    def similarity(truth: str) -> float:
        a, b = " ".join(answer.split()), " ".join(truth.split())
        share = distance(a, b) / max(len(a), len(b), 1)
        return 1 - share if share < 0.5 else 0.0

    assert anls(answer, truths) == pytest.approx(max(map(similarity, truths)))
    assert anls(answer, truths) == anls(answer.upper(), truths[::-1])


@pytest.mark.parametrize(
    ("answer", "truths", "expected"),
    [
        ("  The Red  mug", ["the red mug"], 1.0),
        ("abcd", ["abxy"], 0.0),  # a distance of exactly one half
        ("abcde", ["abcxy"], 0.6),
        ("", ["mug"], 0.0),
        ("", [""], 1.0),
    ],
)
def test_by_hand(answer, truths, expected):
    assert anls(answer, truths) == pytest.approx(expected)


def test_without_a_true_answer_there_is_nothing_to_compare():
    with pytest.raises(ValueError, match="no true answer"):
        anls("mug", [])

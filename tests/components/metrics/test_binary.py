"""POPE's figures against scikit-learn's, and of answers that never change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from components.metrics.binary import yes_no


def test_constant_answers_on_balanced_questions_as_pope_is():
    truths = [True, False] * 1500
    always = yes_no([True] * 3000, truths)
    assert always == {"accuracy": 0.5, "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "said_yes": 1.0}
    never = yes_no([False] * 3000, truths)
    assert never == {"accuracy": 0.5, "precision": 0.0, "recall": 0.0, "f1": 0.0, "said_yes": 0.0}
    unread = yes_no([None] * 3000, truths)
    assert unread == dict.fromkeys(unread, 0.0)


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.booleans()), min_size=1), st.randoms())
def test_the_figures_are_scikit_learns_and_the_order_of_questions_is_nothing(pairs, random):
    answers, truths = zip(*pairs, strict=True)
    found = yes_no(answers, truths)
    said = [answer is True for answer in answers]
    assert found["precision"] == pytest.approx(precision_score(truths, said, zero_division=0))
    assert found["recall"] == pytest.approx(recall_score(truths, said, zero_division=0))
    assert found["f1"] == pytest.approx(f1_score(truths, said, zero_division=0))
    # an answer that cannot be read is the wrong one of the two
    read = [not truth if answer is None else answer for answer, truth in pairs]
    assert found["accuracy"] == pytest.approx(accuracy_score(truths, read))
    random.shuffle(pairs)
    assert yes_no(*zip(*pairs, strict=True)) == pytest.approx(found)


@pytest.mark.parametrize(("answers", "truths"), [([], []), ([True], [True, False])])
def test_questions_without_answers_are_refused(answers, truths):
    with pytest.raises(ValueError, match="one each, at least one"):
        yes_no(answers, truths)

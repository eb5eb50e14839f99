"""What is asked to be reasoned, what its answer is when it is taught, and how a choice is read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.prompts import cite, parse_choice, parse_frames, reasons, taught_answer, think_answer, with_letters

OPTIONS = ["the red cup", "a", "C", "puts down"]
CHOICE = {"kind": "choice", "choices": OPTIONS, "answer_index": 3}


@pytest.mark.parametrize(
    ("answer", "index"),
    [
        ("A", 0),
        ("d", 3),
        ("D.", 3),
        ("(d)", 3),
        ("B:", 1),
        (" D ", 3),
        ("D. puts down", 3),
        ("D . puts  down", 3),  # as a word-level tokenizer spaces it
        ("(D) Puts down", 3),
        ("d) puts down", 3),
        ("puts down", 3),
        ("The Red Cup", 0),
        ("C", 2),  # a letter before the words of an option
        ("a", 0),
        ("C. puts down", None),  # the wrong letter with the right words
        ("E", None),  # no such option
        ("E. puts down", None),
        ("D puts", None),
        ("D, A", None),
        ("AD", None),
        ("red cup", None),
        ("", None),
    ],
)
def test_a_choice_is_read_by_letter_or_by_words(answer, index):
    assert parse_choice(answer, OPTIONS, lettered=True) == index


def test_a_letter_without_an_option_may_still_be_the_words_of_one():
    assert parse_choice("C", ["C", "nobody"], lettered=False) == 0


@given(st.lists(st.text("xyz ", min_size=2).map(str.strip).filter(lambda text: len(text) > 1), min_size=1, max_size=9))
def test_every_option_is_found_by_its_letter_and_with_its_words(choices):
    for index, letter in zip(range(len(choices)), "ABCDEFGHI", strict=False):
        assert f"{letter}. {choices[index]}" in with_letters("?", choices)
        both = f"{letter}. {choices[index]}"
        assert [parse_choice(text, choices, lettered=True) for text in (letter, both)] == [index, index]


def test_more_options_than_letters_are_refused():
    with pytest.raises(ValueError, match=r"'\?' came with 27 options, allowed are 26 letters"):
        with_letters("?", [str(number) for number in range(27)])


def test_a_thought_is_taught_with_the_letter_and_anything_else_as_it_is():
    assert taught_answer({"answer": think_answer("so", "puts down"), "target": CHOICE}) == think_answer("so", "D")
    for sample in (
        {"answer": "puts down", "target": CHOICE},
        {"answer": think_answer("so", "x"), "target": {"kind": "box"}},
    ):
        assert taught_answer(sample) == sample["answer"]


@pytest.mark.parametrize(
    ("kind", "question_type", "always"),
    [("box", "", True), ("span", "", True), ("choice", "cot", True), ("choice", "", False), ("text", "", False)],
)
def test_who_is_asked_to_reason(kind, question_type, always):
    sample = {"target": {"kind": kind}, "question_type": question_type}
    assert reasons(sample, reasoned=False) is always
    assert reasons(sample, reasoned=True) is (kind != "text")


def test_cited_frames_are_read_back():
    assert parse_frames(cite("C cuts", [4, 5])) == {4, 5}

"""Options that stand in the words of a conversation, and answers that name one of them."""

import pytest

from tests.components.data.sources.test_general import LETTER, LLAVA, OPTIONS, VIDEO_QA, changed, talk, told


def test_a_line_of_video_qa_is_a_closed_question(tmp_path):
    _, (row,), rejects = told(tmp_path, VIDEO_QA)
    assert rejects == [] and row["media"] == "video"
    assert (row["question"], row["answer"]) == ("How is the pan used?", "Cut it.")
    assert row["wrong_answers"] == ["Heat it.", "Wash it.", "Pour it."]


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (OPTIONS + LETTER, "B"),
        (OPTIONS, "(B)"),
        (OPTIONS, "B. Wash it."),
        (OPTIONS, "The answer is B."),
        (OPTIONS, "wash it"),
        ("\nA. Heat it.\nB. Wash it.\nC. Cut it.\nD. Pour it.", "b"),
        ("\nOptions:\nA) Heat it.\nB) Wash it.\nC) Cut it.\nD) Pour it.\nPlease select the correct option.", "B)"),
        (" (A) Heat it. (B) Wash it. (C) Cut it. (D) Pour it.", "Answer: B"),
    ],
)
def test_options_are_found_however_they_are_lettered(tmp_path, options, answer):
    said = talk(f"<image>\nWhat is done to it?{options}", answer)
    _, (row,), rejects = told(tmp_path, changed(LLAVA, conversations=said))
    assert rejects == []
    assert (row["question"], row["answer"]) == ("What is done to it?", "Wash it.")
    assert row["wrong_answers"] == ["Heat it.", "Cut it.", "Pour it."]


def test_a_letter_in_a_sentence_is_no_option(tmp_path):
    _, (row,), _ = told(tmp_path, changed(LLAVA, conversations=talk("Does plan A. precede plan B. here?", "yes")))
    assert (row["question"], row["answer"], row["wrong_answers"]) == ("Does plan A. precede plan B. here?", "yes", [])


@pytest.mark.parametrize("options", ["\n(a) left\n(b) right", " A) left B) right", "\n(B) left\n(C) right"])
def test_a_letter_for_options_that_are_not_read_is_a_reject(tmp_path, options):
    captions, questions, rejects = told(tmp_path, changed(LLAVA, conversations=talk(f"Which?{options}", "B")))
    assert captions == questions == [] and [row["reason"] for row in rejects] == ["letter_without_options"]


@pytest.mark.parametrize("answer", ["E", "A, C", "none of them", "A man cuts", "7", "A. Wash it.", "(C) wash it"])
def test_an_answer_that_is_no_option_is_a_reject(tmp_path, answer):
    captions, questions, rejects = told(tmp_path, changed(LLAVA, conversations=talk(f"Which?{OPTIONS}", answer)))
    assert captions == questions == [] and [row["reason"] for row in rejects] == ["answer_is_no_option"]

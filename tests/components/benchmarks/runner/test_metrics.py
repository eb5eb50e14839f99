"""Intervals and boxes: read in two ways, scored by the overlaps that papers print, and guessed without a frame."""

import random

import pytest

from components.benchmarks.runner import asking, guesses
from components.benchmarks.runner.groups import mean_of_subsets
from components.benchmarks.runner.metrics import METRICS
from components.benchmarks.shared.sample import Box, Choice, Medium, Sample, Span, Text

FILM = (Medium("a.mp4"),)
WHEN = Sample("0", "a", "when is it that C cuts?", FILM, Span(2.0, 6.0), length_s=20.0)
WHERE = Sample("0", "a", "where is the cup?", FILM, Box((20.0, 20.0, 60.0, 60.0)))


def test_an_interval_is_right_by_its_overlap():
    metric = METRICS["temporal"]
    tagged = "<think>early</think><answer>(2, 4)</answer>"
    assert metric.read(WHEN, tagged, reasoned=True) == ((2.0, 4.0), "answer tags")
    assert metric.read(WHEN, "<answer>(2, 4)</answer>", reasoned=True) == (None, "unread")
    assert metric.official(WHEN, "<answer>(2, 4)</answer>", parser="")[0] == (2.0, 4.0)
    assert metric.official(WHEN, "(2, 4)", parser="") == (None, "unread")
    scores = metric.score(WHEN, (2.0, 4.0))
    assert scores == {"miou": 0.5, "r1_05": 1, "r1_10": 1, "r1_30": 1, "r1_50": 1, "r1_70": 0}
    assert set(metric.score(WHEN, None).values()) == {0.0}


def test_a_box_is_read_in_either_unit_and_both_readings_of_loc_acc_are_scored():
    metric = METRICS["box"]
    assert metric.read(WHERE, "<think></think><answer>[20, 20, 60, 60]</answer>", reasoned=True)[0] == (20, 20, 60, 60)
    assert metric.official(WHERE, "it is [0.2, 0.2, 0.6, 0.6]", parser="") == ((20, 20, 60, 60), "fractions")
    assert metric.official(WHERE, "[20, 20, 60, 60]", parser="")[1] == "percent"
    assert metric.score(WHERE, (20.0, 20.0, 60.0, 60.0)) == {"miou": 1.0, "loc_acc": 1.0, "r1_50": 1.0}
    small = metric.score(WHERE, (38.0, 38.0, 42.0, 42.0))
    assert (small["loc_acc"], small["r1_50"]) == (1.0, 0.0) and small["miou"] == pytest.approx(0.01)


def test_guesses_are_of_other_videos_and_the_likest_question_answers():
    samples = [
        Sample(str(place), f"video {place % 5}", f"when is it that C {verb}?", FILM, Span(start, start + 2))
        for place, (verb, start) in enumerate([("cuts", 1.0), ("eats", 9.0)] * 20)
    ]
    assert guesses.constant(samples)[0] == (5.0, 7.0)
    assert guesses.by_words(samples) == [guesses.truth(sample) for sample in samples]
    of_one = [Sample(one.sample_id, "one", one.question, FILM, one.target) for one in samples]
    assert set(guesses.by_words(of_one)) == set(guesses.others(of_one)) == {None}
    turned = random.Random(0).sample(samples, len(samples))
    assert guesses.by_words(turned) == [guesses.truth(sample) for sample in turned]
    found = METRICS["temporal"].references(samples)
    assert sum(found["text_only"].scores["r1_70"]) == 40 and sum(found["constant"].scores["miou"]) == 0


@pytest.mark.parametrize(
    "sample, form, question, answer, tagged",
    [
        (WHEN, "letter", "when is it that C cuts?", "<think></think><answer>(2, 6)</answer>", True),
        (WHERE, "ranked", "where is the cup?", "<think></think><answer>[20, 20, 60, 60]</answer>", True),
        (Sample("0", "a", "what?", FILM, Text(("cup",))), "letter", "what?", "cup", False),
        (Sample("0", "a", "Is it?", FILM, Choice(("yes", "no"), 1)), "letter", "Is it? Answer yes or no.", "no", False),
        (Sample("0", "a", "Is it?", FILM, Choice(("yes", "no"), 1)), "ranked", "Is it?", "no", False),
        (Sample("0", "a", "what?", FILM, Choice(("a", "b"), 1)), "words", "what?", "b", False),
        (Sample("0", "a", "what?", FILM, Choice(("a", "b"), None)), "words", "what?", "", False),
    ],
)
def test_each_kind_of_question_is_asked_so_that_its_answer_can_be_read(sample, form, question, answer, tagged):
    row = asking.row(sample, form=form, reasoned=False)
    assert (row["question"], row["answer"], row["reasoned"]) == (question, answer, tagged)


@pytest.mark.parametrize(
    "options, form, reasoned, official, is_read",
    [
        (("a", "b"), "letter", False, "start_or_word", True),
        (("a", "b"), "words", False, "start_or_word", False),
        (("a", "b"), "words", True, "start_or_word", True),
        (("yes", "no"), "letter", False, "start_or_word", False),
        (("yes", "no"), "words", False, "yes_unless_no", True),
        (("yes", "no"), "letter", True, "yes_unless_no", False),
    ],
)
def test_the_authors_code_reads_only_the_form_that_it_asks_for(options, form, reasoned, official, is_read):
    sample = Sample("0", "a", "what?", FILM, Choice(options, 1))
    row = asking.row(sample, form=form, reasoned=reasoned)
    assert asking.asked_officially(sample, row, official=official) is is_read


def test_a_model_that_reasons_answers_yes_or_no_by_letter_or_word():
    sample = Sample("0", "a", "Is it?", FILM, Choice(("yes", "no"), 1))
    read = METRICS["yes_no"].read
    for said, index in (("B", 1), ("A", 0), ("No.", 1), ("C", None)):
        assert read(sample, f"<think>so</think><answer>{said}</answer>", reasoned=True)[0] == index
    assert read(sample, "B", reasoned=False)[0] is None


def test_a_mean_over_fewer_subsets_is_another_figure():
    found = {"accuracy": 0.9, "subset a/accuracy": 0.5, "subset b/accuracy": 1.0}
    assert mean_of_subsets(found, "accuracy", 2) == 0.75
    assert mean_of_subsets(found, "accuracy", 20) is None and mean_of_subsets(found, "accuracy", 0) is None

"""Truth tables of the scores, and what chance gives."""

import pytest

from components.evaluation import alignment, mapping, perception, results
from components.evaluation.score import TASKS, parsed
from components.params.evaluation import METRICS, Promotion

SAID_ALL = "C picks up the red cup with the right hand."
NO_HAND = "C picks up the red cup."


def scores_of(task: str, sample: dict, answer: str) -> dict:
    score, _ = TASKS[task]
    return {name: values[0] for name, values in score([sample], [answer]).items()}


def test_the_gate_may_compare_what_is_computed_and_nothing_else():
    computed = {task: (*score([], []), "cut") for task, (score, _) in results.KNOWN.items()}
    computed |= dict.fromkeys(mapping.RETRIEVAL, ("top1",))
    for written_by_none in (perception.TASKS, alignment.TASKS):  # options are ranked, a teacher's words are weighed
        computed |= {task: tuple(score([], [])) for task, (score, _) in written_by_none.items()}
    assert computed == METRICS
    assert Promotion(model_name="m", primary_metric="qa/accuracy", guardrail_metrics={"retrieval_fx/top1": 0.1})
    for wrong in ("qa/acuracy", "qa", "caption/verb", "qa/cut"):
        with pytest.raises(ValueError, match=rf"compares \['{wrong}'\], which nothing computes; allowed are .*qa/acc"):
            Promotion(model_name="m", primary_metric="qa/accuracy", guardrail_metrics={wrong: 0.1})


@pytest.mark.parametrize("task", ["caption_ego", "caption_exo"])
@pytest.mark.parametrize(
    ("truth", "said", "verb", "colour", "kind", "hand", "whole"),
    [
        (SAID_ALL, SAID_ALL, 1, 1, 1, 1, 1),
        (SAID_ALL, "C picks up the red cup with the left hand .", 1, 1, 1, 0, 0),
        (SAID_ALL, "C puts down the red bowl with the right hand.", 0, 1, 0, 1, 0),
        (SAID_ALL, NO_HAND, 1, 1, 1, 0, 0),
        (SAID_ALL, "", 0, 0, 0, 0, 0),
        (SAID_ALL, "picks picks picks", 0, 0, 0, 0, 0),
        # what the annotator did not say is not asked, and does not spoil "all"
        (NO_HAND, SAID_ALL, 1, 1, 1, None, 1),
        (NO_HAND, "C washes the red cup", 0, 1, 1, None, 0),
    ],
)
def test_caption_slots(task, truth, said, verb, colour, kind, hand, whole):
    expected = {"verb": verb, "colour": colour, "type": kind, "hand": hand, "all": whole}
    found = scores_of(task, {"answer": truth}, said)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("task", ["caption_ego", "caption_exo"])
def test_captions_of_people_have_no_slots_and_are_scored_by_their_words(task):
    truth = "C picks up the mug from the table."
    found = {
        said: scores_of(task, {"answer": truth}, said) for said in (truth, "C picks the cup from a table", "C runs", "")
    }
    assert all(found[said][name] is None for said in found for name in ("verb", "colour", "type", "hand", "all"))
    meteor = [found[said]["meteor"] for said in found]
    assert meteor[0] > 0.99 and meteor == sorted(meteor, reverse=True) and meteor[-1] == 0.0
    assert scores_of(task, {"answer": truth}, "c pick up the MUG from the tables")["meteor"] > 0.95


def test_chance_of_captions_is_uniform_over_the_words():
    _, chance = TASKS["caption_ego"]
    expected = {"verb": 1 / 8, "colour": 1 / 6, "type": 1 / 8, "hand": 1 / 2, "all": 1 / 768}
    found = chance([{"answer": SAID_ALL}, {"answer": "C runs"}, {"answer": "C cuts"}])
    assert {name: found[name] for name in expected} == pytest.approx(expected) and 0 < found["meteor"] < 1


def choice_sample(options: int, answer: int) -> dict:
    target = {"kind": "choice", "choices": [str(number) for number in range(options)], "answer_index": answer}
    return {"target": target, "reasoned": False}


def test_choices_are_right_or_wrong_and_chance_counts_the_options():
    score, chance = TASKS["qa"]
    samples = [choice_sample(4, 2), choice_sample(2, 0), choice_sample(2, 1)]
    assert score(samples, ["2", "1", "1"]) == {"accuracy": [1.0, 0.0, 1.0]}
    assert score(samples, [" 2", "no idea", "<think>it is</think><answer>1</answer>"]) == {"accuracy": [1.0, 0.0, 1.0]}
    assert chance(samples) == {"accuracy": pytest.approx((1 / 4 + 1 / 2 + 1 / 2) / 3)}


@pytest.mark.parametrize(
    ("said", "accuracy", "readable"),
    [
        ("<think>C cuts</think><answer>C</answer>", 1, 1),
        ("<think> C cuts </think> <answer> c . </answer>", 1, 1),  # as a word tokenizer decodes
        ("<think>C cuts</think><answer>2</answer>", 1, 1),  # the words of the option
        ("<think>C cuts</think><answer>B. 2</answer>", 0, 1),
        ("<think>C cuts</think><answer>the knife</answer>", 0, 1),
        ("<think>C cuts</think>", 0, 0),
        ("C", 0, 0),
    ],
)
def test_a_chain_of_thought_is_judged_by_what_stands_inside_the_tags(said, accuracy, readable):
    assert scores_of("reasoning", choice_sample(4, 2), said) == {"accuracy": accuracy, "format": readable}
    assert TASKS["reasoning"][1]([choice_sample(4, 2)]) == {"accuracy": 0.25, "format": 0.0}


def test_an_answer_behind_a_thought_counts_inside_the_tags_only():
    score, _ = TASKS["qa"]
    sample = choice_sample(4, 2) | {"reasoned": True}
    said = ["2", "<think>2</think><answer>2</answer>", "<think>2</think><answer>1</answer>", "<think>2</think> 2"]
    assert score([sample] * 4, said) == {"accuracy": [0.0, 1.0, 0.0, 0.0]}
    assert [parsed(sample, text) for text in said] == [None, "2", "1", None]


@pytest.mark.parametrize(
    ("target", "said", "read"),
    [
        ({"kind": "box"}, "<think>a</think><answer>[1, 2, 3, 4]</answer>", "[1, 2, 3, 4]"),
        ({"kind": "box"}, "[1, 2, 3, 4]", None),
        ({"kind": "span"}, "<think>a</think><answer>(1, 2)</answer>", "(1, 2)"),
        ({"kind": "span"}, "<think>a</think><answer>(1, 2", None),
        ({"kind": "text"}, "C cuts", "C cuts"),
    ],
)
def test_what_a_score_reads_in_a_completion(target, said, read):
    assert parsed({"target": target}, said) == read


def box_sample(*box_xyxy: float) -> dict:
    return {"target": {"box_xyxy": list(box_xyxy)}}


def span_sample(start_s: float, end_s: float) -> dict:
    return {"target": {"span": {"start_s": start_s, "end_s": end_s}}}


@pytest.mark.parametrize(
    ("said", "miou", "r1_50", "readable"),
    [
        ("<think>left</think><answer>[0, 0, 20, 20]</answer>", 1, 1, 1),
        ("<think> left </think> <answer>[ 0 , 0 , 20 , 20 ]</answer>", 1, 1, 1),  # as a word tokenizer decodes
        ("<think>left</think><answer>[0, 0, 20, 12]</answer>", 0.6, 1, 1),
        ("<think>left</think><answer>[10, 0, 30, 20]</answer>", 1 / 3, 0, 1),
        ("<think>left</think><answer>[60, 60, 80, 80]</answer>", 0, 0, 1),
        ("<think>left</think><answer>[20, 0, 0, 20]</answer>", 0, 0, 0),  # inverted
        ("<think>left</think><answer>[0, 0, 20]</answer>", 0, 0, 0),
        ("<think>left</think><answer>(0, 20)</answer>", 0, 0, 0),
        ("[0, 0, 20, 20]", 0, 0, 0),
        ("<think>left</think><answer>[0, 0, 20, 20]</answer><answer>[0, 0, 20, 20]</answer>", 0, 0, 0),
        ("", 0, 0, 0),
    ],
)
def test_boxes(said, miou, r1_50, readable):
    expected = {"miou": pytest.approx(miou), "r1_50": r1_50, "format": readable}
    assert scores_of("ground_spatial", box_sample(0, 0, 20, 20), said) == expected


@pytest.mark.parametrize(
    ("said", "miou", "r1_30", "r1_50", "readable"),
    [
        ("<think>C cuts</think><answer>(2, 6)</answer>", 1, 1, 1, 1),
        ("<think>C cuts</think><answer>( 2 , 4 )</answer>", 0.5, 1, 1, 1),
        ("<think>C cuts</think><answer>(4, 8)</answer>", 1 / 3, 1, 0, 1),
        ("<think>C cuts</think><answer>(5, 9)</answer>", 1 / 7, 0, 0, 1),
        ("<think>C cuts</think><answer>(6, 2)</answer>", 0, 0, 0, 0),
        ("<think>C cuts</think><answer>[2, 6]</answer>", 0, 0, 0, 0),
        ("C cuts (2, 6)", 0, 0, 0, 0),
    ],
)
def test_spans(said, miou, r1_30, r1_50, readable):
    expected = {"miou": pytest.approx(miou), "r1_30": r1_30, "r1_50": r1_50, "format": readable}
    assert scores_of("ground_temporal", span_sample(2, 6), said) == expected


def test_a_constant_answer_to_verifications_is_right_half_of_the_time_and_seen():
    score, chance = TASKS["verify_exo"]
    targets = [{"kind": "choice", "choices": ["yes", "no"], "answer_index": n % 2} for n in range(4)]
    samples = [{"target": target, "reasoned": False} for target in targets]
    assert score(samples, ["yes"] * 4) == {"accuracy": [1.0, 0.0, 1.0, 0.0], "said_yes": [1.0] * 4}
    assert chance(samples) == {"accuracy": 0.5, "said_yes": 0.5}


@pytest.mark.parametrize(
    ("task", "sample", "right"),
    [
        ("ground_spatial", box_sample(0, 0, 20, 20), "<think>a</think><answer>[0, 0, 20, 20]</answer>"),
        ("ground_temporal", span_sample(2, 6), "<think>a</think><answer>(2, 6)</answer>"),
    ],
)
def test_an_answer_that_cannot_be_read_stays_in_the_denominator(task, sample, right):
    score, _ = TASKS[task]
    scores = score([sample] * 4, [right, "no idea", "", "<think>a</think>"])
    assert all(values == [1.0, 0.0, 0.0, 0.0] for values in scores.values())


def test_chance_of_grounding_is_the_overlap_with_the_truth_of_others():
    _, chance = TASKS["ground_spatial"]
    alike = chance([box_sample(0, 0, 20, 20) for _ in range(20)])
    assert alike == {"miou": 1.0, "r1_50": 1.0, "format": 0.0}
    apart = [box_sample(4 * n, 0, 4 * n + 4, 20) for n in range(20)]
    assert chance(apart) == {"miou": 0.0, "r1_50": 0.0, "format": 0.0}
    _, chance = TASKS["ground_temporal"]
    half = [span_sample(0, 2 + 2 * (n % 2)) for n in range(100)]
    found = chance(half)
    assert 0.6 < found["miou"] < 0.9 and found["r1_30"] == found["r1_50"] == 1.0
    assert found == chance(half)

import pytest

from components.metrics import box_iou, temporal_iou
from components.prompts import Facts, spatial_answer, temporal_answer, think_answer
from components.rewards import REWARDS


def sample(kind: str, question_type: str = "", **members) -> dict:
    return {"question_type": question_type, "target": {"kind": kind, **members}}


CAPTION = sample("text", text="C washes the red cup.")
PLAIN = sample("choice", choices=["the red cup", "the blue pan"], answer_index=0)
COT = sample("choice", "cot", choices=["the red cup", "the blue pan"], answer_index=0)
BOX = sample("box", box_xyxy=[12.0, 20.0, 40.0, 60.0])
SPAN = sample("span", span={"start_s": 2.0, "end_s": 6.0})

TRUTH_TABLE = [
    ("format", "<think>a</think><answer>b</answer>", BOX, 1.0),
    ("format", " <think>a\nb</think>\n<answer>c</answer>\n", SPAN, 1.0),
    ("format", "<think></think><answer></answer>", COT, 1.0),
    ("format", "<think>a</think>", BOX, 0.0),
    ("format", "<answer>b</answer>", BOX, 0.0),
    ("format", "<answer>b</answer><think>a</think>", BOX, 0.0),
    ("format", "well, <think>a</think><answer>b</answer>", BOX, 0.0),
    ("format", "<think>a</think>so<answer>b</answer>", BOX, 0.0),
    ("format", "<think>a</think><answer>b</answer> done", BOX, 0.0),
    # each tag once: the released regex admits these two
    ("format", "<think>a</think><think>b</think><answer>c</answer>", BOX, 0.0),
    ("format", "<think>a</think><answer>b</answer><answer>c</answer>", BOX, 0.0),
    ("format", "<think>a<think>b</think><answer>c</answer>", BOX, 0.0),
    ("format", "", BOX, 0.0),
    ("format", "the red cup", PLAIN, None),
    ("format", "C washes the red cup.", CAPTION, None),
    ("box_iou", think_answer("left", "[12, 20, 40, 60]"), BOX, 1.0),
    ("box_iou", think_answer("left", "[ 12 , 20 , 40 , 60 ]"), BOX, 1.0),
    ("box_iou", think_answer("left", "[12, 20, 26, 60]"), BOX, 0.5),
    ("box_iou", think_answer("left", "[60, 60, 80, 80]"), BOX, 0.0),
    ("box_iou", think_answer("left", "[40, 60, 12, 20]"), BOX, 0.0),
    ("box_iou", think_answer("left", "[12, 20, 40]"), BOX, 0.0),
    ("box_iou", "[12, 20, 40, 60]", BOX, 0.0),  # right box, no tags
    ("box_iou", think_answer("left", "[12, 20, 40, 60]"), SPAN, None),
    ("temporal_iou", think_answer("C cuts", "(2, 6)"), SPAN, 1.0),
    ("temporal_iou", think_answer("C cuts", "(4, 8)"), SPAN, 1 / 3),
    ("temporal_iou", think_answer("C cuts", "(6, 2)"), SPAN, 0.0),
    ("temporal_iou", think_answer("C cuts", "(2, 2)"), SPAN, 0.0),
    ("temporal_iou", think_answer("C cuts", "2 to 6"), SPAN, 0.0),
    ("temporal_iou", "(2, 6)", SPAN, 0.0),
    ("temporal_iou", think_answer("C cuts", "(2, 6)"), BOX, None),
    ("choice", "the red cup", PLAIN, 1.0),
    ("choice", " The  red cup ", PLAIN, 1.0),
    ("choice", "the blue pan", PLAIN, 0.0),
    ("choice", "red cup", PLAIN, 0.0),
    ("choice", "", PLAIN, 0.0),
    ("choice", think_answer("C holds it", "the red cup"), COT, 1.0),
    ("choice", think_answer("the red cup", "the blue pan"), COT, 0.0),
    ("choice", "the red cup", COT, 0.0),  # reasoned questions are answered inside the tags
    ("choice", "the red cup", CAPTION, None),
]


@pytest.mark.parametrize(("name", "completion", "row", "reward"), TRUTH_TABLE)
def test_truth_table(name, completion, row, reward):
    assert REWARDS[name](completion, row) == (None if reward is None else pytest.approx(reward))


def test_every_reward_stands_in_the_truth_table():
    assert {row[0] for row in TRUTH_TABLE} == set(REWARDS)


def test_the_reward_is_the_metric():
    assert REWARDS["box_iou"](think_answer("x", "[10, 24, 44, 48]"), BOX) == box_iou(
        (10, 24, 44, 48), tuple(BOX["target"]["box_xyxy"])
    )
    assert REWARDS["temporal_iou"](think_answer("x", "(1, 5)"), SPAN) == temporal_iou((1, 5), (2, 6))


def test_the_answer_that_is_trained_on_earns_full_marks():
    spatial = spatial_answer("red cup", tuple(BOX["target"]["box_xyxy"]), 4)
    temporal = temporal_answer(Facts("cuts", "red", "carrot"), 2.0, 6.0, 1.0)
    assert REWARDS["format"](spatial, BOX) == REWARDS["box_iou"](spatial, BOX) == 1.0
    assert REWARDS["format"](temporal, SPAN) == REWARDS["temporal_iou"](temporal, SPAN) == 1.0

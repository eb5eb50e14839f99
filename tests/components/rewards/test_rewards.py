from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.metrics import box_iou, temporal_iou
from components.prompts import MOST_CITED, cite_frames, spatial_answer, temporal_answer, think_answer
from components.prompts.kitchen_grammar import Facts
from components.rewards import ACCURACY, CROSS_VIEW, REWARDS
from components.rewards.correctness import is_correct


def sample(kind: str, *, reasoned: bool, **members) -> dict:
    return {"reasoned": reasoned, "target": {"kind": kind, **members}}


CAPTION = sample("text", reasoned=False, text="C washes the red cup.")
PLAIN = sample("choice", reasoned=False, choices=["the red cup", "the blue pan"], answer_index=0)
REASONED = sample("choice", reasoned=True, choices=["the red cup", "the blue pan"], answer_index=0)
BOX = sample("box", reasoned=True, box_xyxy=[12.0, 20.0, 40.0, 60.0])
SPAN = sample("span", reasoned=True, span={"start_s": 2.0, "end_s": 6.0})
KEYED = {**SPAN, "salient_frames": [4, 5, 6, 7, 8, 9, 10, 11]}
RATIONALE = "C picks up the red cup from 1 to 2 s. C washes the red cup with the left hand from 2 to 6 s."
LIKELY = {**REASONED, "answer_log_prob": -0.2, "group_log_prob": -0.4}
HALF_OF_ONE = {**SPAN, "other_view": [think_answer("so", "(2, 4)"), "(2, 6)"]}
SEEN = think_answer("C washes the red cup", "yes")
TOLD = {**SPAN, "media": [{"start_s": 20.0, "end_s": 28.0}], "answer": think_answer(RATIONALE, "(2, 6)")}


def cited(frames: str, answer: str) -> str:
    return think_answer(f"it is cut <frames>{frames}</frames>", answer)


TRUTH_TABLE = [
    ("format", "<think>a</think><answer>b</answer>", BOX, 1.0),
    ("format", " <think>a\nb</think>\n<answer>c</answer>\n", SPAN, 1.0),
    ("format", "<think></think><answer></answer>", REASONED, 1.0),
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
    ("format", "the red cup", PLAIN, None),  # as its stage is not `reasoned`
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
    ("choice", think_answer("C holds it", "the red cup"), REASONED, 1.0),
    ("choice", think_answer("the red cup", "the blue pan"), REASONED, 0.0),
    ("choice", think_answer("C holds it", "a"), REASONED, 1.0),
    ("choice", think_answer("C holds it", "B"), REASONED, 0.0),
    ("choice", think_answer("C holds it", "A. the red cup"), REASONED, 1.0),
    ("choice", think_answer("C holds it", "B. the red cup"), REASONED, 0.0),  # says two things
    ("choice", "A", REASONED, 0.0),
    ("format", "A", REASONED, 0.0),
    ("choice", "the red cup", REASONED, 0.0),  # reasoned questions are answered inside the tags
    ("choice", "the red cup", CAPTION, None),
    ("key_frames_cite", cited("5, 6, 7", "(2, 6)"), KEYED, 1.0),
    ("key_frames_cite", cited("5", "(2, 6)"), KEYED, 0.5),  # one of the three that may be named
    ("key_frames_cite", cited("5, 6, 7", "(10, 12)"), KEYED, 0.0),  # cites without solving
    ("key_frames_cite", think_answer("it is cut", "(2, 6)"), KEYED, 0.0),
    ("key_frames_cite", "<frames>5</frames>" + think_answer("it is cut", "(2, 6)"), KEYED, 0.0),  # outside think
    ("key_frames_cite", cited("five", "(2, 6)"), KEYED, 0.0),
    ("key_frames_cite", cited("5</frames><frames>6", "(2, 6)"), KEYED, 0.0),
    ("key_frames_cite", cited("4", "the red cup"), {**REASONED, "salient_frames": [5]}, 1.0),
    (
        "key_frames_cite",
        cited("4, 5, 6", "the red cup"),
        {**REASONED, "salient_frames": [5]},
        0.5,
    ),  # one frame, one hit
    ("key_frames_cite", cited("5", "the blue pan"), {**REASONED, "salient_frames": [5]}, 0.0),
    ("key_frames_cite", cited("5", "the red cup"), REASONED, None),
    ("key_frames_cite", cited("5", "(2, 6)"), SPAN, None),
    ("key_frames_contrast", think_answer("C cuts", "(2, 6)"), {**SPAN, "key_accuracy": 0.8, "rest_accuracy": 1.0}, 1.0),
    ("key_frames_contrast", think_answer("C cuts", "(2, 6)"), {**SPAN, "key_accuracy": 0.7, "rest_accuracy": 1.0}, 0.0),
    ("key_frames_contrast", think_answer("C cuts", "(8, 9)"), {**SPAN, "key_accuracy": 0.8, "rest_accuracy": 0.0}, 0.0),
    ("key_frames_contrast", think_answer("C cuts", "(2, 6)"), SPAN, None),
    ("key_frames_cite", "C washes the red cup.", {**CAPTION, "salient_frames": [5]}, None),
    ("temporal_iou_shaped", think_answer("C cuts", "(2, 6)"), TOLD, 1.0),
    ("temporal_iou_shaped", think_answer("C cuts", "(4, 8)"), TOLD, 1 / 3 * (1 - 2 / 8) ** 2),
    ("temporal_iou_shaped", think_answer("C cuts", "(1, 90)"), TOLD, 0.0),  # further off than the window is long
    ("temporal_iou_shaped", think_answer("C cuts", "2 to 6"), TOLD, 0.0),
    ("temporal_iou_shaped", think_answer("C cuts", "(2, 6)"), {**BOX, "media": TOLD["media"]}, None),
    ("rationale", think_answer(RATIONALE, "no"), TOLD, 1.0),  # the answer is for other rewards
    ("rationale", think_answer("then C is washing a red cup", "no"), TOLD, fmean([2 / 3, 1, 1, 0, 0, 0])),
    ("rationale", think_answer("", "(2, 6)"), TOLD, 0.0),
    ("rationale", RATIONALE, TOLD, 0.0),  # no thought
    ("rationale", think_answer("so", "(2, 6)"), {**TOLD, "judged": 0.75}, 0.75),
    ("rationale", think_answer(RATIONALE, "(2, 6)"), {**TOLD, "answer": "(2, 6)"}, None),
    ("cross_view_structure", SEEN, {"other_view": [SEEN]}, 1.0),
    ("cross_view_structure", SEEN, {"other_view": [think_answer("C cuts the red fish", "yes")]}, (0 + 1 / 3) / 2),
    ("cross_view_structure", SEEN, {"other_view": [SEEN, "yes", think_answer("", "yes")]}, 1 / 3),
    ("cross_view_structure", think_answer("", "yes"), {"other_view": [think_answer("", "yes")]}, 0.0),
    ("cross_view_structure", "C washes the red cup", {"other_view": [SEEN]}, 0.0),  # outside of think
    ("cross_view_structure", SEEN, {}, None),
    ("cross_view_answers", think_answer("", "(2, 6)"), {**SPAN, "other_view": [think_answer("", "(2, 6)")]}, 1.0),
    ("cross_view_answers", think_answer("", "(2, 6)"), HALF_OF_ONE, 0.1875),
    ("cross_view_answers", think_answer("", "(8, 9)"), {**SPAN, "other_view": [think_answer("", "(8, 9)")]}, 0.0),
    ("cross_view_answers", think_answer("", "A"), {**REASONED, "other_view": [think_answer("", "A"), "A"]}, 0.5),
    ("cross_view_answers", think_answer("", "B"), {**REASONED, "other_view": [think_answer("", "B")]}, 0.0),
    ("cross_view_answers", "the red cup", {**PLAIN, "other_view": ["the red cup", "the blue pan"]}, 0.5),
    ("cross_view_answers", think_answer("", "[12, 20, 40, 60]"), {**BOX, "other_view": ["a"]}, None),
    ("cross_view_answers", think_answer("", "(2, 6)"), SPAN, None),
    ("reasoning_consistency", think_answer("", "A"), LIKELY, 1.0),
    ("reasoning_consistency", think_answer("", "B"), LIKELY, 0.0),  # wrong
    ("reasoning_consistency", think_answer("", "A"), {**LIKELY, "group_log_prob": -0.1}, 0.0),
    ("reasoning_consistency", think_answer("", "A"), {**LIKELY, "group_log_prob": None}, None),
    ("reasoning_consistency", "A", {**LIKELY, "answer_log_prob": None}, None),
    ("reasoning_consistency", think_answer("", "A"), REASONED, None),
    ("reasoning_consistency", "C washes", {**LIKELY, **CAPTION}, None),
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
    temporal = temporal_answer(Facts("cuts", "red", "carrot").event, 2.0, 6.0, 1.0)
    assert REWARDS["format"](spatial, BOX) == REWARDS["box_iou"](spatial, BOX) == 1.0
    assert REWARDS["format"](temporal, SPAN) == REWARDS["temporal_iou"](temporal, SPAN) == 1.0


@pytest.mark.parametrize(
    ("answer", "row", "right"),
    [
        ("[12, 20, 40, 60]", BOX, True),
        ("[12, 20, 26, 60]", BOX, True),  # half of the box, IoU 0.5
        ("[12, 20, 25, 60]", BOX, False),
        ("(2, 6)", SPAN, True),
        ("(2, 4)", SPAN, True),
        ("(2, 3.9)", SPAN, False),
    ],
)
def test_a_place_is_right_from_half_of_the_overlap_on(answer, row, right):
    assert is_correct(think_answer("so", answer), row) is right
    assert is_correct(think_answer(answer, "so"), row) is False


def test_every_reward_of_accuracy_is_a_reward():
    assert set(REWARDS) > ACCURACY | CROSS_VIEW


numbers = st.integers(0, 100)
frames = st.sets(st.integers(0, 31), min_size=1, max_size=8)


def cite(pred: set[int], salient: set[int], answer: str = "(2, 6)") -> float:
    said = cited(",".join(str(frame) for frame in pred), answer)
    return REWARDS["key_frames_cite"](said, {**SPAN, "salient_frames": list(salient)})


@given(st.text(max_size=80) | st.builds(cited, st.text(max_size=20), st.text(max_size=20)), st.integers(0, 4))
def test_whatever_is_said_a_reward_is_in_its_range_or_does_not_apply(completion, number):
    row = {
        **TOLD,
        **(CAPTION, PLAIN, REASONED, BOX, SPAN)[number],
        "salient_frames": [1, 2],
        "other_view": [completion],
    }
    for name, reward in REWARDS.items():
        value = reward(completion, row)
        assert value is None or 0.0 <= value <= 1.0, name


@given(st.tuples(numbers, numbers, numbers, numbers))
def test_a_box_earns_its_iou(corners):
    reward = REWARDS["box_iou"](think_answer("x", str(list(corners))), BOX)
    assert reward == pytest.approx(box_iou(corners, (12, 20, 40, 60)))


@given(st.integers(12, 39), st.integers(1, 10))
def test_a_closer_box_earns_more(right_edge, further):
    def reward(x2: int) -> float:
        return REWARDS["box_iou"](think_answer("x", f"[12, 20, {x2}, 60]"), BOX)

    closer = min(40, right_edge + further)
    assert reward(closer) > reward(right_edge)


@given(st.floats(0, 3.9), st.floats(0.05, 2))
def test_a_closer_interval_earns_more(off_s, less_s):
    def reward(shift_s: float) -> float:
        return REWARDS["temporal_iou"](think_answer("x", f"({2 + shift_s:.3f}, {6 + shift_s:.3f})"), SPAN)

    assert reward(max(0.0, off_s - less_s)) >= reward(off_s)


@given(frames, frames)
def test_citing_earns_at_most_one_and_less_the_more_is_cited_beyond_three(pred, salient):
    reward, beyond = cite(pred, salient), max(0, len(pred) - MOST_CITED)
    assert -0.1 * beyond - 1e-9 <= reward <= 1.0 - 0.1 * beyond + 1e-9


def most_pairs(pred: list[int], salient: list[int]) -> int:
    """Count the most pairs of a cited and a salient frame at most one apart, none used twice, by trying all."""
    if not pred:
        return 0
    first, *others = pred
    tried = [most_pairs(others, [s for s in salient if s != mine]) + 1 for mine in salient if abs(mine - first) <= 1]
    return max([*tried, most_pairs(others, salient)])


@settings(deadline=None)
@given(st.sets(st.integers(0, 9), min_size=1, max_size=6), st.sets(st.integers(0, 9), min_size=1, max_size=6))
def test_citing_earns_the_f1_of_the_specification(pred, salient):
    """F1 of cited and key frames, one off allowed, three key frames enough; less 0.1 a frame beyond three."""
    hits = most_pairs(sorted(pred), sorted(salient))
    precision, recall = hits / len(pred), min(1.0, hits / min(3, len(salient)))
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    assert cite(pred, salient) == pytest.approx(f1 - 0.1 * max(0, len(pred) - 3))


@given(frames)
def test_naming_the_key_frames_is_worth_one_and_a_frame_off_as_much(salient):
    few = set(sorted(salient)[:MOST_CITED])
    assert cite(few, few) == cite({frame + 1 for frame in few}, few) == cite(few, salient) == 1.0
    assert cite({frame + 40 for frame in few}, few) == 0.0


@given(frames, frames)
def test_a_wrong_answer_earns_nothing_by_citing(pred, salient):
    assert cite(pred, salient, answer="(9, 12)") == 0.0


@given(frames, st.integers(0, 31))
def test_a_frame_beside_the_truth_never_pays_beyond_three(pred, more):
    salient = {100}
    if len(pred) >= MOST_CITED and more not in pred:
        assert cite(pred | {more}, salient) == pytest.approx(cite(pred, salient) - 0.1)


def test_the_question_says_how_to_cite():
    asked = cite_frames("when?", 16)
    assert asked.startswith("when?") and "0 to 15" in asked and "at most 3" in asked and "<frames>" in asked

"""What training text alone tells: exact answers, and a model that sees nothing ties with them."""

import itertools
import random
from collections import Counter

import pyarrow as pa
import pytest

from components import params, prompts, records
from components.evaluation import guesser, results, score
from components.evaluation import items as items_of
from components.evaluation.estimates import estimates
from components.evaluation.guesser import ENOUGH, guess, typical
from components.evaluation.replies import Reply
from components.metrics import box_iou

SETTINGS = params.Eval.model_construct(seed=0, bootstrap_resamples=100)
EMPTY = {"kind": None, "text": None, "choices": None, "answer_index": None, "span": None, "box_xyxy": None}


def sample(number: int, answer: str, target: dict, *, question: str = "where?", split: str = "train") -> dict:
    return {
        "sample_id": f"s{number}", "corpus": "egore", "task": "ground_spatial", "question_type": "t",
        "take_id": f"take-{number % 8}", "split": split, "view": "ego", "media": [], "paired": [],
        "frame_kind": "clip", "question": question, "answer": answer, "target": EMPTY | target, "parents": [],
        "reasoned": False,
    }  # fmt: skip


def box(number: int, x: int, **more) -> dict:
    corners = [x, 0, x + 20, 20]
    answer = prompts.think_answer("it is there", str(corners))
    return sample(number, answer, {"kind": "box", "box_xyxy": corners}, **more)


def choice(number: int, right: str, *options: str, **more) -> dict:
    target = {"kind": "choice", "choices": list(options), "answer_index": options.index(right)}
    return sample(number, right, target, **more)


def table(samples: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(samples, records.SAMPLE)


def test_a_box_is_the_training_box_that_overlaps_the_others_most():
    places = (0, 10, 12, 14, 60)  # 12 is the median
    train = [box(number, x) for number, x in enumerate(places)]
    assert guess(table(train), [box(9, 80, split="test")]) == [train[2]["answer"]]
    means = [sum(box_iou((x, 0, x + 20, 20), (y, 0, y + 20, 20)) for y in places) for x in places]
    assert means.index(max(means)) == 2


def test_a_question_that_was_asked_often_has_an_answer_of_its_own():
    train = [box(number, 0) for number in range(2 * ENOUGH)]
    train += [box(number, 70, question="the cup?") for number in range(100, 100 + ENOUGH)]
    train += [box(number, 40, question="the pan?") for number in range(200, 200 + ENOUGH - 1)]
    asked = [
        box(number, 0, question=text, split="test") for number, text in enumerate(("the cup?", "the pan?", "new?"))
    ]
    own, whole = train[2 * ENOUGH]["answer"], train[0]["answer"]
    assert guess(table(train), asked) == [own, whole, whole]


def test_thoughts_and_the_order_of_rows_change_nothing_in_an_interval():
    spans = [f"({start}, {start + 4})" for start in (0, 7, 8, 9) for _ in range(4)] + ["(40, 44)"] * 5
    told = [prompts.think_answer(f"thought {number}", span) for number, span in enumerate(spans)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guesser, "MOST", 6)  # values: there are more texts
        said = {typical(random.Random(seed).sample(told, len(told)), "span") for seed in range(5)}
    assert len(said) == 1 and "(8, 12)" in said.pop()
    equal = ["(0, 2)", "(10, 12)", "(20, 22)"]
    assert len({typical(each, "text") for each in itertools.permutations(equal)}) == 1


def test_the_place_of_an_option_is_worth_nothing():
    asked = [choice(number, "b", "a", "b", "c", split="test") for number in range(300)]
    said = Counter(guess(table([]), asked))
    assert min(said[option] for option in "abc") > 70


def test_the_format_of_a_model_is_not_held_against_answers_that_training_wrote(tmp_path):
    asked = [box(number, number, split="test") | {"reasoned": True} for number in range(8)]
    items = [items_of.Item("ground_spatial", name, "", each) for name in ("model", "grey", "guesser") for each in asked]
    said = {"grey": "no tags", "model": asked[0]["answer"], "guesser": asked[0]["answer"]}
    replies = {item.key: (Reply(said[item.condition]), 0.0) for item in items}
    how = {"settings": SETTINGS, "writes": lambda task: True, "identity": {}}
    found = results.write(tmp_path, items, replies, [], **how)["ground_spatial/format"]
    assert (found["strongest"], found["learned"], [*found["controls"]]) == (None, None, ["grey"])


def test_an_option_is_the_one_that_was_right_most_often():
    train = [choice(number, "red" if number % 4 else "blue", "blue", "red") for number in range(40)]
    asked = choice(50, "blue", "red", "blue", split="test")
    assert guess(table(train), [asked, asked | {"reasoned": True}]) == ["red", "<think></think><answer>red</answer>"]


@pytest.mark.parametrize(
    ("answers", "kind", "expected"),
    [
        (["cut", "wash", "wash"], "text", "wash"),
        ([prompts.think_answer("", span) for span in ("(0, 2)", "(3, 6)", "(4, 6)", "(4, 7)", "?")], "span", "(4, 6)"),
        (["no tags", prompts.think_answer("", "[0, 0, 9, 9]")], "box", "[0, 0, 9, 9]"),
        (["no tags"], "box", ""),
        ([], "text", ""),
    ],
)  # fmt: skip
def test_the_typical_answer(answers, kind, expected):
    assert expected in typical(answers, kind) and bool(typical(answers, kind)) == bool(expected)


def test_a_model_that_sees_nothing_ties_with_the_guesser_and_has_learned_nothing():
    train = [choice(number, "red" if number % 3 else "blue", "blue", "red") for number in range(60)]
    asked = [choice(number, "red" if number % 3 else "blue", "blue", "red", split="test") for number in range(48)]
    said = guess(table(train), asked)
    accuracies = {
        "model": score.choice(asked, said)["accuracy"],
        "guesser": score.choice(asked, said)["accuracy"],
        "grey": score.choice(asked, ["blue"] * 48)["accuracy"],
    }
    rows = [
        {"score_name": "accuracy", "condition": condition, "score": value}
        | {name: one[name] for name in ("take_id", "sample_id")}
        for condition, values in accuracies.items()
        for one, value in zip(asked, values, strict=True)
    ]
    found = estimates(rows, {"accuracy": 0.5}, SETTINGS)["accuracy"]
    assert found["strongest"] == "guesser" and found["controls"]["guesser"]["difference"] == 0
    assert found["value"] == found["controls"]["guesser"]["value"] == pytest.approx(2 / 3)
    # it is above chance and above grey frames, but a guesser does the same
    assert found["lo"] > 0.5 and found["controls"]["grey"]["lo"] > 0 and found["learned"] is False
    seeing = [row | {"score": 1.0} if row["condition"] == "model" else row for row in rows]
    assert estimates(seeing, {"accuracy": 0.5}, SETTINGS)["accuracy"]["learned"] is True
    assert estimates(seeing, {"accuracy": 1.0}, SETTINGS)["accuracy"]["learned"] is False
    alone = estimates([row for row in rows if row["condition"] == "model"], {}, SETTINGS)["accuracy"]
    assert (alone["strongest"], alone["learned"]) == (None, None) and "no control" in alone["reason"]

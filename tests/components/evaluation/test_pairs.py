"""Pairs of views are drawn, shown, left out and scored as a whole; killed and continued, the numbers are equal."""

import json

import numpy as np
import pyarrow as pa
import pytest

from components import params, records
from components.evaluation import measure
from components.evaluation.answer import Answerer
from components.evaluation.items import MODEL, Skipped, of_task, select, with_controls
from components.evaluation.journal import Journal
from components.evaluation.measure import Asked, evaluate
from components.evaluation.pairs import TASKS, references
from components.evaluation.replies import TOO_LONG, Reply
from components.records.view_pairs import pair_key
from tests.components.evaluation.test_measure import predictions, write_checkpoint

YES, NO = "yes", "no"
PAIR = {"ego", "exo", "consistent", "agreement", "excess"}


def sample(number: int, view: str, *, answer: str = YES, **changes) -> dict:
    media = [{"video_id": f"{view}-{number}", "view": view, "start_s": 1.0 * number, "end_s": 1.0 * number + 3}]
    target = {"kind": "choice", "choices": [YES, NO], "answer_index": [YES, NO].index(answer), "span": None}
    plain = {
        "sample_id": f"{view}-{number}", "take_id": f"take-{number % 4}", "task": "verify", "view": view,
        "question": f"does {number} happen?", "parents": [f"event-{number}"], "media": media, "target": target,
        "frame_kind": "clip", "question_type": "verification", "answer": answer, "reasoned": False,
    }  # fmt: skip
    return plain | changes


@pytest.fixture
def held_out() -> pa.Table:
    of_both = [sample(number, view, answer=(YES, NO)[number % 2]) for number in range(20) for view in ("ego", "exo")]
    alone = [sample(number, "ego") for number in range(20, 23)]
    return pa.Table.from_pylist([*of_both, *alone])


def drawn(held_out: pa.Table, *, limit: int = 9, seed: int = 0) -> tuple[list[dict], list[Skipped]]:
    return select(of_task(held_out, "con_verify"), "con_verify", limit=limit, seed=seed)


def test_whole_pairs_are_drawn_the_same_whatever_the_order_of_the_table(held_out):
    samples, skipped = drawn(held_out)
    assert [one["view"] for one in samples] == ["ego", "exo"] * 9
    assert all(pair_key(ego) == pair_key(exo) for ego, exo in zip(samples[::2], samples[1::2], strict=True))
    assert skipped == [Skipped("con_verify", "it is asked of one view alone", 3)]
    assert samples == drawn(held_out.take(np.random.default_rng(1).permutation(len(held_out))))[0]
    assert samples == drawn(held_out, limit=15)[0][:18] and samples != drawn(held_out, seed=1)[0]
    nothing = held_out.slice(0, 0)
    assert drawn(nothing) == ([], [Skipped("con_verify", "the data has no held-out pair of it", 0)])


def test_the_true_and_the_false_question_of_an_event_are_drawn_together():
    asked = [
        sample(n, view, answer=answer, question=f"{answer} {n}", sample_id=f"{view}-{answer}-{n}")
        for n in range(20)
        for view in ("ego", "exo")
        for answer in (YES, NO)
    ]
    samples, _ = drawn(pa.Table.from_pylist(asked), limit=14)
    assert [one["answer"] for one in samples].count(YES) == 14 and len({one["parents"][0] for one in samples}) == 7


def test_a_control_shows_both_views_of_one_other_pair(held_out):
    samples, _ = drawn(held_out)
    items, skipped = with_controls("con_verify", samples, {"other_frames": 5, "grey": 3, "guesser": 99}, seed=0)
    assert not skipped
    by = {
        name: [item for item in items if item.condition == name] for name in (MODEL, "other_frames", "grey", "guesser")
    }
    assert {name: len(of_one) for name, of_one in by.items()} == {
        MODEL: 18,
        "other_frames": 10,
        "grey": 6,
        "guesser": 18,
    }
    assert all(item.frames_of == item.sample["sample_id"] for item in by[MODEL])
    take_of = {one["sample_id"]: one["take_id"] for one in samples}
    for ego, exo in zip(by["other_frames"][::2], by["other_frames"][1::2], strict=True):
        assert ego.frames_of.replace("ego-", "exo-") == exo.frames_of, "two views of one pair"
        assert take_of[ego.frames_of] == take_of[exo.frames_of] != ego.sample["take_id"]
    assert [item.frames_of for item in by["grey"]] == ["grey/ego/clip", "grey/exo/clip"] * 3
    of_one_take = [one for one in samples if one["take_id"] == samples[0]["take_id"]]
    _, [left_out] = with_controls("con_verify", of_one_take, {"other_frames": 5}, seed=0)
    assert left_out.samples == len(of_one_take), "a pair without another is left out whole"


def test_answers_to_a_pair():
    samples = [
        sample(number, view, answer=answer) for number, answer in enumerate([YES, NO, YES]) for view in ("ego", "exo")
    ]
    tagged = "<think>C cuts</think><answer>yes</answer>"
    score, chance = TASKS["con_verify"]
    found = score(samples, [tagged, "yes", "yes", "no", "maybe", "maybe"])
    assert found == {
        "ego": [1, None, 0, None, 0, None], "exo": [None, 1, None, 1, None, 0],
        "consistent": [1, None, 0, None, 0, None], "agreement": [1, None, 0, None, 0, None],
        "excess": pytest.approx([2 / 9, None, -1 / 9, None, 2 / 9, None]), "said_yes": [1, 1, 1, 0, 0, 0],
    }  # fmt: skip
    # two of three are yes: a coin has .25 all the same
    assert references("con_verify", samples)["constant"]["consistent"] == pytest.approx(2 / 3)
    assert chance(samples) == {
        "ego": pytest.approx(2 / 3), "exo": pytest.approx(2 / 3), "consistent": pytest.approx(2 / 3), "agreement": 0.5,
        "excess": 0.0, "said_yes": 0.5,
    }  # fmt: skip
    reasoned = [one | {"reasoned": True} for one in samples[:2]]
    assert score(reasoned, [tagged, "yes"])["exo"] == [None, 0], "bare where a thought was asked for"
    assert score(reasoned, [tagged, "<think></think><answer>A</answer>"])["consistent"] == [1, None]


def test_intervals_of_a_pair():
    truth = {"kind": "span", "span": {"start_s": 2.0, "end_s": 6.0}}
    samples = [sample(number, view, target=truth) for number in range(3) for view in ("ego", "exo")]
    said = ["(2, 6)", "(2, 4)", "(7, 9)", "(7, 9)", "(2, 6)", "2 to 6"]
    found = TASKS["con_ground"][0](samples, [f"<think>C cuts</think><answer>{text}</answer>" for text in said])
    assert found == {
        "ego": [1, None, 0, None, 1, None], "exo": [None, 1, None, 0, None, 0],
        "consistent": [1, None, 0, None, 0, None], "agreement": [1, None, 1, None, 0, None],
        "excess": pytest.approx([2 / 9, None, 2 / 9, None, -1 / 9, None]),
        "mutual_tiou": [0.5, None, 1.0, None, 0.0, None], "format": [1, 1, 1, 1, 1, 0],
    }  # fmt: skip


def test_references_of_intervals_are_the_best_constant_and_a_draw_for_each_view():
    spans = [(0.0, 4.0), (0.0, 4.0), (0.0, 5.0), (8.0, 9.0)]
    samples = [
        sample(number, view, target={"kind": "span", "span": {"start_s": start_s, "end_s": end_s}})
        for number, (start_s, end_s) in enumerate(spans)
        for view in ("ego", "exo")
    ]
    found = references("con_ground", samples)
    assert found["constant"]["consistent"] == 0.75 and found["constant"]["mutual_tiou"] == 1.0
    right = [0.75, 0.75, 0.75, 0.25]
    assert found["coin"]["ego"] == pytest.approx(np.mean(right))
    assert found["coin"]["consistent"] == pytest.approx(np.mean(np.square(right)))
    assert found["coin"]["agreement"] == pytest.approx(10 / 16)
    assert TASKS["con_ground"][1](samples)["consistent"] == 0.75


LIMITS = {"con_verify": 4, "con_ground": 3}
CONTROLS = {"other_frames": 2, "grey": 1, "guesser": 4}


@pytest.fixture(scope="module")
def settings() -> params.Eval:
    promotion = params.Promotion(model_name="tiny", primary_metric="con_verify/consistent", guardrail_metrics={})
    sizes = {"max_batch_tokens": 600, "max_new_tokens": 32, "controls": CONTROLS}
    return params.Eval(seed=3, bootstrap_resamples=200, limits=LIMITS, promotion=promotion, **sizes)


def asked(*tasks: str) -> Asked:
    return Asked(tasks, rank_options=True, max_new_tokens=32, time_step_s=1.0)


def test_pairs_are_measured_and_a_killed_evaluation_ends_where_a_whole_one_does(
    model, processor, tiny_data, settings, tmp_path, monkeypatch
):
    whole = write_checkpoint(tmp_path / "whole", model, processor, tiny_data)
    found = evaluate(whole, tiny_data, settings, asked("con_verify"))
    assert set(found) == {f"con_verify/{name}" for name in (*PAIR, "said_yes")}
    entry = found["con_verify/consistent"]
    assert entry["n"] == 4 and found["con_verify/said_yes"]["n"] == 8
    assert entry["coin"] == 0.25 and entry["chance"] == entry["constant"] >= 0.5
    assert entry["strongest"] is not None and found["con_verify/agreement"]["strongest"] is None
    # centred over other pairs than the model's, a control has no score that could be subtracted
    assert entry["controls"] and found["con_verify/excess"]["controls"] == {}
    rows = predictions(whole)
    own = [row for row in rows if row["condition"] == MODEL and row["score"] is not None]
    by_name = {name: [row["score"] for row in own if row["score_name"] == name] for name in PAIR}
    for name, values in by_name.items():
        assert len(values) == 4 and found[f"con_verify/{name}"]["value"] == pytest.approx(np.mean(values)), name
    assert by_name["consistent"] == [ego * exo for ego, exo in zip(by_name["ego"], by_name["exo"], strict=True)]
    samples = records.read_table(tiny_data / "dataset" / "samples.parquet", records.SAMPLE).to_pylist()
    of_id = {one["sample_id"]: one for one in samples}
    views = [(row["view"], pair_key(of_id[row["sample_id"]])) for row in own if row["score_name"] == "said_yes"]
    assert [view for view, _ in views] == ["ego", "exo"] * 4 and len({key for _, key in views}) == 4

    killed = write_checkpoint(tmp_path / "killed", model, processor, tiny_data)
    write, written = Journal.write, []

    def dies_after_one(journal, items, replies, **seconds):
        if written:
            raise KeyboardInterrupt
        written.append(len(replies))
        write(journal, items, replies, **seconds)

    monkeypatch.setattr(measure, "ITEMS_AT_ONCE", 5)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Journal, "write", dies_after_one)
        evaluate(killed, tiny_data, settings, asked("con_verify"))
    assert written == [5] and not (killed / "evaluation" / "metrics.json").exists(), "a pair is torn"
    assert evaluate(killed, tiny_data, settings, asked("con_verify")) == found and predictions(killed) == rows


def test_a_pair_of_intervals_of_which_one_view_does_not_fit_is_left_out_whole(
    model, processor, tiny_data, settings, tmp_path, monkeypatch
):
    def too_long_once(answerer, samples, frames_of):
        exo = [one["sample_id"] for one in samples if one["view"] == "exo"]
        said = "<think>C cuts</think><answer>(1, 3)</answer>"
        return [TOO_LONG if one["sample_id"] == min(exo) else Reply(said, tokens=9) for one in samples]

    monkeypatch.setattr(Answerer, "complete", too_long_once)
    checkpoint = write_checkpoint(tmp_path / "one", model, processor, tiny_data)
    alone = settings.model_copy(update={"controls": {"guesser": 4}})
    found = evaluate(checkpoint, tiny_data, alone, asked("con_ground"))
    assert set(found) == {f"con_ground/{name}" for name in (*PAIR, "mutual_tiou", "format", "cut")}
    assert {found[f"con_ground/{name}"]["n"] for name in PAIR} == {2} and found["con_ground/cut"]["n"] == 4
    assert found["con_ground/mutual_tiou"]["value"] == found["con_ground/agreement"]["value"] == 1.0
    skipped = json.loads((checkpoint / "evaluation" / "skipped.json").read_text())
    assert [each["samples"] for each in skipped] == [2] and "context" in skipped[0]["reason"], "both views"

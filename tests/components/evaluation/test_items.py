"""Which samples a task asks, and whose frames stand in for theirs."""

import numpy as np
import pyarrow as pa
import pytest

from components.evaluation.items import MODEL, Skipped, of_task, other_takes, select, told_in_time, with_controls

CAPTION = "C washes the blue bowl with the left hand."


def sample(number: int, **changes) -> dict:
    plain = {
        "sample_id": f"s{number}", "take_id": f"take-{number % 3}", "task": "qa", "view": "ego", "frame_kind": "clip",
        "question_type": "object", "answer": "cup", "target": {"kind": "choice"}, "paired": ["m"] * (number % 2),
    }  # fmt: skip
    return {**plain, **changes}


@pytest.fixture
def held_out() -> pa.Table:
    made = [sample(number) for number in range(40)]
    made += [sample(number, question_type="cot") for number in range(40, 50)]
    views = ("ego", "exo")
    made += [sample(n, task="caption", view=views[n % 2], answer=CAPTION) for n in range(50, 70)]
    made += [sample(n, task="caption", view=views[n % 2], answer="O looks at C.") for n in range(70, 80)]
    made += [sample(n, task="ground_spatial", frame_kind="image") for n in range(80, 90)]
    made += [sample(n, target={"kind": "text"}) for n in range(90, 95)]
    verify = {"task": "verify", "question_type": "verification"}
    made += [sample(n, view=("ego", "exo")[n % 2], **verify) for n in range(100, 110)]
    made += [sample(n, view="ego", **verify | {"question_type": "verification_rationale"}) for n in range(110, 115)]
    return pa.Table.from_pylist(made)


def chosen(held_out: pa.Table, task: str, *, limit: int = 100, seed: int = 0) -> list[str]:
    return [one["sample_id"] for one in select(of_task(held_out, task), task, limit=limit, seed=seed)[0]]


@pytest.mark.parametrize(
    ("task", "numbers"),
    [
        ("qa", range(40)),  # a chain of thought is no option, and an open question has none
        ("reasoning", range(40, 50)),
        ("caption_ego", range(50, 80, 2)),
        ("caption_exo", range(51, 80, 2)),
        ("ground_spatial", range(80, 90)),
        ("ground_temporal", ()),
        ("verify_ego", range(100, 110, 2)),
        ("verify_exo", range(101, 110, 2)),
    ],
)
def test_a_task_has_the_samples_of_its_kind_and_view(held_out, task, numbers):
    assert set(chosen(held_out, task)) == {f"s{number}" for number in numbers}


def test_every_checkpoint_is_asked_the_same_whatever_the_order_of_the_table(held_out):
    first = chosen(held_out, "qa", limit=12)
    assert len(first) == len(set(first)) == 12
    assert first == chosen(held_out.take(np.random.default_rng(3).permutation(len(held_out))), "qa", limit=12)
    assert first != chosen(held_out, "qa", limit=12, seed=1)
    # a larger limit only adds
    assert first == chosen(held_out, "qa", limit=20)[:12]


def test_other_frames_are_of_another_take_and_the_same_kind():
    samples = [sample(number, frame_kind=("clip", "window")[number % 2]) for number in range(60)]
    by_id = {one["sample_id"]: one for one in samples}
    shown = other_takes(samples, seed=0)
    assert shown == other_takes(samples, seed=0) != other_takes(samples, seed=1)
    for own, other in zip(samples, (by_id[name] for name in shown), strict=True):
        assert own["take_id"] != other["take_id"] and own["frame_kind"] == other["frame_kind"]


def test_what_is_not_asked_is_counted_with_its_reason(held_out):
    _, skipped = select(of_task(held_out, "qa"), "qa", limit=100, seed=0)
    assert skipped == [Skipped("qa", "an open answer, right in many words", 5)]
    assert select(of_task(held_out, "ground_temporal"), "ground_temporal", limit=100, seed=0) == (
        [],
        [Skipped("ground_temporal", "the data has no held-out sample of it", 0)],
    )


def test_one_take_has_no_control_by_other_frames_and_says_so():
    items, skipped = with_controls("qa", [sample(0), sample(3)], {"other_frames": 5}, seed=0)
    assert [(item.condition, item.frames_of) for item in items] == [(MODEL, "s0"), (MODEL, "s3")]
    assert [(each.task, each.samples) for each in skipped] == [("qa", 2)] and "no other take" in skipped[0].reason


def test_every_sample_is_asked_with_its_own_frames_and_the_first_of_them_under_each_control(held_out):
    samples, _ = select(of_task(held_out, "qa"), "qa", limit=9, seed=0)
    items, skipped = with_controls("qa", samples, {"other_frames": 9, "grey": 4, "guesser": 20}, seed=0)
    assert not skipped and len({item.key for item in items}) == 9 + 9 + 4 + 9
    by = {name: [item for item in items if item.condition == name] for name in (MODEL, "other_frames", "grey")}
    assert {item.frames_of == item.sample["sample_id"] for item in by[MODEL]} == {True}
    assert {item.frames_of == item.sample["sample_id"] for item in by["other_frames"]} == {False}
    assert [item.sample for item in by["grey"]] == samples[:4]
    assert {item.frames_of for item in by["grey"]} == {"grey/ego/clip"}


def test_only_moments_in_both_views_are_paired(held_out):
    assert set(of_task(held_out, "qa", paired=True)["sample_id"].to_pylist()) == {
        *(f"s{number}" for number in range(1, 40, 2)),
        *(f"s{number}" for number in range(91, 95, 2)),
    }


def test_questions_that_the_frames_shown_cannot_answer_are_left_out_as_in_training():
    def asking(number: int, start_s: float, end_s: float) -> dict:
        media = [{"video_id": "v", "view": "ego", "start_s": 10.0, "end_s": 26.0}]
        target = {"kind": "span", "span": {"start_s": start_s, "end_s": end_s}}
        return sample(
            number, task="ground_temporal", question_type="temporal", frame_kind="window", media=media, target=target
        )

    table = pa.Table.from_pylist([asking(0, 2.0, 5.0), asking(1, 2.5, 13.0), asking(2, 6.0, 6.9)])
    shown = {"contract": {"clip_frames": 4, "window_frames": 32}, "time_step_s": 0.25}
    kept, skipped = told_in_time(table, "ground_temporal", most_frames=7, **shown)
    assert kept["sample_id"].to_pylist() == ["s1"]
    assert skipped == [Skipped("ground_temporal", "7 frames (`max_frames`) cannot tell when it happens", 2)]
    assert told_in_time(table.slice(0, 2), "ground_temporal", most_frames=None, **shown)[1] == []

"""Short-term samples of hand-made takes: what is asked of which clip, what is shown, and what is never asked."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data import sample_table as tables
from components.data.egore.rule_based import short_questions
from components.data.egore.rule_based.short_term import draw_types, short_term
from components.data.egore.rule_based.timeline import fitted
from components.prompts import split_think_answer
from components.prompts.kitchen_grammar import COLOURS, KINDS, Facts, narrate, parse_narration, similar_looks

TAKE_S = 40.0
CUP, BOWL, PAN = ("red", "cup"), ("blue", "bowl"), ("green", "pan")


def said(verb: str, look: tuple[str, str], hand: str | None = None) -> str:
    return narrate(Facts(verb, *look, hand))


def kitchen(*narrations: tuple[float, str], clip_s: float = 0.6, boxes=(), intervals=(), **changes) -> tuple:
    """One take of narrations (time, text), each with an ego clip and an exo one; boxes and intervals (time, name)."""
    shared = {"source": "egoexo4d", "take_id": "take", "split": "train"}
    told = [
        {**shared, "narration_id": f"n{i}", "annotator_id": "a", "time_s": t, "text": text}
        | {"ego_visible": True, "unsure": False} | changes.get(f"n{i}", {})
        for i, (t, text) in enumerate(narrations)
    ]  # fmt: skip
    clips = [
        {**shared, "clip_id": f"c{i}{view}", "moment_id": f"m{i}", "narration_id": f"n{i}", "video_id": view}
        | {"view": view, "start_s": max(0, t - clip_s / 2), "end_s": t + clip_s / 2, "text": text}
        for i, (t, text) in enumerate(narrations)
        for view in ("ego", "exo")
    ]
    columns = ["take_id", "video_id", "text", "name", "start_s", "time_s", "frame"]
    annotations = {
        "narrations": pd.DataFrame(told),
        "videos": pd.DataFrame([{"video_id": view, "duration_s": TAKE_S} for view in ("ego", "exo")]),
        "boxes": pd.DataFrame(
            [
                {"take_id": "take", "video_id": "ego", "name": name, "time_s": t, "frame": int(t * 8)}
                for t, name in boxes
            ],
            columns=columns,
        ),
        "intervals": pd.DataFrame(
            [{"take_id": "take", "text": text, "start_s": t} for t, text in intervals], columns=columns
        ),
    }
    return pd.DataFrame(clips), annotations


def made(*arguments, seeds=range(1), per_clip=7, cot_fraction=0.0, **how) -> list[dict]:
    """The samples of all seeds; the tables must take them."""
    clips, annotations = kitchen(*arguments, **how)
    rows = []
    for seed in seeds:
        drawn_with = {"per_clip": per_clip, "cot_fraction": cot_fraction, "choices": 4, "seed": seed}
        frame, _, ledger = short_term(clips, annotations, **drawn_with)
        assert all(came == went + dropped for _, came, went, dropped in ledger)
        rows += tables.table(frame).to_pylist()
    return rows


def of_type(rows: list[dict], kind: str) -> list[dict]:
    return [row for row in rows if row["question_type"] == kind]


def test_a_clip_gets_one_question_of_each_type_that_it_allows():
    rows = made((10, said("cuts", CUP, "left")))
    assert Counter(row["question_type"] for row in rows) == dict.fromkeys(
        ("existence", "attribute", "interaction", "action"), 1
    )
    assert {row["parents"][0] for row in rows} == {"c0ego"}
    assert {(row["frame_kind"], row["view"], row["task"]) for row in rows} == {("clip", "ego", "qa")}
    asked = {row["question"]: row["answer"] for row in rows}
    assert asked["what colour is the cup that C cuts?"] == "red"
    assert asked["what does C do with the red cup?"] == "cuts"


def test_interaction_asks_for_the_hand_or_for_the_kind():
    rows = of_type(made((10, said("cuts", CUP, "left")), seeds=range(40)), "interaction")
    asked = Counter((row["question"], row["answer"]) for row in rows)
    assert set(asked) == {
        ("which hand does C use for the red cup?", "left"),
        ("which kind of object is it that C cuts?", "cup"),
    }
    assert min(asked.values()) > 10
    handless = of_type(made((10, said("cuts", CUP)), seeds=range(20)), "interaction")
    assert {row["answer"] for row in handless} == {"cup"}


def test_existence_is_as_often_no_and_names_what_the_take_never_names():
    others = {"boxes": [(1, "white cup")], "intervals": [(30, said("cuts", ("green", "cup")))]}
    rows = made((10, said("cuts", CUP)), (30, "C looks at the blue cup"), seeds=range(200), **others)
    rows = of_type(rows, "existence")
    assert 80 < sum(row["answer"] == "yes" for row in rows) < 120
    named = Counter(row["question"].removeprefix("is there a ").removesuffix("?") for row in rows)
    assert named.pop("red cup") == sum(row["answer"] == "yes" for row in rows)
    like = {" ".join(look) for look in similar_looks(*CUP)} - {"white cup", "green cup", "blue cup"}
    assert set(named) == like
    assert {tuple(sorted(row["target"]["choices"])) for row in rows} == {("no", "yes")}


def test_a_clip_that_shows_two_answers_is_not_asked_for_one():
    near = [(10.0, said("cuts", CUP)), (10.2, said("cuts", ("blue", "cup"))), (10.3, said("washes", CUP))]
    rows = [row for row in made(*near) if row["parents"] == ["c0ego"]]
    assert {row["question_type"] for row in rows} == {"existence", "interaction", "reason"}
    assert of_type(rows, "interaction")[0]["question"] == "which kind of object is it that C cuts?"


def test_count_shows_a_window_over_the_events_and_counts_objects():
    told = [
        (10, said("cuts", CUP)),
        (10.3, said("cuts", CUP, "left")),
        (13, said("cuts", BOWL)),
        (16, said("cuts", PAN)),
    ]
    seen = {}
    for row in of_type(made(*told, seeds=range(60)), "count"):
        span = row["media"][0]
        inside = {parse_narration(text).object for t, text in told if span["start_s"] <= t <= span["end_s"]}
        assert int(row["answer"]) == len(inside)
        assert (row["frame_kind"], row["question"]) == ("window", "how many different objects does C handle?")
        assert set(row["target"]["choices"]) == {"1", "2", "3", "4"}
        seen[row["parents"][0], row["answer"]] = (span["start_s"], span["end_s"])
    # the first clip is widened to 9.5, the last one to 16.5
    assert seen["c0ego", "3"] == pytest.approx((9.5, 16.5))
    assert seen["c0ego", "1"] == pytest.approx((9.5, 10.8))
    assert {answer for _, answer in seen} == {"1", "2", "3"}


@pytest.mark.parametrize(
    "change",
    [{"unsure": True}, {"ego_visible": False}, {"text": "C looks around"}],
    ids=["unsure", "unseen", "unparsed"],
)
def test_a_window_with_a_narration_that_is_not_known_is_not_asked(change):
    told = [(10, said("cuts", CUP)), (12, said("cuts", BOWL)), (14, said("washes", CUP))]
    known = made(*told, seeds=range(40))
    assert of_type(known, "count") and of_type(known, "reason")
    rows = made(*told, seeds=range(40), n1=change)
    assert not of_type(rows, "count") and not of_type(rows, "reason")


def test_reason_is_the_next_other_action_on_the_object():
    told = [
        (10, said("picks up", CUP)),
        (10.3, said("picks up", CUP)),
        (12, said("cuts", BOWL)),
        (14, said("pours", CUP)),
    ]
    rows = of_type(made(*told), "reason")
    assert {(row["parents"][0], row["question"], row["answer"]) for row in rows} == {
        ("c0ego", "C picks up the red cup. to do what with it?", "pours"),
        ("c1ego", "C picks up the red cup. to do what with it?", "pours"),
    }
    span = rows[0]["media"][0]
    assert (span["start_s"], span["end_s"]) == pytest.approx((9.5, 14.5))
    assert all(row["frame_kind"] == "window" and "picks up" not in row["target"]["choices"] for row in rows)


def test_reason_does_not_look_further_than_ten_seconds():
    assert not of_type(made((10, said("picks up", CUP)), (19.4, said("pours", CUP))), "reason")
    assert of_type(made((10, said("picks up", CUP)), (18.9, said("pours", CUP))), "reason")


def test_background_is_in_a_box_and_nobody_touches_it():
    clip = (10, said("cuts", CUP))

    def asked(*more, **how) -> set:
        rows = of_type(made(clip, *more, **how), "background")
        return {(row["question"], row["answer"]) for row in rows if row["parents"] == ["c0ego"]}

    bowl = ("what colour is the bowl that C does not touch?", "blue")
    assert asked(boxes=[(10, "blue bowl"), (10, "red cup"), (10, "left hand")]) == {bowl}
    assert asked(boxes=[(10.7, "blue bowl")]) == {bowl}
    assert asked(boxes=[(10.8, "blue bowl")]) == set()
    assert asked(boxes=[(10, "blue bowl"), (10, "red bowl")]) == set()
    assert asked((20, said("cuts", BOWL)), boxes=[(10, "blue bowl")]) == {bowl}
    assert asked((12, said("cuts", BOWL)), boxes=[(10, "blue bowl")]) == set()
    assert asked((2, said("picks up", BOWL)), boxes=[(10, "blue bowl")]) == set()
    assert asked(boxes=[(10, "blue bowl")], intervals=[(11, said("cuts", BOWL))]) == set()


def test_lengths_are_from_one_to_ten_seconds():
    clips, annotations = kitchen((0.1, said("cuts", CUP)), (39.9, said("cuts", BOWL)), (20, said("cuts", PAN)))
    clips.loc[clips["clip_id"] == "c2ego", ["start_s", "end_s"]] = (10.0, 20.5)
    frame, rejected, ledger = short_term(clips, annotations, per_clip=2, cot_fraction=0.0, choices=4, seed=0)
    assert rejected[["row_id", "reason"]].to_numpy().tolist() == [["c2ego", "clip_over_ten_seconds"]]
    assert ledger[0] == ("ego clips", 3, 2, 1)
    spans = {(row["start_s"], row["end_s"]) for row in frame[frame["frame_kind"] == "clip"].to_dict("records")}
    assert spans == {(0.0, 1.0), (39.0, 40.0)}


@given(st.floats(0, 12), st.floats(0, 12), st.floats(0.1, 12))
def test_a_fitted_clip_is_askable_and_holds_its_middle(one_s, other_s, duration_s):
    start_s, end_s = sorted([min(one_s, duration_s), min(other_s, duration_s)])
    clips = pd.DataFrame({"clip_id": ["c"], "video_id": ["v"], "text": [""], "start_s": [start_s], "end_s": [end_s]})
    kept, rejected = fitted(clips, pd.DataFrame({"video_id": ["v"], "duration_s": [duration_s]}))
    assert len(kept) + len(rejected) == 1
    for span in kept.itertuples():
        assert 0 <= span.start_s and span.end_s <= duration_s + 1e-9
        assert 1 - 1e-9 <= span.end_s - span.start_s <= 10
        assert span.start_s - 1e-9 <= (start_s + end_s) / 2 <= span.end_s + 1e-9
        assert end_s - start_s < 1 or (span.start_s, span.end_s) == (start_s, end_s)
    if not len(kept):
        assert end_s - start_s > 10 or duration_s < 1


def test_text_that_does_not_parse_is_rejected():
    clips, annotations = kitchen((10, "C looks around"), (20, said("cuts", CUP)))
    _, rejected, ledger = short_term(clips, annotations, per_clip=2, cot_fraction=0.0, choices=4, seed=0)
    assert rejected.to_numpy().tolist() == [["c0ego", "text_unparsed", "C looks around"]]
    assert ledger[0] == ("ego clips", 2, 1, 1)


def test_a_clip_without_a_narration_row_stands_for_itself():
    clips, annotations = kitchen((10, said("picks up", CUP)), (14, said("pours", CUP)))
    annotations["narrations"] = annotations["narrations"].iloc[:0]
    rows = tables.table(short_term(clips, annotations, per_clip=7, cot_fraction=0, choices=4, seed=0)[0]).to_pylist()
    assert [row["answer"] for row in of_type(rows, "reason")] == ["pours"]


def test_thoughts_stand_on_two_steps():
    told = [(10, said("picks up", CUP)), (10.1, said("picks up", CUP, "left")), (14, said("pours", CUP))]
    rows = made(*told, seeds=range(10), cot_fraction=1.0)
    thoughts = of_type(rows, "cot")
    assert {row["parents"][0] for row in thoughts if row["frame_kind"] == "clip"} == {"c0ego", "c1ego"}
    for row in thoughts:
        thought, answer = split_think_answer(row["answer"])
        assert answer == row["target"]["choices"][row["target"]["answer_index"]]
        assert row["question"].endswith("? reason in think, then answer.")
        assert not row["question"].startswith(("is there", "how many")) or row["frame_kind"] == "window"
    reasons = {split_think_answer(row["answer"])[0] for row in thoughts if "to do what" in row["question"]}
    assert reasons == {"C picks up the red cup. then C pours the red cup"}


def test_the_share_of_thoughts_is_of_the_questions_judged():
    clips, annotations = kitchen(*((t, said("cuts", CUP)) for t in np.arange(1, 39, 0.05)))
    how = {"per_clip": 2, "choices": 4, "seed": 0}
    _, _, ledger = short_term(clips, annotations, cot_fraction=0.2, **how)
    name, judged, chained, unfit = ledger[1]
    assert name == "chains of thought" and judged == chained + unfit
    assert 0.15 < judged / (2 * ledger[0][2]) < 0.25 and chained > 0 and unfit > 0


def test_rows_in_any_order_give_the_same_samples():
    told = [(t, said(verb, look)) for t, verb, look in zip(
        range(2, 30, 2), ["picks up", "pours", "cuts", "washes", "puts down", "stirs", "opens"] * 2,
        [CUP, CUP, BOWL, PAN] * 4, strict=False)]  # fmt: skip
    clips, annotations = kitchen(*told, boxes=[(t, "white box") for t in range(2, 30)])
    how = {"per_clip": 3, "cot_fraction": 0.5, "choices": 4, "seed": 3}
    turned = {name: table[::-1].reset_index(drop=True) for name, table in annotations.items()}
    one, other = short_term(clips, annotations, **how)[0], short_term(clips[::-1], turned, **how)[0]
    rows = [sorted(tables.table(frame).to_pylist(), key=lambda row: row["sample_id"]) for frame in (one, other)]
    assert rows[0] == rows[1]


def test_a_type_that_is_readier_comes_first_more_often():
    rng = np.random.default_rng(0)
    can = np.ones((20_000, len(short_questions.TYPES)), dtype=bool)
    can[:10_000, short_questions.TYPES.index("reason")] = False
    chosen = draw_types(can, 1, 1 - rng.random(can.shape))
    assert (chosen.sum(axis=1) == 1).all() and not (chosen & ~can).any()
    shares = dict(zip(short_questions.TYPES, chosen[10_000:].mean(axis=0), strict=True))
    assert shares["reason"] == pytest.approx(8 / 24, abs=0.02)
    assert shares["action"] == pytest.approx(1 / 24, abs=0.01)


def test_every_type_has_a_fair_share_of_the_tiny_world(tiny_data):
    from components import records

    rows = records.read_table(tiny_data / "egore/samples.parquet", records.SAMPLE).to_pylist()
    shares = Counter(row["question_type"] for row in rows if row["question_type"] in short_questions.TYPES)
    assert set(shares) == set(short_questions.TYPES)
    assert max(shares.values()) < 0.35 * shares.total()
    assert {row["answer"] for row in rows if row["question_type"] in ("attribute", "background")} <= set(COLOURS)
    assert {row["answer"] for row in rows if row["question_type"] == "interaction"} <= {*KINDS, "left", "right"}

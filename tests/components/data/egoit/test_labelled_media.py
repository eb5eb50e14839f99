"""Actions and questions of sources that are no takes: what is asked, what is offered, and what is left out."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data import sample_table
from components.data.egoit import labelled_media
from components.data.egoit import step as egoit

WRITTEN = {"ssv2": ("which action?", "name it."), "egotimeqa": ("answer.",)}
LABELS = ("Cuts a carrot", "washes a bowl", "opens a box", "stirs a pan", "TV is watched")


def captions(labels, source="ssv2") -> pd.DataFrame:
    """Captions as `placed` gives them."""
    ids = [f"c{number}" for number in range(len(labels))]
    frame = pd.DataFrame({"caption_id": ids, "parent": ids, "text": labels, "video_id": ids, "take_id": ids})
    return frame.assign(source=source, view="ego", start_s=0.0, end_s=2.0, frame_kind="clip", split="train")


def questions(*rows: tuple) -> pd.DataFrame:
    """Questions as `placed` gives them: answer, wrong answers, other right answers."""
    frame = pd.DataFrame(rows, columns=["answer", "wrong_answers", "other_answers"])
    ids = [f"q{number}" for number in range(len(rows))]
    frame = frame.assign(parent=ids, video_id=ids, take_id=ids, source="egotimeqa", question="where is it?")
    return frame.assign(view="ego", start_s=0.0, end_s=2.0, frame_kind="clip", split="train")


def recognised(frame: pd.DataFrame, *, open_share: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask about all the records there are."""
    labels = labelled_media.joined([labelled_media.labelled(frame, WRITTEN)])
    return labelled_media.recognised(frame, WRITTEN, labels, open_share=open_share, seed=3)


def test_an_open_action_is_a_text_and_a_closed_one_a_choice_among_other_labels():
    made, rejected = recognised(captions(LABELS * 40), open_share=0.5)
    rows = sample_table.table(made).to_pylist()
    assert rejected.empty and len(rows) == 200
    assert 70 < sum(row["target"]["kind"] == "text" for row in rows) < 130
    said = {label[:1].lower() + label[1:] for label in LABELS[:4]} | {"TV is watched"}
    for row in rows:
        assert row["question"] in WRITTEN["ssv2"] and row["task"] == "qa"
        target = row["target"]
        if target["kind"] == "text":
            assert (row["question_type"], target["text"], target["choices"]) == ("action_open", row["answer"], None)
        else:
            assert row["question_type"] == "action" and target["choices"][target["answer_index"]] == row["answer"]
            assert len(set(target["choices"])) == 4 and set(target["choices"]) <= said


@pytest.mark.parametrize(("open_share", "kinds"), [(0.0, {"choice"}), (1.0, {"text"})])
def test_the_open_share_reaches_from_none_to_all(open_share, kinds):
    made, _ = recognised(captions(LABELS * 5), open_share=open_share)
    assert set(made["kind"]) == kinds


def test_a_frequent_label_is_hardly_a_better_guess():
    """Drawn from the list of labels, the frequent ones would be right in 45 % of the questions that offer them."""
    labels = [f"label {number}" for number in range(20) for _ in range(40 if number < 4 else 10)]
    made, _ = recognised(captions(labels), open_share=0.0)
    offered = Counter(text for row in made.itertuples() for text in row.choices)
    right = sum(made["answer"].isin([f"label {number}" for number in range(4)]))
    assert right / sum(offered[f"label {number}"] for number in range(4)) < 0.34


def test_labels_are_those_of_all_parts_in_one_order():
    frame = captions(LABELS * 8)
    whole = labelled_media.joined([labelled_media.labelled(frame, WRITTEN)])
    parts = [labelled_media.labelled(frame[number::3], WRITTEN) for number in (2, 0, 1)]
    assert labelled_media.joined(parts) == whole and len(whole["ssv2"]) == 40
    closed, _ = recognised(frame, open_share=0.0)
    of_part, _ = labelled_media.recognised(frame[2::3], WRITTEN, whole, open_share=0.0, seed=3)
    assert of_part["choices"].tolist() == closed["choices"].iloc[2::3].tolist()


def test_a_source_with_one_label_is_asked_openly():
    made, _ = recognised(captions(["cuts", "Cuts"]), open_share=0.0)
    assert made["kind"].tolist() == ["text", "text"]


def test_what_is_drawn_hangs_on_the_content_alone():
    frame = captions(LABELS * 8)
    one, _ = recognised(frame, open_share=0.5)
    other, _ = recognised(frame[::-1].reset_index(drop=True), open_share=0.5)
    columns = ["parent", "question", "kind", "choices", "answer_index"]
    assert one[columns].to_dict("records") == other[columns].iloc[::-1].to_dict("records")


def test_an_action_of_a_source_without_instructions_is_a_reject():
    made, rejected = recognised(captions(LABELS, source="egtea"), open_share=0.5)
    assert made.empty and rejected["reason"].tolist() == ["no_instructions"] * 5
    assert len(sample_table.table(made)) == 0


def test_questions_are_closed_where_wrong_answers_are_known():
    made, rejected = labelled_media.answered(
        questions(("red", ["blue", "green"], []), ("red", [], [])), WRITTEN, seed=3
    )
    closed, open_ = sample_table.table(made).to_pylist()
    assert rejected.empty and closed["question"] == open_["question"] == "answer. where is it?"
    assert closed["question_type"] == "question" and set(closed["target"]["choices"]) == {"red", "blue", "green"}
    assert open_["question_type"] == "question_open" and open_["target"]["text"] == "red"


words = st.text("abcABC", min_size=1, max_size=2)


@settings(deadline=None, max_examples=60)
@given(answer=words, wrong=st.lists(words, max_size=5), others=st.lists(words, max_size=3))
def test_no_right_answer_is_ever_a_wrong_option(answer, wrong, others):
    made, _ = labelled_media.answered(questions((answer, wrong, others)), WRITTEN, seed=3)
    (row,) = sample_table.table(made).to_pylist()
    right = {text.casefold() for text in (answer, *others)}
    if row["target"]["kind"] == "text":
        assert all(text.casefold() in right for text in wrong)
    else:
        offered, index = row["target"]["choices"], row["target"]["answer_index"]
        assert offered[index] == answer and len(set(offered)) == len(offered) <= 4
        assert not {text.casefold() for place, text in enumerate(offered) if place != index} & right


def test_spans_are_placed_in_their_videos():
    nan = np.nan
    frame = pd.DataFrame(
        [("a", nan, nan), ("a", 2.0, 5.0), ("a", 2.0, 30.05), ("a", 2.0, 33.0), ("a", 40.0, 41.0), ("b", nan, nan)],
        columns=["path", "start_s", "end_s"],
    ).assign(question_id=list("uvwxyz"), source="egotimeqa", media="video", question="What is cut?")
    videos = pd.DataFrame([{"source": "egotimeqa", "take_name": "a", "video_id": "v", "take_id": "t", "view": "ego"}])
    found, rejected = labelled_media.placed(frame, videos.assign(duration_s=30.0, fps=8.0), key="question_id")
    assert found[["parent", "start_s", "end_s", "frame_kind"]].values.tolist() == [
        ["u", 0.0, 30.0, "window"],
        ["v", 2.0, 5.0, "clip"],
        ["w", 2.0, 30.0, "window"],  # not a frame too long
    ]
    assert rejected[["row_id", "reason", "detail"]].values.tolist() == [
        ["x", "outside_video", "a, 2 to 33 s of 30 s: What is cut?"],
        ["y", "outside_video", "a, 40 to 41 s of 30 s: What is cut?"],
        ["z", "no_video", "b: What is cut?"],
    ]


def test_a_rate_keeps_its_share_of_a_source_and_no_other_s():
    frame = pd.concat([captions(LABELS * 60), captions(LABELS * 60, source="egtea")], ignore_index=True)
    frame["parent"] = frame["parent"] + frame["source"]
    kept, rejected = egoit.thinned(frame, key="parent", rates={"ssv2": 0.3}, seed=3)
    assert len(kept) + len(rejected) == 600 and set(rejected["reason"]) == {"mixture_rate"}
    share = Counter(kept["source"])
    assert share["egtea"] == 300 and 60 < share["ssv2"] < 120
    fewer, _ = egoit.thinned(frame, key="parent", rates={"ssv2": 0.1}, seed=3)
    assert set(fewer["parent"]) < set(kept["parent"])


@pytest.mark.parametrize("rates", [{"ssv2": 1.5}, {"webvid": 0.5}])
def test_a_wrong_rate_is_refused(rates):
    with pytest.raises(ValueError, match=r"egoit.rates: .*allowed are shares from 0 to 1 of \['egoexo4d'.*params/data"):
        egoit.check_rates(rates)

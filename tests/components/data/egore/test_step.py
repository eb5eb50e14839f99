"""The EgoRe tables: what is drawn, what is rejected and why."""

from collections import Counter

import pytest

from components import prompts
from components.data.clips import step as clips
from components.data.egore import step as build
from components.data.egore.rule_based import long_questions, short_questions
from components.prompts import kitchen_grammar, rationales
from tests.components.data.conftest import changed, read, write_annotations


@pytest.fixture
def samples(built) -> list[dict]:
    return read(built, "egore/samples")


def remade(tmp_path, rows, data_params) -> tuple[list[dict], Counter]:
    data_dir = write_annotations(tmp_path, rows)
    clips.run(data_params, data_dir)
    build.run(data_params, data_dir)
    return read(data_dir, "egore/samples"), Counter(row["reason"] for row in read(data_dir, "egore/rejects"))


def test_each_ego_clip_gets_its_short_questions(built, samples, data_params):
    ego = {row["clip_id"]: row for row in read(built, "clips/clips") if row["view"] == "ego"}
    asked = Counter(row["parents"][0] for row in samples if row["question_type"] in short_questions.TYPES)
    assert asked == dict.fromkeys(ego, data_params.egore.short_per_clip)
    assert {row["view"] for row in samples if row["question_type"] in short_questions.TYPES} == {"ego"}


def test_all_question_types_come_about(samples):
    assert {row["question_type"] for row in samples} == {
        *("existence", "attribute", "count", "interaction", "action", "cot", *long_questions.TYPES),
        *("spatial_object", "spatial_hand", "temporal", "verification", *rationales.TYPES.values()),
    }


def test_thoughts_end_in_the_option_and_ask_for_reasoning(samples):
    thoughts = [row for row in samples if row["question_type"] == "cot"]
    assert 2 < len(thoughts) < 20  # a tenth of 180 questions, of which some deserve one
    for row in thoughts:
        _, answer = prompts.split_think_answer(row["answer"])
        assert answer == row["target"]["choices"][row["target"]["answer_index"]]
        assert row["question"].endswith("reason in think, then answer.")


def test_choices_differ_and_the_answer_is_at_its_index(samples, data_params):
    for row in (row for row in samples if row["task"] == "qa" and row["question_type"] != "cot"):
        choices = row["target"]["choices"]
        assert choices[row["target"]["answer_index"]] == row["answer"]
        assert len(set(choices)) == len(choices)
        few = row["question_type"] in ("sequence", "prediction", "reasoning")  # a window may hold too few events
        two = set(choices) <= {"left", "right", "yes", "no"}
        assert len(choices) in (range(2, 5) if few else [2 if two else data_params.egore.choices])


def test_long_questions_stand_on_the_whole_take_or_on_its_beginning(samples, data_params):
    windows = [row for row in samples if row["question_type"] in long_questions.TYPES]
    assert max(Counter(row["take_id"] for row in windows).values()) == data_params.egore.long_per_window
    assert {row["media"][0]["start_s"] for row in windows} == {0.0}
    for row in windows:
        whole = row["question_type"] not in ("prediction", "counting")
        end_s = row["media"][0]["end_s"]
        assert end_s == 16.0 if whole else data_params.egore.long_min_s <= end_s <= 16.0


def test_boxes_answer_on_the_grid_and_keep_the_truth(samples):
    for row in (row for row in samples if row["task"] == "ground_spatial"):
        _, answer = prompts.split_think_answer(row["answer"])
        read_back, truth = prompts.parse_box(answer), row["target"]["box_xyxy"]
        assert all(value % 4 == 0 for value in read_back)
        assert all(abs(a - b) <= 2 for a, b in zip(read_back, truth, strict=True))
        assert row["media"][0]["end_s"] - row["media"][0]["start_s"] == pytest.approx(1 / 8)


def test_spans_are_in_seconds_of_the_window(samples):
    for row in (row for row in samples if row["task"] == "ground_temporal"):
        _, answer = prompts.split_think_answer(row["answer"])
        truth = (row["target"]["span"]["start_s"], row["target"]["span"]["end_s"])
        assert prompts.parse_span(answer) == truth
        assert row["frame_kind"] == "window"


def test_an_object_named_twice_in_a_frame_is_not_asked_for(tmp_path, rows, data_params):
    first, second = rows["boxes"][0], rows["boxes"][1]
    second["name"] = first["name"]
    samples, rejects = remade(tmp_path, rows, data_params)
    assert rejects["name_repeats_in_frame"] == 2
    assert not {first["box_id"], second["box_id"]} & {row["parents"][0] for row in samples}


def test_small_boxes_are_rejected(tmp_path, rows, data_params):
    rows["boxes"][0]["box_xyxy"] = [10.0, 10.0, 50.0, 17.9]
    rows["boxes"][2]["box_xyxy"] = [10.0, 10.0, 50.0, 18.0]
    assert remade(tmp_path, rows, data_params)[1] == {"box_too_small": 1}


def test_a_box_that_vanishes_on_the_grid_is_rejected(tmp_path, rows, data_params):
    rows["boxes"][0]["box_xyxy"] = [11.0, 10.0, 12.0, 50.0]
    fine = changed(data_params, "egore", box_min_percent=0.0)
    assert remade(tmp_path, rows, fine)[1] == {"box_empty_on_grid": 1}


def test_an_event_that_comes_twice_is_asked_for_in_windows_that_hold_it_once(tmp_path, rows, data_params):
    first, second = rows["intervals"][0], rows["intervals"][3]
    second["text"] = first["text"]
    samples, rejects = remade(tmp_path, rows, data_params)
    assert rejects["event_repeats"] == 0
    asked = [row for row in samples if row["task"] == "ground_temporal" and row["parents"] == [first["interval_id"]]]
    assert {row["view"] for row in asked} == {"ego", "exo"}
    assert all(row["media"][0]["end_s"] <= second["start_s"] for row in asked)
    shown = [
        row["media"][0] for row in samples if row["task"] == "verify" and row["parents"] == [second["interval_id"]]
    ]
    assert {(span["start_s"], span["end_s"]) for span in shown} == {(second["start_s"], second["end_s"])}


def test_an_event_that_overlaps_itself_is_not_asked_for(tmp_path, rows, data_params):
    first, second = rows["intervals"][0], rows["intervals"][1]
    second |= {"text": first["text"], "start_s": first["start_s"] + 1.0, "end_s": first["end_s"] + 1.0}
    samples, rejects = remade(tmp_path, rows, data_params)
    assert rejects["event_repeats"] == 2
    said = kitchen_grammar.parse_narration(first["text"])
    assert not [row for row in samples if row["take_id"] == "take-0" and f"this: {said.event}?" in row["question"]]


def test_one_event_of_unknown_meaning_spoils_the_long_questions_of_its_take(tmp_path, rows, data_params):
    rows["intervals"][2]["text"] = "C does something"
    samples, rejects = remade(tmp_path, rows, data_params)
    assert rejects == {"text_unparsed": 1, "window_has_unparsed_event": 1}
    assert "take-0" not in {row["take_id"] for row in samples if row["question_type"] in long_questions.TYPES}


def test_a_rejected_interval_spoils_the_long_questions_of_its_take(tmp_path, rows, data_params):
    lost = {"step": "annotations/egoexolearn", "row_id": "take-2/x1", "reason": "end_before_start", "detail": ""}
    other = {"step": "annotations/egoexo4d", "row_id": "take-4/cam03/0", "reason": "null_path", "detail": ""}
    samples, rejects = remade(tmp_path, rows | {"rejects": [lost, other]}, data_params)
    assert rejects == {"take_has_rejected_event": 1}
    takes = {row["take_id"] for row in samples if row["question_type"] in long_questions.TYPES}
    assert "take-2" not in takes and "take-4" in takes


def test_unparsed_narrations_are_rejected_in_ego_only(tmp_path, rows, data_params):
    rows["narrations"][0]["text"] = "C looks around"
    assert remade(tmp_path, rows, data_params)[1] == {"text_unparsed": 1}


def test_same_bytes_twice(built, data_params):
    before = (built / "egore/samples.parquet").read_bytes()
    build.run(data_params, built)
    assert (built / "egore/samples.parquet").read_bytes() == before


def test_the_seed_moves_the_draw(built, data_params, samples):
    build.run(data_params.model_copy(update={"seed": 8}), built)
    assert {row["sample_id"] for row in read(built, "egore/samples")} != {row["sample_id"] for row in samples}

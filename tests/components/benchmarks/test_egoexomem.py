"""EgoExoMem: options are shuffled by the id of the question, and the order of the file is shown as what it leaks."""

import json

import pytest

from components.benchmarks import egoexomem
from components.benchmarks.runner.metrics import choice_references
from tests.components.benchmarks import released


def question(number: int, **others: object) -> dict:
    return {
        "qa_id": f"take_Q1_{number}", "qa_type": "Q1", "take_name": "take", "required_view": "exo",
        "question": "where?", "options": ["here", "there", "nowhere", "outside"], "correct_answer": 0,
        "verification": {"keyframes": []},
    } | others  # fmt: skip


def test_both_views_of_the_take_are_shown_and_a_take_without_a_camera_is_a_reject(tmp_path):
    frames = {"keyframes": ["keyframes/x/ego_aria01_214-1_000065.jpg", "keyframes/x/exo_cam01_000065.jpg"]}
    rows = [question(0), question(1, verification=frames), question(2, take_name="other")]
    (tmp_path / "qa_merged_v6.json").write_text(json.dumps(rows))
    found = egoexomem.load(tmp_path)
    assert [sample.sample_id for sample in found.samples] == ["take_Q1_0", "take_Q1_1"]
    assert found.reasons == {"no_camera": 1}
    ego, exo = found.samples[0].media
    assert (ego.view, ego.path) == ("ego", "takes/take/frame_aligned_videos/aria01_214-1.mp4")
    assert (exo.view, exo.path) == ("exo", "takes/take/frame_aligned_videos/cam01.mp4")


def test_what_the_order_of_the_file_gives_away_is_gone_and_shown_beside(tmp_path):
    rows = {f"29l_21_4_2_Q4_{number:03}": question(number) for number in range(200)}
    (tmp_path / "qa_verified.json").write_text(json.dumps(rows | {"no id": question(0)}))
    found = egoexomem.load_lemma(tmp_path)
    assert found.reasons == {"malformed_row": 1} and found.samples[0].subsets == ("Q4",)
    references = choice_references(found.samples)
    in_file = references["constant_in_file"]
    assert (sum(in_file.scores["accuracy"]) / 200, in_file.label) == (1.0, "unshuffled, always A")
    assert sum(references["constant"].scores["accuracy"]) / 200 < 0.35


def test_the_released_questions_about_egoexo4d():
    row = released.row("egoexomem")
    assert (row["rows"], row["samples"], row["videos"]) == (764, 764, 125)
    assert row["subsets"]["needs exo"] == 167 and row["subsets"]["Q4"] == 192
    assert row["constant_in_file"]["value"] == pytest.approx(235 / 764)
    assert row["constant"]["value"] < row["constant_in_file"]["value"]

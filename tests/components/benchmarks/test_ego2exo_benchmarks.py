"""Ego-in-Exo Perception and ADL-X in their documented form, as neither has a public file."""

import json
from pathlib import Path

import pytest

from components.benchmarks import adl_x, ego_in_exo
from components.benchmarks.shared import parsers

CHOICES = {"A": "cuts", "B": "stirs", "C": "pours", "D": "washes"}


def written(folder: Path, name: str, content: object) -> Path:
    (folder / name).write_text(json.dumps(content))
    return folder


def row(film: str, **changes: object) -> dict:
    asked = {"question": "what is done?", "answer_choices": CHOICES, "ground_truth_letter": "C"}
    return {"video_filename": film, "category_name": "Hand Identification"} | asked | changes


@pytest.mark.parametrize(("film", "camera"), [("take_7_exo3", 3), ("take_7_exo12", 12), ("take_7_exo12.mp4", 12)])
def test_the_film_of_the_other_view_is_told_whatever_the_camera(tmp_path, film, camera):
    written(tmp_path, "egoinexoperception.json", [row(film)])
    [exo], [ego] = (each.load(tmp_path).samples for each in (ego_in_exo.BENCHMARK, ego_in_exo.BENCHMARK_EGO))
    assert (exo.media[0].path, exo.media[0].view) == (f"videos/take_7_exo{camera}.mp4", "exo")
    assert (ego.media[0].path, ego.media[0].view) == ("videos/take_7_ego.mp4", "ego")
    assert (exo.video, exo.question, exo.target) == (ego.video, ego.question, ego.target)
    assert exo.target.options[exo.target.index] == "pours" and exo.subsets == ("Hand Identification",)


def test_rows_of_another_form_are_rejects_with_a_reason(tmp_path):
    rows = [
        row("take_7_ego"), row("t_exo1", ground_truth_letter="E"), row("t_exo1", answer_choices={"A": "a", "C": "c"}),
        row("t_exo1", answer_choices=CHOICES | {"D": "pours"}), {"question": "?"}, row("t_exo1"),
    ]  # fmt: skip
    found = ego_in_exo.load(written(tmp_path, "egoinexoperception.json", rows))
    assert found.reasons == {"malformed_row": 3, "no_such_answer": 1, "two_right_options": 1}
    assert [sample.sample_id for sample in found.samples] == ["5"]


@pytest.mark.parametrize(
    ("completion", "strict", "official"),
    [("Answer: B", None, 1), ("After that B", None, 0), ("B. stirs", 1, 1), ("answer is C", None, 2), ("D", 3, 3)],
)
def test_both_parsers_read_an_answer(completion, strict, official):
    options = list(CHOICES.values())
    assert parsers.strict(completion, options, reasoned=False)[0] == strict
    assert parsers.OFFICIAL[ego_in_exo.BENCHMARK.official](completion, options)[0] == official


def test_the_average_of_the_paper_is_that_of_the_four_categories():
    assert ego_in_exo.BENCHMARK.averaged == 4
    scores = (73.4, 82.0, 76.2, 65.3)
    assert dict(ego_in_exo.BENCHMARK.published)["Ego2ExoVLM"] == pytest.approx(sum(scores) / 4, abs=0.05)


def test_the_sets_of_closed_questions_that_are_there_are_read(tmp_path):
    written(tmp_path, "Charades-AR.json", [row("AB12.mp4"), row("AB12.mp4")])
    found = adl_x.load(written(tmp_path, "LEMMA-TC.json", [row("28l-1.mp4", ground_truth_letter="Z")]))
    first, second = found.samples
    assert (first.media[0].path, first.media[0].view) == ("Charades_videos/AB12.mp4", "exo")
    assert (first.sample_id, second.sample_id, first.subsets) == ("Charades-AR 0", "Charades-AR 1", ("Charades-AR",))
    assert found.reasons == {"no_such_answer": 1}
    with pytest.raises(ValueError, match="holds none of .*Charades-AR.json"):
        adl_x.load(tmp_path / "nowhere")


def test_a_video_is_asked_for_a_description_and_twice_for_the_same(tmp_path):
    charades = {"video_name": "AB12", "Q": "Describe.", "A": "One cooks. ", "cons_A": "One eats."}
    charades |= {"cons_Q1": "What is done?", "cons_Q2": "Which actions?"}
    written(tmp_path, "Charades-Description.json", [charades, charades | {"A": 3}])
    films = tmp_path / "TSU_Descriptions_videos"
    films.mkdir()
    for part in ("P1_2.mp4", "P1_1.mp4"):
        (films / part).touch()
    found = adl_x.load_descriptions(written(tmp_path, "TSU-Description.json", {"P1": "One sits."}))
    assert [sample.sample_id for sample in found.samples] == [
        f"{name} {asked}" for name in ("Charades AB12", "TSU P1") for asked in ("Q", "cons_Q1", "cons_Q2")
    ]
    whole, one, other = found.samples[:3]
    assert whole.target.answers == ("One cooks.",) and one.target == other.target
    assert (whole.subsets, one.subsets, one.video) == (("Charades",), ("Charades", "consistency"), "AB12")
    parts = [f"TSU_Descriptions_videos/P1_{part}.mp4" for part in (1, 2)]
    assert [medium.path for medium in found.samples[3].media] == parts
    assert found.reasons == {"malformed_row": 1, "repeated_id": 2}


def test_descriptions_of_another_form_are_rejects(tmp_path):
    written(tmp_path, "Charades-Description.json", [{"Q": "Describe."}, "words", 3])
    films = tmp_path / "TSU_Descriptions_videos"
    films.mkdir()
    for part in ("P[1]_1.mp4", "P1_1.mp4"):
        (films / part).touch()
    described = {"/P1": "One sits.", "../P1": "One sits.", "P[1]": "One sits."}
    found = adl_x.load_descriptions(written(tmp_path, "TSU-Description.json", described))
    assert found.reasons == {"malformed_row": 5 * 3}
    # a bracket is no pattern
    assert {sample.media[0].path for sample in found.samples} == {"TSU_Descriptions_videos/P[1]_1.mp4"}

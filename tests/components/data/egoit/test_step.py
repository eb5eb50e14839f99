"""EgoIT: ten instructions a source, one a record by content, captions in every view."""

from collections import Counter

import pytest

from components.data.clips import step as clips
from components.data.egoit import step as egoit
from components.prompts import kitchen_grammar
from tests.components.data.conftest import changed, read, write_annotations


@pytest.fixture
def samples(built) -> list[dict]:
    return read(built, "egoit/samples")


def narrated(samples: list[dict]) -> list[dict]:
    """The captions of clips."""
    return [row for row in samples if (row["task"], row["question_type"]) == ("caption", "narration")]


@pytest.mark.parametrize("table", egoit.TEMPLATES.values())
def test_every_source_has_ten_different_instructions(table):
    assert all(len(set(instructions)) == 10 for instructions in table.values())


def test_every_clip_of_every_view_is_captioned_with_its_narration(built, samples):
    made = {row["clip_id"]: row for row in read(built, "clips/clips")}
    captions = narrated(samples)
    assert len(captions) == len(made)
    for row in captions:
        clip = made[row["parents"][0]]
        assert (
            row["answer"]
            == row["target"]["text"]
            == kitchen_grammar.narrate(kitchen_grammar.parse_narration(clip["text"]))
        )
        assert (row["view"], row["media"][0]["start_s"]) == (clip["view"], clip["start_s"])


def test_ego_captions_are_paired_with_every_exo_view_of_the_moment(samples):
    cameras = Counter()
    for row in narrated(samples):
        views = {other["video_id"][-5:] for other in row["paired"]}
        assert views == ({"cam01", "cam02"} if row["view"] == "ego" else set())
        for other in row["paired"]:
            assert other["view"] == "exo"
            assert other["video_id"].split("-cam")[0] == row["take_id"]
            assert (other["start_s"], other["end_s"]) == (row["media"][0]["start_s"], row["media"][0]["end_s"])
        cameras.update(other["video_id"][-5:] for other in row["paired"][:1])
    assert min(cameras["cam01"], cameras["cam02"]) > 20  # the evaluation looks at the first alone


def test_intervals_become_verb_recognition(samples):
    asked = [row for row in samples if row["task"] == "qa"]
    assert len(asked) == 60
    for row in asked:
        choices, index = row["target"]["choices"], row["target"]["answer_index"]
        assert choices[index] == row["answer"] in kitchen_grammar.VERBS
        assert len(set(choices)) == 4
        assert row["question"] in egoit.RECOGNITION["egoexolearn"]


def test_instructions_are_drawn_evenly_and_by_content(tmp_path, rows, data_params, samples):
    drawn = Counter(row["question"] for row in narrated(samples))
    assert set(drawn) == set(egoit.CAPTIONING["egoexo4d"])
    assert max(drawn.values()) < 3 * min(drawn.values())
    data_dir = write_annotations(tmp_path / "reversed", {name: table[::-1] for name, table in rows.items()})
    for step in (clips, egoit):
        step.run(data_params, data_dir)
    again = {row["sample_id"]: row for row in read(data_dir, "egoit/samples")}
    assert again == {row["sample_id"]: row for row in samples}


def test_fewer_instructions_when_asked(annotated, data_params):
    clips.run(data_params, annotated)
    egoit.run(changed(data_params, "egoit", instructions_per_dataset=2), annotated)
    asked = {row["question"] for row in narrated(read(annotated, "egoit/samples"))}
    assert asked == set(egoit.CAPTIONING["egoexo4d"][:2])


def test_more_instructions_than_written_are_refused(annotated, data_params):
    clips.run(data_params, annotated)
    with pytest.raises(ValueError, match=r"instructions_per_dataset is 11.*has 10.*params/data.yaml"):
        egoit.run(changed(data_params, "egoit", instructions_per_dataset=11), annotated)


def test_free_narrations_stay_as_they_are_and_odd_rows_are_rejected(tmp_path, rows, data_params):
    rows["narrations"][0]["text"] = " C looks around "
    rows["intervals"][0]["text"] = "C looks around"
    rows["intervals"][1]["source"] = "unheard-of"
    data_dir = write_annotations(tmp_path, rows)
    clips.run(data_params, data_dir)
    ledger = egoit.run(data_params, data_dir)["row_counts"]
    said = {row["answer"] for row in read(data_dir, "egoit/samples")}
    assert "C looks around" in said
    reasons = Counter(row["reason"] for row in read(data_dir, "egoit/rejects"))
    assert reasons == {"no_verb": 1}
    # the interval of a source that EgoIT does not have is neither a sample nor a reject: it serves EgoRe
    assert {what: came for what, came, *_ in ledger}["intervals, captioned"] == len(rows["intervals"]) - 1
    assert all(before == after + rejected for _, before, after, rejected in ledger)

"""EgoSchema's rows in its documented forms, and the released file: counts and what a constant answer scores."""

import json

import pytest

from components.benchmarks import egoschema
from tests.components.benchmarks import released


def question(uid: str, **others: object) -> dict:
    return {"q_uid": uid, "question": "why?"} | {f"option {place}": f"because {place}" for place in range(5)} | others


def test_answers_stand_in_the_rows_or_in_a_file_of_their_own(tmp_path):
    (tmp_path / "questions.json").write_text(json.dumps([question("a"), question("b")]))
    hidden = egoschema.load(tmp_path).samples
    assert [sample.target.index for sample in hidden] == [None, None]
    (tmp_path / "subset_answers.json").write_text(json.dumps({"b": 3}))
    a, b = egoschema.load(tmp_path).samples
    assert (a.target.index, a.subsets, b.target.index, b.subsets) == (None, ("hidden answer",), 3, ("subset",))
    lines = "\n".join(json.dumps(question(uid, CA=place)) for place, uid in enumerate("cd"))
    (tmp_path / "500questions.jsonl").write_text(lines + "\n")
    c, d = egoschema.load(tmp_path).samples
    assert (c.target.index, d.target.index) == (0, 1) and c.media[0].path == "c.mp4"
    (tmp_path / "4531questions.json").write_text(json.dumps(question("e")) + "\n")
    assert [sample.has_answer for sample in egoschema.load(tmp_path).samples] == [True, True, False]


def test_a_row_of_another_form_is_a_reject_with_its_reason(tmp_path):
    rows = [question("a", CA=5), question("b", CA=1), question("b", CA=1), {"q_uid": "c"}, "text"]
    rows.append(question("d", CA=2) | {"option 4": "because 2"})
    (tmp_path / "questions.json").write_text(json.dumps(rows))
    found = egoschema.load(tmp_path)
    assert [sample.sample_id for sample in found.samples] == ["b"] and found.rows == 6
    assert found.reasons == {"no_such_answer": 1, "repeated_id": 1, "malformed_row": 2, "two_right_options": 1}


def test_a_file_that_is_not_there_or_no_json_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ValueError, match="holds none of .*500questions.jsonl"):
        egoschema.load(tmp_path)
    (tmp_path / "questions.json").write_text('{"a": 1}\n{"b": ')
    with pytest.raises(ValueError, match="questions.json, line 2: .*allowed are JSON and JSON Lines"):
        egoschema.load(tmp_path)


def test_the_released_subset_and_what_guesses_score_on_it():
    row = released.row("egoschema")
    assert (row["rows"], row["samples"], row["rejects"], row["videos"]) == (500, 500, {}, 500)
    assert (row["constant"]["value"], row["constant"]["label"]) == (117 / 500, "always E")
    assert row["random"]["value"] == pytest.approx(0.2)
    # the second shortest option is right in 242 of 500: a guesser that never sees a frame is far above chance
    assert 0.44 < row["text_only"]["lo"] < row["text_only"]["value"] < 0.53

import shutil
from collections import Counter

import pytest

from components.data.sources import openeqa
from tests.components.data.sources.written import HOSTILE_PLACES, RELEASED, as_json, gathered, refuses_missing

REAL = RELEASED / "open-eqa-v0.json"
GOOD = {
    "question": "What is the white object on the wall above the TV?",
    "answer": "Air conditioning unit",
    "category": "object recognition",
    "question_id": "f2e82760-5c3c-41b1-88b6-85921b9e7b32",
    "episode_history": "hm3d-v0/000-hm3d-BFRyYbPCCPE",
}


def write(root, *rows):
    as_json(root / openeqa.FILE, rows)
    return root


def test_an_element_becomes_a_question_about_a_folder_of_frames(tmp_path):
    other = GOOD | {"question_id": "b", "extra_answers": ["AC ", "", "air conditioner"]}
    rows, rejects = gathered(openeqa.read(write(tmp_path, GOOD, other)))
    assert rejects == []
    assert [row["other_answers"] for row in rows] == [[], ["AC", "air conditioner"]]
    assert (rows[0]["path"], rows[0]["media"]) == (GOOD["episode_history"], "frames")
    assert (rows[0]["category"], rows[0]["wrong_answers"]) == ("object recognition", [])
    assert rows[0]["start_s"] != rows[0]["start_s"]  # null: the whole medium


@pytest.mark.parametrize(
    "edit, reason",
    [
        ({"question": None}, "empty_text"),
        ({"answer": "\t"}, "empty_text"),
        ({"extra_answers": "AC"}, "bad_answers"),
        ({"extra_answers": [None]}, "bad_answers"),
        ({"question_id": None}, "no_id"),
        ({"question_id": GOOD["question_id"]}, "repeated_id"),
        ({"episode_history": ""}, "no_path"),
        *(({"episode_history": place}, "path_outside_root") for place in HOSTILE_PLACES),
    ],
)
def test_a_bad_element_is_a_reject(tmp_path, edit, reason):
    rows, rejects = gathered(openeqa.read(write(tmp_path, GOOD, GOOD | {"question_id": "b"} | edit)))
    assert len(rows) == 1 and [row["reason"] for row in rejects] == [reason]


@pytest.mark.skipif(not REAL.is_file(), reason="the released file is not on this machine")
def test_every_question_of_the_released_file_is_kept(tmp_path):
    (tmp_path / "data").mkdir()
    shutil.copy(REAL, tmp_path / openeqa.FILE)
    rows, rejects = gathered(openeqa.read(tmp_path))
    assert (len(rows), len(rejects)) == (1636, 0)
    assert Counter(row["path"].split("-")[0] for row in rows) == {"scannet": 1079, "hm3d": 557}
    assert sum(bool(row["other_answers"]) for row in rows) == 263
    assert len({row["category"] for row in rows}) == 7


def test_a_missing_file_or_member_is_an_error_that_names_it(tmp_path):
    refuses_missing(openeqa.read, tmp_path, "open-eqa-v0.json is missing")
    refuses_missing(openeqa.read, write(tmp_path, {"question": "Who?"}), "missing .*'answer'")

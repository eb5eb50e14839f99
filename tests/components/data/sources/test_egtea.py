import pytest

from components.data.sources import egtea
from tests.components.data.sources.written import gathered, lines, refuses_missing

CLIP = "OP01-R01-PastaSalad-1002316-1004005-F024051-F024101"
OTHER = "OP01-R02-TurkeySandwich-102320-105110-F002449-F002529"
ACTIONS = ["Inspect/Read_recipe 1", "Open_fridge 2", "Cut_bell_pepper 106"]


def write(root, train, test=(f"{OTHER} 106 3 5",), actions=ACTIONS):
    lines(root / "train_split1.txt", train)
    lines(root / "test_split1.txt", test)
    lines(root / egtea.ACTIONS, actions)
    return root


def test_a_line_becomes_a_caption_of_its_whole_clip(tmp_path):
    rows, rejects = gathered(egtea.read(write(tmp_path, [f"{CLIP} 2 1 7 9 "])))
    assert rejects == []
    assert [(row["text"], row["split"]) for row in rows] == [("Open fridge", "train"), ("Cut bell pepper", "test")]
    assert rows[0]["path"] == f"OP01-R01-PastaSalad/{CLIP}.mp4"
    assert rows[0]["start_s"] != rows[0]["start_s"] and rows[0]["end_s"] != rows[0]["end_s"]  # null


def test_the_first_action_is_1(tmp_path):
    rows, rejects = gathered(egtea.read(write(tmp_path, [f"{CLIP} 1 1 1"])))
    assert rows[0]["text"] == "Inspect/Read recipe" and rejects == []


LABELS = ["# Clip ID; Clip Prefix (Unique); ...", f"1; {CLIP}; OP01-R01-PastaSalad; 1; 2; Cut bell_pepper; Cut; pepper"]


def test_labels_in_words_need_no_list_of_actions(tmp_path):
    lines(write(tmp_path, [f"{CLIP} 2 1 7"]) / egtea.LABELS, LABELS)
    rows, rejects = gathered(egtea.read(tmp_path))
    assert [row["text"] for row in rows] == ["Cut bell pepper"] * 2 and rejects == []
    (tmp_path / egtea.ACTIONS).unlink()
    rows, rejects = gathered(egtea.read(tmp_path))
    assert [row["text"] for row in rows] == ["Cut bell pepper"]
    assert [(row["row_id"], row["reason"]) for row in rejects] == [(OTHER, "unknown_action")]
    lines(tmp_path / egtea.LABELS, [*LABELS, "2; cut off"])
    refuses_missing(egtea.read, tmp_path, r"action_labels.csv: \['2; cut off'\]")


@pytest.mark.parametrize(
    "line, reason",
    [
        (f"{OTHER} 0 1 1", "unknown_action"),
        (f"{OTHER} 107 1 1", "unknown_action"),
        (OTHER, "unknown_action"),
        ("OP01-R01-PastaSalad 2 1 1", "bad_clip_name"),
        ("OP01-R01-PastaSalad-5-4-F1-F2 2 1 1", "end_before_start"),
        ("OP01-R01-PastaSalad-4-5-F2-F1 2 1 1", "end_before_start"),
        ("OP01-R01-PastaSalad-4-4-F1-F2 2 1 1", "zero_span"),
        ("../x-4-5-F1-F2 2 1 1", "path_outside_root"),
        (f"{CLIP} 2 1 1", "repeated_id"),
    ],
)
def test_a_bad_line_is_a_reject(tmp_path, line, reason):
    rows, rejects = gathered(egtea.read(write(tmp_path, [f"{CLIP} 2 1 1", line])))
    assert len(rows) == 2 and [row["reason"] for row in rejects] == [reason]


def test_a_missing_file_or_a_broken_list_of_actions_is_an_error_that_names_it(tmp_path):
    refuses_missing(egtea.read, tmp_path, "action_idx.txt is missing")
    write(tmp_path, [CLIP], actions=["Open_fridge"])
    refuses_missing(egtea.read, tmp_path, r"action_idx.txt: \[\['Open_fridge'\]\]")
    write(tmp_path, [CLIP])
    (tmp_path / "train_split1.txt").unlink()
    refuses_missing(egtea.read, tmp_path, "train_split1.txt is missing")

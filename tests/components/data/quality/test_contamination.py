"""Contamination: what is found, what is not, and lists that cannot be read."""

from pathlib import Path

import pandas as pd
import pytest

from components.data.quality import contamination

VIDEOS = pd.DataFrame(
    [
        {
            "video_id": "v1",
            "take_id": "t1",
            "take_name": "kitchen_1",
            "path": "takes/kitchen_1/a.mp4",
            "split": "train",
        },
        {
            "video_id": "v2",
            "take_id": "t2",
            "take_name": "kitchen_2",
            "path": "takes/kitchen_2/b.mp4",
            "split": "train",
        },
        {"video_id": "v3", "take_id": "t3", "take_name": "kitchen_3", "path": "takes/kitchen_3/c.mp4", "split": "test"},
        {"video_id": "w3", "take_id": "u3", "take_name": "kitchen_3", "path": "other/d.mp4", "split": "train"},
    ]
)


def marked(samples: list[tuple[str, str, str]], lists: dict[str, set[str]]) -> dict[str, list[int]]:
    """Samples as (take, split, video); gives the rows that each benchmark marks."""
    frame = pd.DataFrame(samples, columns=["take_id", "split", "video_id"])
    shown = pd.DataFrame({"row": frame.index, "video_id": frame["video_id"]})
    tested = frame.loc[frame["split"] == "test", "take_id"]
    found = contamination.contaminated(frame, shown, contamination.benchmark_videos(VIDEOS, tested, lists))
    return {name: found.index[found[name]].tolist() for name in found}


def test_clean_samples_are_not_marked():
    assert marked([("t1", "train", "v1"), ("t3", "test", "v3")], {"list": {"t9"}}) == {
        contamination.HELD_OUT: [],
        "list": [],
    }


def test_a_held_out_take_is_found_by_id_by_video_and_by_name():
    rows = [("t3", "train", "v1"), ("t1", "train", "v3"), ("u3", "train", "w3"), ("t3", "test", "v3")]
    assert marked(rows, {})[contamination.HELD_OUT] == [0, 1, 2]


@pytest.mark.parametrize("named", ["t1", "kitchen_1", "v1", "takes/kitchen_1/a.mp4", "a"])
def test_a_listed_video_is_found_by_any_of_its_names(named):
    assert marked([("t1", "train", "v1"), ("t2", "train", "v2")], {"list": {named}})["list"] == [0]


def test_a_list_is_read_without_comments_and_blank_lines(tmp_path):
    (tmp_path / "list.txt").write_bytes("\ufeffkitchen_1  # breakfast\n\n# all\r\nt2\r\n".encode())
    assert contamination.read_list("egoschema", tmp_path / "list.txt") == {"kitchen_1", "t2"}


@pytest.mark.parametrize("content", [None, b"", b"# nothing\n", b"\xff\xfe\x00"])
def test_a_list_that_cannot_be_read_is_an_error_that_names_it(tmp_path, content):
    if content is not None:
        (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(ValueError, match=r"quality\.benchmarks\.egoschema.*list\.txt.*params/data\.yaml"):
        contamination.read_list("egoschema", tmp_path / "list.txt")


def test_a_public_list_is_left_out_where_the_parameters_say_null(tmp_path):
    (tmp_path / "mine.txt").write_text("kitchen_1\n")
    found = contamination.lists({"egotaskqa": None, "mine": Path("mine.txt")}, tmp_path)
    assert found.keys() == contamination.known_lists().keys() - {"egotaskqa"} | {"mine"}
    with pytest.raises(ValueError, match=r"null came for \['mime'\], allowed for .*'egotaskqa'.*params/data.yaml"):
        contamination.lists({"mime": None}, tmp_path)

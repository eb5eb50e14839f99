import pytest

from components.data.sources import epic100
from tests.components.data.sources.written import HOSTILE_PLACES, delimited, gathered, refuses_missing

HEADER = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame,"
    "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes"
)
FIRST = "P01_11_0,P01,P01_11,00:00:00.560,00:00:00.00,00:00:01.89,1,113,take plate,take,0,plate,2,['plate'],[2]"
GOOD = dict(zip(HEADER.split(","), FIRST.split(","), strict=True))
TRAIN, VALIDATION = epic100.FILES


def write(root, *rows, validation=(GOOD | {"narration_id": "P01_12_0"},)):
    delimited(root / TRAIN, rows)
    delimited(root / VALIDATION, validation)
    return root


def test_a_line_of_the_real_file_becomes_a_caption(tmp_path):
    rows, rejects = gathered(epic100.read(write(tmp_path, GOOD)))
    assert rejects == []
    assert [row["split"] for row in rows] == ["train", "test"]
    row = rows[0]
    assert (row["path"], row["start_s"], row["end_s"]) == ("P01/videos/P01_11.MP4", 0.0, 1.89)
    assert (row["text"], row["view"], row["media"]) == ("take plate", "ego", "video")


def test_times_are_clocks_and_an_empty_narration_time_costs_nothing(tmp_path):
    edit = {"narration_timestamp": "", "start_timestamp": "01:02:03.45", "stop_timestamp": "01:02:04.5"}
    rows, rejects = gathered(epic100.read(write(tmp_path, GOOD | edit)))
    assert rejects == []
    assert (rows[0]["start_s"], rows[0]["end_s"]) == pytest.approx((3723.45, 3724.5))


def test_colons_stay_in_the_nouns(tmp_path):
    edit = {"narration": "pick up garbage bag", "noun": "bag:garbage", "all_nouns": "['bag:garbage', 'a, b']"}
    rows, _ = gathered(epic100.read(write(tmp_path, GOOD | edit)))
    assert rows[0]["text"] == "pick up garbage bag"


@pytest.mark.parametrize(
    "edit, reason",
    [
        ({"start_timestamp": "00:00:02.00"}, "end_before_start"),
        ({"start_timestamp": "00:00:01.89"}, "zero_span"),
        ({"start_timestamp": "-00:00:01.00"}, "not_a_number"),
        ({"stop_timestamp": "113"}, "not_a_number"),
        ({"stop_timestamp": "00:61:00.0"}, "not_a_number"),
        ({"stop_timestamp": "nan"}, "not_a_number"),
        ({"narration": ""}, "empty_text"),
        ({"narration_id": ""}, "no_id"),
        ({"narration_id": "P01_11_0"}, "repeated_id"),
        ({"video_id": ""}, "no_path"),
        ({"participant_id": ""}, "no_path"),
        *(({"participant_id": place}, "path_outside_root") for place in HOSTILE_PLACES),
    ],
)
def test_a_bad_line_is_a_reject(tmp_path, edit, reason):
    rows, rejects = gathered(epic100.read(write(tmp_path, GOOD, GOOD | {"narration_id": "P01_11_1"} | edit)))
    assert len(rows) == 2 and [row["reason"] for row in rejects] == [reason]


def test_a_missing_file_or_column_is_an_error_that_names_it(tmp_path):
    refuses_missing(epic100.read, tmp_path, "EPIC_100_train.csv is missing")
    write(tmp_path, {name: value for name, value in GOOD.items() if name != "narration"})
    refuses_missing(epic100.read, tmp_path, "EPIC_100_train.csv: .*missing .*'narration'")

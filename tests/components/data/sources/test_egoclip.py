import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from components.data.sources import egoclip
from components.data.sources.shared.subject_tags import subject
from tests.components.data.sources.written import (
    HOSTILE_PLACES,
    delimited,
    gathered,
    lines,
    reasons,
    refuses_missing,
    round_trip,
)
from tests.components.data.sources.written import texts as any_text

GOOD = {
    "clip_idx": "0",
    "video_uid": "001e3e4e-2743-47fc-8564-d5efd11f9e90",
    "video_dur": "128.033333",
    "narration_source": "narration_pass_1",
    "narration_ind": "0",
    "narration_time": "3.3445",
    "clip_start": "2.967651",
    "clip_end": "3.721266",
    "clip_text": "#C C picks a bag of clothes from the floor",
    "tag_verb": "[93]",
    "tag_noun": "[192, 115, 12]",
}


def write(root, *rows):
    delimited(root / egoclip.FILE, rows, delimiter="\t")
    return root


def test_a_line_becomes_a_caption_of_its_video(tmp_path):
    (row,), rejects = gathered(egoclip.read(write(tmp_path, GOOD)))
    assert rejects == []
    assert (row["start_s"], row["end_s"]) == (2.967651, 3.721266)
    assert row["text"] == "C picks a bag of clothes from the floor"
    assert (row["path"], row["media"]) == ("001e3e4e-2743-47fc-8564-d5efd11f9e90.mp4", "video")
    assert (row["source"], row["view"], row["split"]) == ("egoclip", "ego", "train")


@round_trip
@given(
    text=any_text,
    start_s=st.floats(0, 1e5, allow_nan=False),
    length_s=st.floats(0.001, 1e4, allow_nan=False),
)
def test_text_and_times_come_back_as_written(tmp_path_factory, text, start_s, length_s):
    assume(not text.startswith("#") and subject(text) != "O")
    root = tmp_path_factory.mktemp("egoclip")
    edit = {"clip_text": text, "clip_start": repr(start_s), "clip_end": repr(start_s + length_s)}
    (row,), _ = gathered(egoclip.read(write(root, GOOD | edit)))
    assert (row["text"], row["start_s"], row["end_s"]) == (text, start_s, start_s + length_s)


def test_a_negative_start_is_the_start_of_the_video(tmp_path):
    (row,), _ = gathered(egoclip.read(write(tmp_path, GOOD | {"clip_start": "-0.42"})))
    assert row["start_s"] == 0.0


def test_quotes_are_text_and_cost_no_line(tmp_path):
    said = ['"', 'C says "hi', '"a" and "b"', '"wrapped"', '"C says ""hi"""']
    path = lines(
        tmp_path / egoclip.FILE,
        [
            "\t".join(GOOD),
            *("\t".join((GOOD | {"clip_idx": str(n), "clip_text": t}).values()) for n, t in enumerate(said)),
        ],
    )
    rows, rejects = gathered(egoclip.read(path.parent))
    assert rejects == []
    assert [row["text"] for row in rows] == ['"', 'C says "hi', '"a" and "b"', "wrapped", 'C says "hi"']


def test_only_the_tag_that_the_sentence_repeats_is_cut(tmp_path):
    said = ["#C C cuts", "#c c cuts", "#C  C's hand", "#C cuts", "#O a man cuts", "#C Clothes fall"]
    rows, rejects = gathered(
        egoclip.read(write(tmp_path, *(GOOD | {"clip_idx": n, "clip_text": t} for n, t in enumerate(said))))
    )
    assert [row["text"] for row in rows] == ["C cuts", "c cuts", "C's hand", "#C cuts", "#C Clothes fall"]
    assert [(row["row_id"], row["reason"]) for row in rejects] == [("4", "not_camera_wearer")]


@pytest.mark.parametrize(
    "edit, reason",
    [
        ({"clip_start": "4"}, "end_before_start"),
        ({"clip_end": "2.967651"}, "zero_span"),
        ({"clip_end": "-1"}, "end_before_start"),
        ({"clip_start": "nan"}, "not_a_time"),
        ({"clip_start": "-inf"}, "not_a_time"),
        ({"clip_end": "inf"}, "not_a_time"),
        ({"clip_end": "soon"}, "not_a_time"),
        ({"clip_end": ""}, "not_a_time"),
        ({"clip_text": " \x00\x1b "}, "empty_text"),
        ({"clip_idx": ""}, "no_id"),
        ({"video_uid": ""}, "no_path"),
        ({"clip_idx": "0"}, "repeated_id"),
        *(({"video_uid": place}, "path_outside_root") for place in HOSTILE_PLACES),
    ],
)
def test_a_bad_line_is_a_reject(tmp_path, edit, reason):
    rows, rejects = gathered(egoclip.read(write(tmp_path, GOOD, GOOD | {"clip_idx": "1"} | edit)))
    assert len(rows) == 1 and [row["reason"] for row in rejects] == [reason]


def test_a_line_that_cannot_be_read_is_a_reject_of_its_own(tmp_path):
    path = write(tmp_path, GOOD, GOOD | {"clip_idx": "1"}) / egoclip.FILE
    path.write_bytes(path.read_bytes() + b"2\tcut off\n" + "\t".join(GOOD.values()).encode() + b"\tone more\n")
    assert reasons(egoclip.read(tmp_path)) == ["malformed_line"] * 2


def test_a_missing_file_or_column_is_an_error_that_names_it(tmp_path):
    refuses_missing(egoclip.read, tmp_path, "egoclip.csv is missing")
    write(tmp_path, {name: value for name, value in GOOD.items() if name != "clip_end"})
    refuses_missing(egoclip.read, tmp_path, "missing .*clip_end")

"""Every scored clip is kept or has one reason, and what is kept can be read by the later steps."""

from collections import Counter

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import records
from components.data.contracts.tables import contracts, schema
from components.data.funnel import tables
from components.data.funnel.scoring import SCORED


def scored(number, **values):
    row = dict.fromkeys(SCORED.names) | {"clip_id": f"c{number}", "parent": f"p{number}", "source": "htm_aa"}
    row |= {"take_id": f"v{number // 2}", "path": f"videos/v{number // 2}.mp4", "start_s": 1.0, "end_s": 4.0}
    row |= {"text": "C cuts", "duration_s": 8.0, "fps": 8.0, "ego_score": 0.9, "hands": 2, "objects": 9, "frames": 8}
    return row | {"motion": 0.3, "reason": "", "detail": ""} | values


UNREAD = dict.fromkeys(("duration_s", "fps", "ego_score", "hands", "objects", "frames", "motion"))
KINDS = {
    "kept": {},
    "video_missing": UNREAD | {"reason": "video_missing"},
    "exo_view": {"ego_score": 0.2, "hands": None, "objects": None, "frames": None, "motion": None},
    "over_2_hands": {"hands": 4},
    "few_objects": {"objects": 5},
    "hands_rest": {"motion": 0.05},
}


@given(st.lists(st.sampled_from(list(KINDS)), max_size=20))
def test_rows_in_are_rows_out_and_rejects(kinds):
    frame = pd.DataFrame([scored(n, **KINDS[kind]) for n, kind in enumerate(kinds)], columns=SCORED.names)
    made = tables.kept_and_rejected(frame)
    fates = dict.fromkeys(made["kept"]["clip_id"], "kept")
    fates |= dict(zip(made["rejects"]["row_id"], made["rejects"]["reason"], strict=True))
    assert fates == {f"c{n}": kind for n, kind in enumerate(kinds)}
    assert len(made["kept"]) + len(made["rejects"]) == len(kinds)


@pytest.fixture
def written(tmp_path):
    batches = [tables.kept_and_rejected(pd.DataFrame([scored(n, **KINDS[kind]) for n, kind in enumerate(KINDS)]))]
    refused = pd.DataFrame({"parent": ["p9"], "reason": ["under_1_s"], "text": ["C cuts"]})
    counted = tables.write(tmp_path, [tables.not_candidates(refused), *batches])
    records.write_table(tmp_path / "table.parquet", tables.stages(7, counted), records.FUNNEL)
    names = ("kept", "table", "videos", "clips", "rejects")
    return {f"funnel/{name}": records.read_table(tmp_path / f"{name}.parquet", records.SCHEMAS[name]) for name in names}


def test_the_table_counts_each_stage_and_its_reasons(written):
    rows = written["funnel/table"].to_pylist()
    assert [(row["stage"], row["rows_in"], row["rows_out"]) for row in rows] == [
        ("candidates", 7, 6), ("read", 6, 5), ("ego", 5, 4), ("hands", 4, 1),
    ]  # fmt: skip
    assert [[each["reason"] for each in row["reasons"]] for row in rows] == [
        ["under_1_s"], ["video_missing"], ["exo_view"], ["few_objects", "hands_rest", "over_2_hands"],
    ]  # fmt: skip
    assert Counter(written["funnel/rejects"]["step"].to_pylist()) == {
        "funnel/candidates": 1, "funnel/read": 1, "funnel/ego": 1, "funnel/hands": 3,
    }  # fmt: skip


def holds(contract) -> bool:
    sentences = [column for column in contract.frame if " " in column]
    return bool(contract.frame[sentences].to_numpy(dtype=bool).all())


def test_what_is_kept_has_rows_that_later_steps_read(written):
    (clip,), (video,) = written["funnel/clips"].to_pylist(), written["funnel/videos"].to_pylist()
    assert clip["video_id"] == video["video_id"] and clip["view"] == video["view"] == "ego"
    assert (clip["text"], clip["start_s"], clip["end_s"]) == ("C cuts", 1.0, 4.0)
    assert (video["path"], video["take_id"], video["camera_id"]) == ("videos/v0.mp4", "v0", "")
    assert all(holds(each) for each in contracts("funnel", written).values())
    types = schema({path.split("/")[1]: table for path, table in written.items()}).frame
    assert (types["type"] == types["allowed"]).all()


def test_a_kept_clip_below_a_threshold_or_a_lost_row_breaks_the_contract(written):
    rows = written["funnel/kept"].to_pylist()
    broken = records.KEPT.empty_table().from_pylist([rows[0] | {"motion": 0.1}], records.KEPT)
    assert not holds(contracts("funnel", written | {"funnel/kept": broken})["kept"])
    counts = written["funnel/table"].to_pylist()
    counts[1]["rows_out"] -= 1
    lost = records.FUNNEL.empty_table().from_pylist(counts, records.FUNNEL)
    assert not holds(contracts("funnel", written | {"funnel/table": lost})["table"])


def test_about_a_tenth_of_the_videos_is_held_out_whatever_tells_of_them():
    splits = Counter(tables.split_of(f"video-{number}") for number in range(2000))
    assert set(splits) == {"train", "test"} and 140 < splits["test"] < 260

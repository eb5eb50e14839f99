"""Ego-ExoClip: spans per view, every reject by its reason, video groups, annotators."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import records
from components.data.clips import moments
from components.data.clips import step as clips
from tests.components.data.conftest import TAKE_S, annotation_tables, changed, read, write_annotations


def made(data_dir) -> tuple[dict, list[dict], Counter]:
    folder = data_dir / "clips"
    rejects = records.read_table(folder / "rejects.parquet", records.REJECT).to_pylist()
    table = records.read_table(folder / "clips.parquet", records.CLIP).to_pylist()
    return json.loads((folder / "stats.json").read_text()), table, Counter(row["reason"] for row in rejects)


def test_every_view_of_a_moment_has_the_same_span(annotated, data_params):
    clips.run(data_params, annotated)
    _, table, _ = made(annotated)
    by_moment: dict[str, list[dict]] = {}
    for row in table:
        by_moment.setdefault(row["moment_id"], []).append(row)
    for views in by_moment.values():
        assert sorted(row["view"] for row in views) == ["ego", "exo", "exo"]
        assert len({(row["start_s"], row["end_s"], row["text"], row["narration_id"]) for row in views}) == 1
        assert len({row["video_id"] for row in views}) == 3


def test_alpha_is_of_training_takes_only(tmp_path, rows, data_params):
    clips.run(data_params, write_annotations(tmp_path / "a", rows))
    for row in rows["narrations"]:
        if row["split"] == "test":
            row["time_s"] *= 0.5
    clips.run(data_params, write_annotations(tmp_path / "b", rows))
    assert made(tmp_path / "a")[0]["alpha_s"] == made(tmp_path / "b")[0]["alpha_s"]


def test_alpha_is_the_mean_beta(annotated, rows, data_params):
    clips.run(data_params, annotated)
    times: dict[str, list[float]] = {}
    for row in rows["narrations"]:
        if row["split"] == "train":
            times.setdefault(row["take_id"], []).append(row["time_s"])
    mean = np.mean([(max(t) - min(t)) / (len(t) - 1) for t in times.values()])
    assert made(annotated)[0]["alpha_s"] == {"egoexo4d": pytest.approx(mean)}


def change(rows: dict, row: int, **values) -> dict:
    rows["narrations"][row].update(values)
    return rows


@pytest.mark.parametrize(
    ("values", "reason", "count"),
    [
        ({"unsure": True}, "unsure", 1),
        ({"subject": "O"}, "not_camera_wearer", 1),
        ({"subject": "O", "text": "The Man X walks towards C."}, "not_camera_wearer", 1),
        ({"text": "  "}, "empty_text", 1),
        ({"time_s": 16.5}, "outside_video", 1),
        ({"take_id": "unknown"}, "no_video", 1),
        ({"ego_visible": False}, "not_visible_in_ego", 1),
    ],
)
def test_a_bad_narration_is_rejected_by_its_reason(tmp_path, rows, data_params, values, reason, count):
    clips.run(data_params, write_annotations(tmp_path, change(rows, 4, **values)))
    stats, table, rejects = made(tmp_path)
    assert rejects[reason] == stats["rejects"][reason] == count
    if reason == "not_visible_in_ego":
        hidden = [row["view"] for row in table if row["narration_id"] == rows["narrations"][4]["narration_id"]]
        assert hidden == ["exo", "exo"]


def test_equal_times_collapse_to_the_usable_narration(tmp_path, rows, data_params):
    first, second = (
        row for row in rows["narrations"][:6] if row["take_id"] == "take-0" and "n1" in row["narration_id"]
    )
    first.update(unsure=True)
    second.update(time_s=first["time_s"])
    clips.run(data_params, write_annotations(tmp_path / "a", rows))
    _, table, rejects = made(tmp_path / "a")
    assert rejects["unsure"] == 1 and rejects["equal_time"] == 0
    assert second["narration_id"] in {row["narration_id"] for row in table}
    first.update(unsure=False)
    clips.run(data_params, write_annotations(tmp_path / "b", rows))
    assert made(tmp_path / "b")[2]["equal_time"] == 1


def test_a_take_with_one_narration_has_no_clips(tmp_path, rows, data_params):
    kept = [row for row in rows["narrations"] if row["take_id"] != "take-0"]
    single = next(row for row in rows["narrations"] if row["take_id"] == "take-0")
    clips.run(data_params, write_annotations(tmp_path, rows | {"narrations": [*kept, single]}))
    _, table, rejects = made(tmp_path)
    assert rejects["single_narration"] == 1
    assert "take-0" not in {row["take_id"] for row in table}


def test_short_clips_are_rejected_per_view(tmp_path, rows, data_params):
    rows["narrations"][1]["time_s"] = rows["narrations"][0]["time_s"] + 0.1
    rows["narrations"][2]["time_s"] = rows["narrations"][0]["time_s"] + 0.15
    clips.run(data_params, write_annotations(tmp_path, rows))
    _, table, rejects = made(tmp_path)
    assert rejects["under_min_frames"] == 3
    assert all((row["end_s"] - row["start_s"]) * 8 >= 2 - 1e-6 for row in table)


def test_per_annotator_timelines_are_longer(tmp_path, rows, data_params):
    separate = changed(data_params, "clips", annotators="per_annotator")
    clips.run(data_params, write_annotations(tmp_path / "merged", rows))
    clips.run(separate, write_annotations(tmp_path / "each", rows))
    each, merged = (made(tmp_path / name)[0]["alpha_s"]["egoexo4d"] for name in ("each", "merged"))
    assert each > merged


TIMES_S = st.lists(st.integers(0, 160).map(lambda tenth: tenth / 10), min_size=2, max_size=8, unique=True)


@settings(deadline=None, max_examples=10)
@given(TIMES_S, st.lists(st.sampled_from("ab"), min_size=8, max_size=8))
def test_per_annotator_spans_are_those_of_each_annotator_alone(times_s, annotators):
    tables = annotation_tables()
    said = [row for row in tables["narrations"] if row["take_id"] != "take-0"]
    first = {row["take_id"]: row for row in tables["narrations"]}["take-0"]
    mine = [
        first | {"time_s": t, "annotator_id": who, "narration_id": f"n{i}"}
        for i, (t, who) in enumerate(zip(times_s, annotators, strict=False))
    ]
    videos = pd.DataFrame(tables["videos"])

    def spans(rows: list[dict], annotators: str) -> dict:
        numbered = moments.numbered(pd.DataFrame(said + rows), videos)
        kept, _ = moments.moments(*numbered, {"egoexo4d": 1.0}, annotators=annotators)
        of_take = kept[kept["take_id"] == "take-0"]
        return {row.narration_id: (row.start_s, row.end_s) for row in of_take.itertuples()}

    alone = [spans([row for row in mine if row["annotator_id"] == who], "per_annotator") for who in "ab"]
    assert spans(mine, "per_annotator") == alone[0] | alone[1]
    merged = spans(mine, "merged")
    assert merged.keys() == {row["narration_id"] for row in mine}
    for who in "ab":
        assert spans([row | {"annotator_id": who} for row in mine], "per_annotator") == merged


def test_near_duplicates_of_two_annotators_both_stay(tmp_path, rows, data_params):
    pair = [row for row in rows["narrations"] if row["take_id"] == "take-0" and "n1" in row["narration_id"]]
    assert len(pair) == 2 and pair[0]["text"] == pair[1]["text"] and pair[0]["annotator_id"] != pair[1]["annotator_id"]
    clips.run(data_params, write_annotations(tmp_path, rows))
    _, table, _ = made(tmp_path)
    of_pair = [row for row in table if row["narration_id"] in {row["narration_id"] for row in pair}]
    assert len(of_pair) == 6 and len({row["moment_id"] for row in of_pair}) == 2
    assert {row["text"] for row in of_pair} == {pair[0]["text"]}


def test_every_exo_view_is_paired(tmp_path, rows, data_params):
    exo = next(row for row in rows["videos"] if row["view"] == "exo")
    more = [exo | {"video_id": f"more{n}", "camera_id": f"cam1{n}"} for n in range(2)]
    clips.run(data_params, write_annotations(tmp_path, rows | {"videos": rows["videos"] + more}))
    stats, table, _ = made(tmp_path)
    exo_of = Counter(row["moment_id"] for row in table if row["view"] == "exo")
    assert {exo_of[row["moment_id"]] for row in table if row["take_id"] == exo["take_id"]} == {4}
    assert stats["ego_exo_pairs"] == stats["clips"]["exo"] == exo_of.total()


def test_every_rule_and_the_clamp_change_the_clips(tmp_path, rows, data_params):
    durations = {}
    for rule in ("fixed", "centred", "neighbours", "beta", "beta_over_alpha"):
        for clamp in (True, False):
            folder = write_annotations(tmp_path / f"{rule}-{clamp}", rows)
            counted = clips.run(changed(data_params, "clips", rule=rule, clamp=clamp), folder)
            stats, table, _ = made(folder)
            assert all(0 <= row["start_s"] < row["end_s"] <= TAKE_S for row in table)
            assert all(before == after + rejected for _, before, after, rejected in counted["row_counts"])
            durations[rule, clamp] = stats["duration_s"]["mean"]
    assert all(durations[rule, True] <= durations[rule, False] for rule, _ in durations)
    assert len(set(durations.values())) == 9  # the clamp cannot touch windows that end at the neighbours


def test_a_corpus_without_a_usable_narration_has_no_clips(tmp_path, rows, data_params):
    for row in rows["narrations"]:
        row["unsure"] = True
    counted = clips.run(data_params, write_annotations(tmp_path, rows))
    assert ("narrations", 90, 0, 90) in counted["row_counts"]
    assert made(tmp_path)[1] == []


def test_a_group_without_narration_is_rejected_and_counted(tmp_path, rows, data_params):
    rows["narrations"] = [row for row in rows["narrations"] if row["take_id"] != "take-5"]
    counted = clips.run(data_params, write_annotations(tmp_path, rows))
    assert made(tmp_path)[2]["group_without_narration"] == 1
    assert ("groups", 12, 11, 1) in counted["row_counts"]


def test_a_group_without_ego_video_is_rejected_with_its_narrations(tmp_path, rows, data_params):
    rows["videos"] = [row for row in rows["videos"] if (row["take_id"], row["view"]) != ("take-5", "ego")]
    said = sum(row["take_id"] == "take-5" for row in rows["narrations"])
    counted = clips.run(data_params, write_annotations(tmp_path, rows))
    _, table, rejects = made(tmp_path)
    assert (rejects["group_without_ego_video"], rejects["no_video"]) == (1, said)
    assert ("groups", 12, 11, 1) in counted["row_counts"]
    assert "take-5" not in {row["take_id"] for row in table}


@pytest.mark.parametrize("size", [10, 33])
def test_partitions_of_takes_change_nothing(tmp_path, rows, data_params, size):
    said = rows["narrations"]
    said[3]["unsure"], said[4]["take_id"], said[5]["time_s"] = True, "unknown", 99.0
    rows["narrations"] = said[::2] + said[1::2]
    data_dir = write_annotations(tmp_path, rows)
    whole, ledger = clips.build(data_dir, rows=1000, **data_params.clips.model_dump())
    tables = {name: read(data_dir, f"clips/{name}") for name in ("clips", "rejects")}
    parts, of_parts = clips.build(data_dir, rows=size, **data_params.clips.model_dump())
    assert read(data_dir, "clips/clips") == tables["clips"] and len(tables["clips"]) > 200
    assert sorted(map(str, read(data_dir, "clips/rejects"))) == sorted(map(str, tables["rejects"]))
    assert dict((what, numbers) for what, *numbers in of_parts) == dict((what, numbers) for what, *numbers in ledger)
    for name in ("duration_s", "words"):
        assert whole.pop(name) == pytest.approx(parts.pop(name))
    assert whole == parts
    assert all(before == after + rejected for _, before, after, rejected in of_parts)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.floats(0, 9), max_size=9), min_size=1, max_size=6))
def test_sums_of_takes_are_those_of_the_corpus(groups):
    def counted(durations_s: list[float]) -> dict:
        ids = [f"m{number}" for number in range(len(durations_s))]
        frame = pd.DataFrame({"moment_id": ids, "start_s": 0.0, "end_s": durations_s, "text": "C looks"})
        made = pa.table({"moment_id": pa.array(ids * 2, pa.string()), "view": ["ego"] * len(ids) + ["exo"] * len(ids)})
        return clips.count(frame, made, pd.DataFrame({"reason": ["short"] * len(ids)}))

    joined = clips.statistics([counted(group) for group in groups])
    together = [value for group in groups for value in group]
    assert joined["moments"] == len(together) and joined["rejects"].get("short", 0) == len(together)
    assert joined["clips"] == ({"ego": len(together), "exo": len(together)} if together else {})
    for of_joined, of_all in ((joined["duration_s"], together), (joined["words"], [2.0] * len(together))):
        known = {"mean": np.mean(of_all), "std": np.std(of_all)} if together else {"mean": None, "std": None}
        assert of_joined == pytest.approx(known, abs=1e-9)
    one = counted(groups[0])
    if groups[0]:
        assert clips.statistics([one])["duration_s"] == dict(zip(("mean", "std"), one["duration_s"], strict=True))


def test_nothing_is_lost(annotated, data_params):
    for _what, before, after, rejected in clips.run(data_params, annotated)["row_counts"]:
        assert before == after + rejected > 0


def test_same_bytes_whatever_the_row_order(tmp_path, data_params):
    rows = annotation_tables()
    clips.run(data_params, write_annotations(tmp_path / "a", rows))
    clips.run(data_params, write_annotations(tmp_path / "b", {name: table[::-1] for name, table in rows.items()}))
    assert made(tmp_path / "a")[:2] == made(tmp_path / "b")[:2]
    clips.run(data_params, write_annotations(tmp_path / "c", rows))
    for name in ("clips.parquet", "rejects.parquet", "stats.json"):
        assert (tmp_path / "a/clips" / name).read_bytes() == (tmp_path / "c/clips" / name).read_bytes()


def test_only_columns_that_repeat_have_dictionaries(annotated, data_params):
    clips.run(data_params, annotated)
    group = pq.read_metadata(annotated / "clips/clips.parquet").row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    plain = {each.path_in_schema for each in columns if not each.has_dictionary_page and each.statistics is None}
    assert plain == set(clips.STEP.distinct)

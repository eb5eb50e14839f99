"""The numbers of Ego-ExoClip against a reading with plain loops, and their comparison with the published ones."""

import json
import math
from collections import Counter

import pytest

from components.data.clips import step as clips
from components.data.statistics import corpus as statistics
from components.data.statistics.counts import CorpusCounts
from components.data.statistics.paper_figures import FIGURES
from tests.components.data.conftest import TAKES, read, write_annotations

SCENARIOS = ("Cooking", "Health", "Dance")


def write_takes(root, *, more: dict[str, dict] | None = None):
    """takes.json and splits of the hand-made takes, and of `more`: uid -> fields of the take, with its `split`."""
    takes = {f"take-{n}": {"is_dropped": False, "parent_task_name": SCENARIOS[n % 3]} for n in range(TAKES)} | (
        more or {}
    )
    split_of = {
        uid: take.pop("split", "val" if uid in ("take-3", "take-7") else "train") for uid, take in takes.items()
    }
    (root / "annotations").mkdir(parents=True)
    listed = [{"take_uid": uid, "take_name": uid} | take for uid, take in takes.items()]
    (root / "takes.json").write_text(json.dumps(listed))
    (root / "annotations/splits.json").write_text(json.dumps({"take_uid_to_split": split_of}))


@pytest.fixture
def found(tmp_path, rows, data_params) -> tuple[dict, list[dict], list[dict], list[dict]]:
    """The numbers, and the rows they are of: clips, videos, narrations."""
    rows["narrations"] = [row for row in rows["narrations"] if row["take_id"] != "take-5"]
    for row in rows["narrations"]:
        row["unsure"] = row["take_id"] == "take-6"
    rows["narrations"][0]["ego_visible"] = False
    rows["narrations"][1]["text"] += " again and again"
    rows["rejects"] = [
        {"step": "annotations/egoexo4d", "row_id": f"{n}", "reason": "pseudo_camera", "detail": ""} for n in range(3)
    ] + [{"step": "annotations/visor", "row_id": "v", "reason": "no_video", "detail": ""}]
    foreign = rows["videos"][0] | {"source": "other", "video_id": "other", "take_id": "other"}
    rows["videos"] += [foreign, foreign | {"video_id": "other-exo", "view": "exo"}]
    rows["narrations"] += [
        rows["narrations"][2] | {"source": "other", "take_id": "other", "narration_id": f"o{n}", "time_s": float(n + 1)}
        for n in range(3)
    ]
    data_dir = write_annotations(tmp_path / "data", rows)
    more = {
        "gone": {"is_dropped": True, "parent_task_name": "Dance"},
        "challenge": {"is_dropped": False, "parent_task_name": "Dance", "split": "test"},
        "lost": {"is_dropped": False, "parent_task_name": "Dance"},
    }
    write_takes(tmp_path / data_params.sources.egoexo4d, more=more)
    clips.run(data_params, data_dir)
    own = [row for row in read(data_dir, "clips/clips") if row["source"] == "egoexo4d"]
    return statistics.read(data_params, data_dir), own, rows["videos"], rows["narrations"]


def test_the_numbers_are_those_of_plain_loops(found):
    numbers, made, videos, narrations = found
    for split in ("train", "test"):
        rows = [row for row in made if row["split"] == split]
        takes = {row["take_id"] for row in rows}
        moments = {row["moment_id"]: row for row in rows}
        lengths = [row["end_s"] - row["start_s"] for row in moments.values()]
        words = [len(row["text"].split()) for row in moments.values()]
        used = [row for row in videos if row["take_id"] in takes]
        got = numbers["splits"][split]
        views = Counter(row["view"] for row in rows)
        assert (got["groups"], got["videos"], got["narrations"]) == (len(takes), len(used), len(moments))
        assert (got["ego_clips"], got["exo_clips"]) == (views["ego"], views["exo"])
        assert got["narrations_read"] == sum(row["take_id"] in takes for row in narrations)
        assert got["hours"] == pytest.approx(sum(row["duration_s"] for row in used) / 3600)
        for name, values in (("duration_s", lengths), ("words", words)):
            mean = sum(values) / len(values)
            spread = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
            assert got[name] == pytest.approx({"mean": mean, "std": spread})
        assert got["under_1s_percent"] == pytest.approx(100 * sum(length < 1 for length in lengths) / len(lengths))
        assert got["longest_s"] == max(lengths)
        for name, values in (("duration_histogram", lengths), ("word_histogram", words)):
            for start, end, count in got[name]:
                assert count == sum(start <= value and (end is None or value < end) for value in values)
            assert sum(count for *_, count in got[name]) == len(moments)


def test_the_numbers_are_the_same_however_many_rows_are_read_at_once(found, tmp_path, data_params):
    numbers, _, _, _ = found
    moments = [row["moment_id"] for row in read(tmp_path / "data", "clips/clips")]
    assert any(one == other for one, other in zip(moments[6::7], moments[7::7], strict=False)), "a cut inside a moment"
    got = statistics.read(data_params, tmp_path / "data", rows=7)
    assert list(got["groups"]) == list(numbers["groups"])
    for split, corpus in numbers["splits"].items():
        for name in ("duration_s", "words"):
            assert got["splits"][split].pop(name) == pytest.approx(corpus.pop(name), rel=1e-12)
    assert got == numbers


def test_the_clips_of_a_moment_follow_one_another_in_their_table(found, tmp_path, data_params):
    # statistics count a moment wherever another one ends
    _, whole, _, _ = found
    clips.build(tmp_path / "data", rows=20, **data_params.clips.model_dump())
    for rows in (whole, read(tmp_path / "data", "clips/clips")):
        ids = [row["moment_id"] for row in rows]
        assert sum(one != other for one, other in zip(ids, ["", *ids], strict=False)) == len(set(ids))


def test_every_take_has_one_fate(found):
    numbers, _, _, _ = found
    assert numbers["groups"] == {
        "kept, train": 8, "held out (val)": 2, "group_without_narration": 1, "no_usable_narration": 1,
        "take_dropped": 1, "test_split": 1, "no_video": 1,
    }  # fmt: skip
    assert sum(numbers["groups"].values()) == numbers["groups_before"] == TAKES + 3
    assert numbers["groups"]["kept, train"] == numbers["splits"]["train"]["groups"]


def test_scenarios_are_of_the_training_takes(found):
    numbers, made, videos, _ = found
    trained = {row["moment_id"]: row["take_id"] for row in made if row["split"] == "train"}
    shares = Counter(SCENARIOS[int(take.removeprefix("take-")) % 3] for take in trained.values())
    assert {row["scenario"]: row["narrations"] for row in numbers["scenarios"]} == shares
    assert sum(row["narrations_percent"] for row in numbers["scenarios"]) == pytest.approx(100)
    assert sum(row["groups"] for row in numbers["scenarios"]) == len(set(trained.values()))
    assert sum(row["hours"] for row in numbers["scenarios"]) == pytest.approx(numbers["splits"]["train"]["hours"])


def test_drops_are_counted_by_step_and_reason(found, tmp_path):
    numbers, _, _, _ = found
    counted = Counter({(row["step"], row["reason"]): row["rows"] for row in numbers["drops"]})
    assert counted["annotations/egoexo4d", "pseudo_camera"] == 3
    assert not any(step == "annotations/visor" for step, _ in counted)
    dropped = Counter(row["reason"] for row in read(tmp_path / "data", "clips/rejects"))
    assert {reason: n for (step, reason), n in counted.items() if step == "clips"} == dropped
    assert dropped["group_without_narration"] == 1 and dropped["not_visible_in_ego"] == 1


def test_the_published_figures_agree_with_themselves_only(found):
    numbers, _, _, _ = found
    rows = statistics.comparison(numbers)
    assert [row["name"] for row in rows] == [figure.name for figure in FIGURES]
    assert not all(row["agrees"] for row in rows)
    published = {
        figure.name: figure.value if figure.spread is None else {"mean": figure.value, "std": figure.spread}
        for figure in FIGURES
    }
    same = numbers | {"splits": {"train": published}} | {key: published[key] for key in ("groups_before", "alpha_s")}
    assert all(row["agrees"] and row["ratio"] == 1 for row in statistics.comparison(same))
    wide = same | {"splits": {"train": published | {"duration_s": {"mean": 0.68, "std": 0.9}}}}
    assert [row["name"] for row in statistics.comparison(wide) if not row["agrees"]] == ["duration_s"]


def test_a_corpus_without_clips_has_nothing_to_compare(found):
    numbers, _, _, _ = found
    empty = statistics.of_corpus(CorpusCounts(), "train")
    rows = {row["name"]: row for row in statistics.comparison(numbers | {"splits": {"train": empty}})}
    assert rows["duration_s"]["agrees"] is None and rows["words"]["ours"] is None
    assert rows["exo_clips"]["ours"] == 0 and not rows["exo_clips"]["agrees"]

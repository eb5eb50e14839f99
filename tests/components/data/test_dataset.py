"""The mixture and the split."""

from collections import Counter

import pyarrow as pa
import pytest

from components import records
from components.data import dataset
from tests.components.data.conftest import TEST_TAKES, changed, read


def test_everything_is_kept_by_default_once(built):
    kept = read(built, "dataset/samples")
    parts = [*read(built, "egoit/samples"), *read(built, "egore/samples"), *read(built, "clips/clips")]
    again = read(built, "dataset/rejects")
    assert {row["reason"] for row in again} <= {"near_duplicate"}
    assert len(kept) + len(again) == len(parts) and len(kept) == len({row["sample_id"] for row in kept})
    assert Counter(row["corpus"] for row in kept)["egoexoclip"] == len(read(built, "clips/clips"))


def test_ego_exo_clips_are_of_sources_with_exo_views_alone(built, data_params):
    path = built / "clips/clips.parquet"
    rows = [
        row | {"source": "ego4d" if row["take_id"] == "take-1" else row["source"]} for row in read(built, "clips/clips")
    ]
    records.write_table(path, rows, records.CLIP)
    result = dataset.run(data_params, built)
    taken = Counter(row["take_id"] for row in read(built, "dataset/samples") if row["corpus"] == "egoexoclip")
    assert taken == Counter(row["take_id"] for row in rows if row["take_id"] != "take-1")
    assert all(rows_in == kept + lost for _, rows_in, kept, lost in result["row_counts"])


def test_no_take_is_in_two_splits(built):
    kept = read(built, "dataset/samples")
    split_of = {row["take_id"]: row["split"] for row in kept}
    assert {(row["take_id"], row["split"]) for row in kept} == set(split_of.items())
    assert {take for take, split in split_of.items() if split == "test"} == set(TEST_TAKES)
    # and nothing of a held-out take is seen through the media of a training sample
    for row in kept:
        assert all(span["video_id"].rsplit("-", 1)[0] == row["take_id"] for span in row["media"] + row["paired"])


def test_a_rate_keeps_its_share_and_counts_the_rest(built, data_params):
    whole = Counter((row["corpus"], row["task"]) for row in read(built, "dataset/samples"))
    result = dataset.run(changed(data_params, "dataset", rates={"egoit/caption": 0.5, "egore/qa": 0.0}), built)
    kept = Counter((row["corpus"], row["task"]) for row in read(built, "dataset/samples"))
    assert kept["egore", "qa"] == 0
    assert 0.3 < kept["egoit", "caption"] / whole["egoit", "caption"] < 0.7
    assert kept["egoexoclip", "caption"] == whole["egoexoclip", "caption"]
    reasons = Counter(row["reason"] for row in read(built, "dataset/rejects"))
    assert reasons["mixture_rate"] == whole.total() - kept.total()
    told = {"step": "dataset", "reason": "mixture_rate", "rows": reasons["mixture_rate"]}
    assert told in result["counts"]["rejects"]


def test_a_higher_rate_keeps_what_a_lower_one_kept(built, data_params):
    kept = []
    for rate in (0.2, 0.6):
        dataset.run(changed(data_params, "dataset", rates={"egore/qa": rate}), built)
        kept.append({row["sample_id"] for row in read(built, "dataset/samples") if row["corpus"] == "egore"})
    assert kept[0] < kept[1]


@pytest.mark.parametrize("rates", [{"egoit/captions": 1.0}, {"egoit/caption": 1.5}])
def test_a_wrong_rate_is_refused(built, data_params, rates):
    with pytest.raises(ValueError, match=r"dataset.rates.*allowed are shares from 0 to 1 of \['egoexoclip/caption'"):
        dataset.run(changed(data_params, "dataset", rates=rates), built)


def test_a_sample_id_stays_once(built):
    table = pa.Table.from_pylist(read(built, "egore/samples")[:3], schema=None)
    kept, rejected = dataset.mixed(pa.concat_tables([table, table.slice(1, 1)]), rates={}, seed=7)
    assert kept.to_pylist() == table.to_pylist()
    assert rejected["reason"].tolist() == ["duplicate_sample_id"]


def test_the_same_question_about_nearly_the_same_span_is_asked_once(built):
    one = next(row for row in read(built, "egore/samples") if row["task"] == "qa")
    (span,) = one["media"]
    length_s = span["end_s"] - span["start_s"]
    others = [
        one | {"sample_id": "near", "media": [span | {"end_s": span["end_s"] - 0.1 * length_s}]},
        one | {"sample_id": "far", "media": [span | {"end_s": span["end_s"] - 0.5 * length_s}]},
        one | {"sample_id": "other", "answer": "something else"},
        one | {"sample_id": "told", "task": "caption", "media": [span | {"end_s": span["end_s"] - 0.1 * length_s}]},
    ]
    kept, rejected = dataset.mixed(pa.Table.from_pylist([one, *others], records.SAMPLE), rates={}, seed=7)
    assert rejected["reason"].tolist() == ["near_duplicate"]
    # of the two, the one that ends first
    assert kept["sample_id"].to_pylist() == ["near", "far", "other", "told"]

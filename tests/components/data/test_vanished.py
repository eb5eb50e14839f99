"""A corpus of which nothing is left stops the step that lost it; what came in empty may go out empty."""

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from components import records
from components.data import __main__ as data_main
from components.data import dataset, vanished
from tests.components.data.conftest import changed, write_annotations

NONE = {
    name: [] for name in ("videos", "narrations", "boxes", "intervals", "captions", "questions", "point_narrations")
}


def test_clips_that_are_all_too_short_stop_the_step(annotated, data_params):
    with pytest.raises(ValueError, match=r"step 'clips': nothing is left of egoexo4d \(\d+ rows came in\)") as error:
        data_main.run("clips", changed(data_params, "clips", min_frames=40), annotated)
    assert "under_min_frames" in str(error.value) and "params/data.yaml" in str(error.value)


def test_a_source_whose_narrations_are_all_lost_is_named_beside_one_that_is_whole(tmp_path, rows, data_params):
    others = [row | {"narration_id": f"o{n}", "source": "epic100"} for n, row in enumerate(rows["narrations"])]
    data_dir = write_annotations(tmp_path / "data", rows | {"narrations": rows["narrations"] + others})
    with pytest.raises(ValueError, match=rf"nothing is left of epic100 \({len(others)} rows came in\); the most"):
        data_main.run("clips", data_params, data_dir)


def test_media_that_are_all_missing_are_named_by_source(tmp_path, rows, data_params):
    captions = [row | {"source": "webvid"} for row in rows["captions"]]
    annotated = write_annotations(tmp_path / "data", rows | {"captions": captions})
    given = changed(data_params, "sources", webvid=tmp_path / "webvid")
    with pytest.raises(ValueError, match=r"step 'media': nothing is left of webvid \(\d rows .* missing_medium \d"):
        data_main.run("media", given, annotated)


def test_a_corpus_may_be_thinned_to_nothing_and_not_lost(built, data_params):
    counted = dataset.run(changed(data_params, "dataset", rates={"egore/qa": 0.0}), built)["row_counts"]
    vanished.require("dataset", counted, built)
    path = built / "dataset/samples.parquet"
    table = pq.read_table(path)
    records.write_table(path, table.filter(pc.not_equal(table["task"], "ground_temporal")), records.SAMPLE)
    with pytest.raises(ValueError, match=r"step 'dataset': nothing is left of egore/ground_temporal \(\d+ rows"):
        vanished.require("dataset", counted, built)


def test_every_sample_that_is_lost_stops_the_step(built):
    path = built / "egore/samples.parquet"
    records.write_table(path, [], records.SAMPLE)
    with pytest.raises(ValueError, match=r"step 'egore': nothing is left of short \(9 rows came in\)"):
        vanished.require("egore", [("short", 9, 0, 9), ("boxes", 0, 0, 0)], built)
    vanished.require("egore", [("short", 0, 0, 0)], built)


@pytest.mark.parametrize("step", ["media", "pretraining", "clips", "egoit", "egore"])
def test_what_came_in_empty_goes_out_empty(step, tmp_path, data_params):
    data_dir = write_annotations(tmp_path / "data", NONE | {"rejects": []})
    for table in ("clips", "rejects"):
        records.write_table(data_dir / f"clips/{table}.parquet", [], records.SCHEMAS[table])
    data_main.run(step, data_params, data_dir)

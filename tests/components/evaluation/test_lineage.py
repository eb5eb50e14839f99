"""What a score stands on, walked back through the tables of a small world."""

import json

import pyarrow.compute as pc
import pytest

from components import records
from components.evaluation import lineage


@pytest.fixture(scope="module")
def predictions(tiny_data, tmp_path_factory):
    """Predictions of three held-out questions, the second of them wrong; one of them also under a control."""
    samples = records.read_table(tiny_data / "dataset/samples.parquet", records.SAMPLE)
    samples = samples.filter(pc.and_(pc.equal(samples["task"], "ground_spatial"), pc.equal(samples["split"], "test")))
    rows = []
    for number, sample in enumerate(samples.slice(0, 3).to_pylist()):
        same = {name: sample[name] for name in ("sample_id", "take_id", "task", "view", "question", "answer")}
        row = same | {"completion": "(1, 2, 3, 4)", "parsed": None, "tokens": 4, "is_cut": False, "seconds": 0.1}
        row |= {"score_name": "miou", "score": [0.7, 0.0, 0.4][number], "condition": "model"}
        rows += [row, row | {"condition": "grey", "score": -1.0}]
    path = tmp_path_factory.mktemp("one") / "evaluation/predictions.parquet"
    records.write_table(path, rows, records.PREDICTION)
    return path


def test_the_worst_item_comes_first_with_its_second_of_film_and_its_row_of_annotation(tiny_data, predictions):
    found = lineage.of_metric(predictions, tiny_data, "ground_spatial/miou")
    assert found["score"].tolist() == [0.0, 0.4, 0.7]
    boxes = records.read_table(tiny_data / "annotations/boxes.parquet", records.BOX_LABEL).to_pandas()
    videos = records.read_videos(tiny_data).to_pandas().set_index("video_id")
    for row in found.to_dict("records"):
        [told] = row["annotation"]
        box = boxes[[box_id in told for box_id in boxes["box_id"]]].iloc[0]
        assert videos.loc[box["video_id"], "path"] == row["path"] and box["name"] in told
        assert row["start_s"] <= box["time_s"] <= row["end_s"]


def test_a_metric_that_is_not_there_names_those_that_are(tiny_data, predictions):
    with pytest.raises(ValueError, match=r"'ground_spatial/mioo' \(did you mean ground_spatial/miou\?\)"):
        lineage.of_metric(predictions, tiny_data, "ground_spatial/mioo")


def test_a_checkpoint_that_was_not_evaluated_is_told(tiny_data, tmp_path):
    with pytest.raises(ValueError, match="egoflow evaluate"):
        lineage.of_metric(tmp_path / "evaluation/predictions.parquet", tiny_data, "qa/accuracy")


def test_the_program_prints_json_lines(tiny_data, predictions, monkeypatch, capsys):
    words = ["why", "ground_spatial/miou", "--checkpoint", str(predictions.parents[1]), "--data", str(tiny_data)]
    monkeypatch.setattr("sys.argv", [*words, "--limit", "1", "--json"])
    assert lineage.main() == 0
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["score"] == 0.0

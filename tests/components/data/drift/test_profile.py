"""What a profile holds, and that it is the same for the same data."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.data.drift import histograms, profile
from components.data.drift.compare import compare
from tests.components.data.drift.made import profiled, samples


def test_of_the_miniature_every_part_is_counted(tiny_data, tmp_path):
    table = profile.write(tiny_data, tmp_path / "profile.parquet")
    counts = table.to_pandas().groupby("feature")["count"].sum()
    rows = pq.read_table(tiny_data / "dataset/samples.parquet").to_pandas()
    train = rows[rows["split"] == "train"]
    assert profile.totals(table) == {"takes": train["take_id"].nunique(), "samples": len(train)}
    assert counts["mixture"] == len(train) and counts["samples of a take"] == train["take_id"].nunique()
    parts = set(train["corpus"] + "/" + train["task"])
    assert all(
        f"{part}: {what}" in counts
        for part in parts
        for what in ("words of the answer", "question length", "window seconds")
    )
    assert {f"frames, {view}: {what}" for view in ("ego", "exo") for what in ("brightness", "motion")} <= set(
        counts.index
    )
    limits = {"alpha": 0.05, "psi": 0.1, "auc": 0.6, "growth": 0.2, "permutations": 99, "seed": 0}
    assert not [one for one in compare(table, profile.read(tmp_path / "profile.parquet"), **limits) if one.drifted]


def test_a_profile_is_small_and_draws_the_same_takes_of_other_data(tmp_path, monkeypatch):
    monkeypatch.setattr(profile, "MOST_TAKES", 20)
    monkeypatch.setattr(profile, "MOST_SAMPLES", 3)
    few, more = (profiled(tmp_path / str(n), samples(n, seed=1), monkeypatch) for n in (40, 44))
    drawn = [set(table["take_id"].to_pylist()) for table in (few, more)]
    assert [len(takes) for takes in drawn] == [20, 20] and len(drawn[0] & drawn[1]) >= 16
    sizes = few.to_pandas().query("feature == 'egore/qa: true option'").groupby("take_id")["count"].sum()
    assert set(sizes) == {3}
    assert profile.totals(few) == {"takes": 40, "samples": 640}  # of the whole dataset


def test_samples_of_the_test_split_are_not_in_it(tmp_path, monkeypatch):
    rows = samples(10, seed=1)
    for row in rows[:16]:
        row["split"] = "test"
    assert "1-0" not in profiled(tmp_path, rows, monkeypatch)["take_id"].to_pylist()
    with pytest.raises(ValueError, match="no sample of the split train"):
        profiled(tmp_path, rows[:16], monkeypatch)


def test_a_profile_of_another_format_is_refused(tmp_path, monkeypatch):
    profiled(tmp_path, samples(4, seed=1), monkeypatch)
    monkeypatch.setattr(profile, "FORMAT", "2")
    with pytest.raises(ValueError, match="of format 1, this version of the code compares those of format 2"):
        profile.read(tmp_path / "profile.parquet")


def test_bins_words_and_places_by_hand():
    assert histograms.bins("brightness", np.array([0.0, 7.9, 8.0, 255.0])).tolist() == ["0", "0", "8", "248"]
    assert histograms.bins("question length", np.array([5, 35, 1000])).tolist() == ["5", "30", "200"]
    said = histograms.words(pd.Series(["<think>C opens the box</think><answer>(8, 10)</answer>"]))
    assert said[0] == ["c", "opens", "the", "box"]
    target = pd.DataFrame(
        {
            "kind": ["text", "span", "box"],
            "span": [None, {"start_s": 4.0, "end_s": 6.0}, None],
            "box_xyxy": [None, None, [80.0, 0.0, 100.0, 20.0]],
        }
    )
    places = histograms.places(target, np.array([1.0, 10.0, 1.0])).tolist()
    assert places == [None, "tenth 6 of the window", "top right"]


def test_frames_by_hand():
    frames = np.zeros((3, 2, 2, 3), np.uint8)
    frames[1:, :, :, 0] = 100  # red from the second on
    found = histograms.of_frames(frames)
    assert found["brightness"] == pytest.approx([0, 29.9, 29.9]) and found["red share"] == pytest.approx([0, 1, 1])
    assert found["motion"] == pytest.approx([29.9, 0]) and found["contrast"] == pytest.approx([0, 0, 0])

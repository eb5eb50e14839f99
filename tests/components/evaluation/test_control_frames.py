"""Frames that show nothing of what is asked."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from components import records
from components.data.frames.store import FrameStore
from components.evaluation.control_frames import ControlFrames


@pytest.fixture(scope="module")
def store(tiny_data) -> FrameStore:
    return FrameStore(tiny_data / "frames")


@pytest.fixture(scope="module")
def train(tiny_data, store):
    table = records.read_table(tiny_data / "dataset" / "samples.parquet", records.SAMPLE)
    table = table.filter(pc.equal(table["split"], "train"))
    return table.filter(pa.array(store.holds(table["sample_id"])))


def test_grey_is_grey_in_the_number_and_size_of_the_frames(store, train):
    frames, size = ControlFrames(store, train), store.contract["size_px"]
    for kind in ("image", "clip", "window"):
        shown = frames.frames(f"grey/ego/{kind}")
        assert shown.shape == (store.contract[f"{kind}_frames"], size, size, 3) and shown.dtype == np.uint8
        assert (shown == 128).all()


def test_the_mean_frame_is_that_of_the_training_samples_of_the_view(store, train):
    few = train.filter(pc.equal(train["frame_kind"], "clip")).slice(0, 20)
    frames = ControlFrames(store, few)
    means = {
        view: np.mean([store.frames(row["sample_id"]) for row in few.to_pylist() if row["view"] == view], axis=(0, 1))
        for view in ("ego", "exo")
    }
    for view, exo_view, expected in (("ego", None, "ego"), ("exo", None, "exo"), ("ego", 0, "exo")):
        shown = frames.frames(f"mean_frame/{view}/clip", exo_view=exo_view)
        assert np.ptp(shown, axis=0).max() == 0 and np.abs(shown[0] - means[expected]).max() <= 0.51
    assert np.abs(means["ego"] - means["exo"]).max() > 1


def test_a_sample_has_its_own_frames_and_a_view_without_training_no_mean(store, train):
    name = train["sample_id"][0].as_py()
    frames = ControlFrames(store, train.filter(pc.equal(train["view"], "ego")))
    assert np.array_equal(frames.frames(name), store.frames(name))
    frames.check({"ego"})
    with pytest.raises(ValueError, match="no training sample of the view 'exo' came.*`mean_frame` out of `controls`"):
        frames.check({"ego", "exo"})

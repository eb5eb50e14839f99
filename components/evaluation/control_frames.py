"""Frames that show nothing of what is asked: mid-grey, and the mean training frame, beside those of the store."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.data.frames.store import FrameStore
from components.evaluation.items import GREY

MID_GREY = 128
MEAN_OF = 256  # training samples of each view, drawn once for all


class ControlFrames:
    """The frames of a store, and under the ids that `items.with_controls` makes those of the controls.

    Args:
        store: of the frames.
        train: rows of `records.SAMPLE`, training samples that the store has.
    """

    def __init__(self, store: FrameStore, train: pa.Table):
        self._store, self._train = store, train
        self._means: dict[str, np.ndarray] = {}  # by view

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        """Return the frames of a sample or of a control, uint8 [T, H, W, 3], RGB.

        Args:
            sample_id: of a sample, or "<control>/<view>/<frame kind>".
            exo_view: as `FrameStore.frames` takes it; the mean frame is then that of exo samples.
        """
        if "/" not in sample_id:
            return self._store.frames(sample_id, exo_view=exo_view)
        control, view, kind = sample_id.split("/")
        size_px = self._store.contract["size_px"]
        shape = (self._store.contract[f"{kind}_frames"], size_px, size_px, 3)
        if control == GREY:
            return np.full(shape, MID_GREY, np.uint8)
        return np.ascontiguousarray(np.broadcast_to(self._mean(view if exo_view is None else "exo"), shape))

    def check(self, views: Iterable[str]) -> None:
        """Check that these views have a mean frame, before anything is answered.

        Raises:
            ValueError: a view has no training sample.
        """
        for view in views:
            if not len(self._ids(view)):
                raise ValueError(
                    f"no training sample of the view {view!r} came, so there is no mean frame for the held-out ones; "
                    "take `mean_frame` out of `controls` in params/eval.yaml"
                )

    def _mean(self, view: str) -> np.ndarray:
        """Return the mean frame of training samples of a view, uint8 [H, W, 3]."""
        if view not in self._means:
            ids = self._ids(view)
            drawn = np.random.default_rng(0).permutation(len(ids))[:MEAN_OF]
            size_px = self._store.contract["size_px"]
            total = np.zeros((size_px, size_px, 3))
            for place in drawn:
                total += self._store.frames(ids[int(place)].as_py()).mean(axis=0)
            self._means[view] = (total / len(drawn)).round().astype(np.uint8)
        return self._means[view]

    def _ids(self, view: str) -> pa.ChunkedArray:
        return self._train.filter(pc.equal(self._train["view"], view))["sample_id"]

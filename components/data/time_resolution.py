"""Which questions about time the frames that a model is shown can tell the answer of."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.data.egore.perfect_seer import LEAST_IOU, perfect_iou
from components.video import middles


def is_resolvable(samples: pa.Table, *, shown: Mapping[str, tuple[int, slice]], time_step_s: float) -> np.ndarray:
    """Return for each sample whether a perfect seer of the frames that are shown could answer it, bool [samples].

    Only answers that are intervals can fail. The data step sees to it that all frames of a window suffice
    (components/data/egore/temporal_windows.py).

    Args:
        samples: rows of `records.SAMPLE`.
        shown: `frame_kind` -> the frames of a sample, and which of them are shown.
        time_step_s: answers are multiples of this, seconds.
    """
    span, media = pc.struct_field(samples["target"], "span"), samples["media"]
    asks_when = pc.and_(pc.is_valid(span), pc.equal(pc.list_value_length(media), 1)).to_numpy()
    fine = np.ones(len(samples), dtype=bool)
    for kind, (stored, chosen) in shown.items():
        rows = np.flatnonzero(asks_when & pc.equal(samples["frame_kind"], kind).to_numpy())
        if not len(rows):
            continue
        spans, moment = span.take(pa.array(rows)), pc.list_element(media.take(pa.array(rows)), 0)
        from_s, to_s = (pc.struct_field(spans, name).to_numpy() for name in ("start_s", "end_s"))
        window_s = pc.subtract(pc.struct_field(moment, "end_s"), pc.struct_field(moment, "start_s")).to_numpy()
        times_s = middles(window_s, stored)[:, chosen]
        frames = {"shown_s": times_s, "told_s": times_s, "window_s": window_s}
        fine[rows] = perfect_iou(from_s, to_s, time_step_s=time_step_s, **frames) >= LEAST_IOU
    return fine

"""Questions about time that a stage cannot teach, for it shows fewer frames than the data was made for."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.data.egore.perfect_seer import LEAST_IOU, perfect_iou
from components.models.frame_choice import evenly
from components.video import middles

logger = logging.getLogger(__name__)


def is_resolvable(
    samples: pa.Table, *, n_frames: Mapping[str, int], most_frames: int | None, time_step_s: float
) -> np.ndarray:
    """Return for each sample whether a perfect seer of the frames that are shown could answer it, bool [samples].

    Only answers that are intervals can fail. The data step sees to it that all frames of a window suffice
    (components/data/egore/temporal_windows.py).

    Args:
        samples: rows of `records.SAMPLE`.
        n_frames: frames of a sample by `frame_kind`.
        most_frames: of these, how many are shown; None for all.
        time_step_s: answers are multiples of this, seconds.
    """
    span, media = pc.struct_field(samples["target"], "span"), samples["media"]
    asks_when = pc.and_(pc.is_valid(span), pc.equal(pc.list_value_length(media), 1)).to_numpy()
    fine = np.ones(len(samples), dtype=bool)
    for kind, stored in n_frames.items():
        rows = np.flatnonzero(asks_when & pc.equal(samples["frame_kind"], kind).to_numpy())
        if not len(rows):
            continue
        spans, shown = span.take(pa.array(rows)), pc.list_element(media.take(pa.array(rows)), 0)
        from_s, to_s = (pc.struct_field(spans, name).to_numpy() for name in ("start_s", "end_s"))
        window_s = pc.subtract(pc.struct_field(shown, "end_s"), pc.struct_field(shown, "start_s")).to_numpy()
        times_s = middles(window_s, stored)[:, evenly(stored, most_frames)]
        frames = {"shown_s": times_s, "told_s": times_s, "window_s": window_s}
        fine[rows] = perfect_iou(from_s, to_s, time_step_s=time_step_s, **frames) >= LEAST_IOU
    return fine


def leave_out(samples: pa.Table, mixture: Mapping[str, float], **shown) -> pa.Table:
    """Leave out the training samples that `is_resolvable` finds wanting, and say how many they are.

    Args:
        samples: rows of `records.SAMPLE`.
        mixture: of the stage; only samples of its keys are counted.
        shown: the other arguments of `is_resolvable`.

    Raises:
        ValueError: none would be left of a key of the mixture.
    """
    fine = is_resolvable(samples, **shown)
    used = samples.select(["corpus", "task", "view", "split"]).to_pandas()
    keys = (used["corpus"] + "/" + used["task"] + "/" + used["view"])[used["split"] == "train"]
    for key in mixture:
        told = fine[keys.index[keys == key]]
        if len(told) and not told.any():
            raise ValueError(
                f"`max_frames` {shown['most_frames']} came, but so few frames cannot tell when any of the {len(told)} "
                f"events of {key} happens: allowed are up to {max(shown['n_frames'].values())}; mend the recipe"
            )
        if not told.all():
            logger.warning(
                "%s: %d of %d samples are left out, whose time %d frames cannot tell; a larger `max_frames` keeps more",
                *(key, len(told) - told.sum(), len(told), shown["most_frames"]),
            )
    return samples.filter(pa.array(fine))

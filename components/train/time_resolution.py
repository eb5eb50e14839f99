"""Questions about time that a stage cannot teach, for it shows fewer frames than the data was made for."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pyarrow as pa

from components.data.time_resolution import is_resolvable
from components.models.frame_choice import evenly

logger = logging.getLogger(__name__)


def leave_out(
    samples: pa.Table,
    mixture: Mapping[str, float],
    *,
    n_frames: Mapping[str, int],
    most_frames: int | None,
    time_step_s: float,
) -> pa.Table:
    """Leave out the training samples that `is_resolvable` finds wanting, and say how many they are.

    Args:
        samples: rows of `records.SAMPLE`.
        mixture: of the stage; only samples of its keys are counted.
        n_frames: frames of a sample by `frame_kind`.
        most_frames: of these, how many are shown; None for all.
        time_step_s: answers are multiples of this, seconds.

    Raises:
        ValueError: none would be left of a key of the mixture.
    """
    shown = {kind: (count, evenly(count, most_frames)) for kind, count in n_frames.items()}
    fine = is_resolvable(samples, shown=shown, time_step_s=time_step_s)
    used = samples.select(["corpus", "task", "view", "split"]).to_pandas()
    keys = (used["corpus"] + "/" + used["task"] + "/" + used["view"])[used["split"] == "train"]
    for key in mixture:
        told = fine[keys.index[keys == key]]
        if len(told) and not told.any():
            raise ValueError(
                f"`max_frames` {most_frames} came, but so few frames cannot tell when any of the {len(told)} "
                f"events of {key} happens: allowed are up to {max(n_frames.values())}; mend the recipe"
            )
        if not told.all():
            logger.warning(
                "%s: %d of %d samples are left out, whose time %d frames cannot tell; a larger `max_frames` keeps more",
                *(key, len(told) - told.sum(), len(told), most_frames),
            )
    return samples.filter(pa.array(fine))

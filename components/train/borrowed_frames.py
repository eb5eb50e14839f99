"""The frames of samples that a teacher answered: they are those of the segments that the samples were made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.data.frames.store import FrameStore

Places = Mapping[str, tuple[str, int | None]]  # sample id -> the sample that bears its frames, and which exo view


def places(samples: pa.Table, made: pa.Table) -> Places:
    """Find out where the frames of samples lie that were made from others.

    Args:
        samples: rows of `records.SAMPLE` whose frames are in the store.
        made: rows that were made from one of them each, of the same moment in its own view or in an exo view of it.

    Raises:
        ValueError: a sample was made from one that is not there, or shows a view that this one does not have.
    """
    wanted = pc.is_in(samples["sample_id"], value_set=pc.list_flatten(made["parents"]).combine_chunks())
    bearers = samples.filter(wanted).select(["sample_id", "paired"]).to_pylist()
    views = {row["sample_id"]: [media["video_id"] for media in row["paired"]] for row in bearers}
    found: dict[str, tuple[str, int | None]] = {}
    for row in made.select(["sample_id", "view", "media", "parents"]).to_pylist():
        [bearer], video = row["parents"], row["media"][0]["video_id"]
        if bearer not in views or (row["view"] == "exo" and video not in views[bearer]):
            raise ValueError(
                f"sample {row['sample_id']!r} was made from {bearer!r}, seen in video {video!r}, and the data has no "
                "such sample with such a view: the teacher was asked about other data. Run its stage again"
            )
        found[row["sample_id"]] = (bearer, views[bearer].index(video) if row["view"] == "exo" else None)
    return found


class BorrowedFrames(FrameStore):
    """A frame store in which samples that were made from others have the frames of those.

    Args:
        root: folder of the frames.
        bearers: as `places` gives them.
    """

    def __init__(self, root: Path, bearers: Places) -> None:
        super().__init__(root)
        self._bearers = bearers

    def __reduce__(self) -> tuple:
        return BorrowedFrames, (self.root, self._bearers)

    def holds(self, sample_ids: Sequence[str] | pa.ChunkedArray) -> np.ndarray:
        """Return which of many samples have frames, of their own or borrowed: bool [samples]."""
        names = sample_ids.to_pylist() if isinstance(sample_ids, pa.ChunkedArray) else sample_ids
        return super().holds([self._bearers.get(name, (name, None))[0] for name in names])

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        """Return the frames of a sample, as `FrameStore.frames` does; of an exo sample there are no other views."""
        bearer, borrowed = self._bearers.get(sample_id, (sample_id, None))
        return super().frames(bearer, exo_view=borrowed if exo_view is None else exo_view)

    def ego_frames(self, sample_id: str) -> np.ndarray:
        """Return the ego frames of the segment that a sample was made from, whatever view the sample shows.

        Raises:
            KeyError: the sample was made from none.
        """
        return super().frames(self._bearers[sample_id][0])

"""EgoIT's captioning samples: narrated clips in every view, and narrated intervals."""

from __future__ import annotations

import pandas as pd

from components.data import sample_table
from components.data.egoit.instruction_sampling import Instructions, sampled
from components.prompts.kitchen_grammar import normalise
from components.records import content_id


def exo_views(clips: pd.DataFrame, *, seed: int) -> pd.Series:
    """List the exo videos of each moment, by `moment_id`.

    Their order is drawn by content: who looks at the first alone, as the evaluation does, sees every camera as often.
    """
    exo = clips[clips["view"] == "exo"]
    order = [content_id(seed, "pair", clip) for clip in exo["clip_id"]]
    return exo.assign(order=order).sort_values("order").groupby("moment_id")["video_id"].agg(list)


def clip_captions(clips: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Lay out clips as caption samples without corpus and question: the narration is the answer, in every view."""
    frame = _narrated(clips).assign(question_type="narration", parent=clips["clip_id"])
    # only ego samples have other views: an exo clip is an exo view itself
    views = frame["moment_id"].where(frame["view"] == "ego").map(exo_views(clips, seed=seed))
    return frame.assign(paired_video_ids=views)


def captions(clips: pd.DataFrame, instructions: Instructions, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn narrated clips of every view into captioning samples.

    Args:
        clips: rows of `records.CLIP`.
        instructions: of captioning, by source.
        seed: of the order of the exo views and of the instruction.

    Returns:
        Samples for `sample_table.table`, and the clips of sources without instructions.
    """
    return _instructed(clip_captions(clips, seed=seed), instructions, seed=seed)


def interval_captions(
    intervals: pd.DataFrame, videos: pd.DataFrame, instructions: Instructions, *, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn narrated intervals into captioning samples.

    Args:
        intervals: rows of `records.INTERVAL`.
        videos: rows of `records.VIDEO`, which tell the view.
        instructions: of captioning, by source.
        seed: of the instruction.

    Returns:
        Samples for `sample_table.table`, and the intervals of unknown videos or of sources without instructions.
    """
    frame = intervals.merge(videos[["video_id", "view"]], on="video_id", how="left")
    unknown = frame["view"].isna()
    lost = sample_table.dropped(frame[unknown], "no_video", row_id="interval_id", detail="video_id")
    frame = _narrated(frame[~unknown]).assign(question_type="interval", parent=frame["interval_id"])
    made, rejected = _instructed(frame, instructions, seed=seed)
    return made, pd.concat([lost, rejected])


def _narrated(frame: pd.DataFrame) -> pd.DataFrame:
    """Lay out narrated rows as caption samples; a narration of the kitchen's grammar is said in its one normal form."""
    said = [normalise(text) for text in frame["text"]]
    return frame.assign(task="caption", frame_kind="clip", kind="text", answer=said, text=said)


def _instructed(frame: pd.DataFrame, instructions: Instructions, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = frame.assign(corpus="egoit", question=sampled(frame["parent"], frame["source"], instructions, seed=seed))
    unknown = frame["question"].isna()
    return frame[~unknown], sample_table.dropped(frame[unknown], "no_instructions", row_id="parent", detail="source")

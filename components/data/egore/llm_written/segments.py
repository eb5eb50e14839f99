"""What a language model is asked about: clips, windows over a few narrations, and long windows over many events."""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.data import sample_table
from components.data.egore.multiple_choice import random_draws
from components.data.egore.rule_based.fact_codes import expand
from components.data.egore.rule_based.short_questions.count import MOST_NARRATIONS
from components.data.egore.rule_based.timeline import APART_S, Timeline, fitted, timeline

CLIP, WINDOW = ("existence", "attribute", "interaction", "action", "background"), ("count", "reason")
LONG, NEXT = ("sequence", "counting", "summary", "reasoning"), "prediction"
WINDOW_SHARE = len(WINDOW) / (len(CLIP) + len(WINDOW))  # of the clips, those that a window starts from

COLUMNS = [
    "source",
    "take_id",
    "split",
    "video_id",
    "view",
    "start_s",
    "end_s",
    "frame_kind",
    "parent",
    "types",
    "narrations",
]


def of_clips(
    clips: pd.DataFrame, annotations: dict[str, pd.DataFrame], *, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one segment for each ego clip: the clip, or a window from it on.

    Args:
        clips: the table of components/records/schemas.py, every view.
        annotations: the tables "narrations", "boxes" and "videos".
        seed: of the draw of the clips that a window starts from.

    Returns:
        `COLUMNS` and `seen`, the names of the boxes in the segment; and the rejects, clips of a wrong length.
    """
    fit, rejected = fitted(clips[clips["view"] == "ego"], annotations["videos"])
    fit = fit.reset_index(drop=True)
    take, takes = pd.factorize(fit["take_id"])
    line, at = timeline(fit, annotations["narrations"], pd.Index(takes))
    to = _reached(line, at)
    joined = (random_draws(seed, "segment", of=fit["clip_id"])[:, 0] <= WINDOW_SHARE) & (to > at)
    made = fit.assign(
        end_s=np.where(joined, line.end_s[to], fit["end_s"]),
        frame_kind=np.where(joined, "window", "clip"),
        types=[WINDOW if window else CLIP for window in joined],
        parent=fit["clip_id"],
    )
    spans = made["start_s"].to_numpy(), made["end_s"].to_numpy()
    rows, place = expand(*line.within(take, *spans))
    rows, place = rows[line.sure[place]], place[line.sure[place]]
    after_s = np.maximum(line.time_s[place] - spans[0][rows], 0)
    lines = [f"{time_s:.1f} s: {text}" for time_s, text in zip(after_s, line.text[place].to_numpy(), strict=True)]
    made["narrations"] = _joined(rows, lines, len(made), "\n")
    made["seen"] = _seen(made, annotations["boxes"])
    # every narration of the clip may be doubted by its annotator
    empty = made["narrations"] == ""
    made.loc[empty, "narrations"] = "0.0 s: " + made.loc[empty, "text"]
    return made[[*COLUMNS, "seen"]], rejected


def _reached(line: Timeline, at: np.ndarray) -> np.ndarray:
    """Return the last of the next narrations that a window from each one can hold, itself where there is none."""
    to = at
    for more in range(1, MOST_NARRATIONS):
        further = np.minimum(at + more, len(line.take) - 1)
        to = np.where((at + more == further) & line.fits_one_question(at, further), further, to)
    return to


def _seen(spans: pd.DataFrame, boxes: pd.DataFrame) -> list[str]:
    boxes = boxes.sort_values(["video_id", "time_s"], kind="stable")
    videos = pd.Index(boxes["video_id"].unique())
    line = videos.get_indexer(boxes["video_id"]) * APART_S + boxes["time_s"].to_numpy()
    begin = videos.get_indexer(spans["video_id"]) * APART_S
    rows, box = expand(*(np.searchsorted(line, begin + spans[name].to_numpy()) for name in ("start_s", "end_s")))
    names = boxes["name"].to_numpy()[box]
    first = ~pd.DataFrame({"row": rows, "name": names}).duplicated()
    return _joined(rows[first], names[first], len(spans), ", ")


def _joined(rows: np.ndarray, texts: list[str] | np.ndarray, count: int, mark: str) -> list[str]:
    """Join the texts of each row, which stand one after the other; empty where a row has none."""
    parts: list[list[str]] = [[] for _ in range(count)]
    for row, text in zip(rows, texts, strict=True):
        parts[row].append(text)
    return [mark.join(part) for part in parts]


def of_windows(events: pd.DataFrame, rejects: pd.DataFrame, *, min_s: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one segment for each long window.

    Args:
        events: as `long_term.windows` returns them.
        rejects: of the annotations; a rejected event may be in any window of its take.
        min_s: shorter windows are rejected.

    Returns:
        `COLUMNS` and `after`, the event right after the window, None where the annotations end with it; and the
        rejects, windows of a take with a rejected event and short ones.
    """
    from_s, to_s = (events[name] - events["window_start_s"] for name in ("start_s", "end_s"))
    lines = from_s.map("{:.1f}".format) + " to " + to_s.map("{:.1f}".format) + " s: " + events["text"]
    first = events.drop_duplicates("window")
    after = first["text"].where(first["labels"] == first["labels"].shift()).shift(-1).astype(object)
    after = after.where(after.notna(), None)
    made = first.assign(
        start_s=first["window_start_s"],
        end_s=first["window_end_s"],
        frame_kind="window",
        parent=first["video_id"],
        narrations=first["window"].map(lines.groupby(events["window"]).agg("\n".join)),
        types=[LONG if text is None else (*LONG, NEXT) for text in after],
        after=after,
    )
    # a rejected annotation has the row id "take/annotation" and the step "annotations/source"
    lost = rejects["step"].str.removeprefix("annotations/") + "/" + rejects["row_id"].str.split("/").str[0]
    missing = (made["source"] + "/" + made["take_id"]).isin(lost)
    short = made["end_s"] - made["start_s"] < min_s
    reason = np.select([missing, short], ["take_has_rejected_event", "window_too_short"], "")
    dropped = sample_table.dropped(made, reason, row_id="video_id", detail="source")
    return made.loc[reason == "", [*COLUMNS, "after"]].reset_index(drop=True), dropped

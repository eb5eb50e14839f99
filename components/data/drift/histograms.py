"""What of samples and frames is counted, and in which bins: the same in every profile, so that two can be compared."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

# what is measured as a number -> lower ends of its bins, the last one without an upper end; all else are categories
EDGES: dict[str, np.ndarray] = {
    "samples of a take": np.concatenate([[0], np.geomspace(1, 2**16, 49)]),
    "question length": np.concatenate([np.arange(31), [40, 60, 100, 200]]),
    "answer length": np.concatenate([np.arange(31), [40, 60, 100, 200]]),  # words
    "window seconds": np.concatenate([[0], np.geomspace(2**-3, 2**12, 46)]),
    "brightness": np.arange(0, 256, 8),  # mean grey of a frame, 0 to 255
    "contrast": np.arange(0, 128, 4),  # standard deviation of its grey
    "red share": np.arange(64) / 64,  # of the sum of the three colours; does not move with the light
    "blue share": np.arange(64) / 64,
    "motion": np.concatenate([[0], np.geomspace(2**-2, 2**7, 28)]),  # mean change of grey from frame to frame
}
SAMPLES = "(samples)"  # of features that count in how many samples each word stands: how many samples there are
_TAG, _WORD = re.compile(r"<[^>]*>"), re.compile(r"[^\W\d_]+")
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue, ITU-R BT.601
_TENTHS, _THIRDS = 10, 3


def bins(what: str, values: np.ndarray) -> np.ndarray:
    """Return the bin of each number as the text of its lower end, shape [N].

    Args:
        what: a name of `EDGES`.
        values: [N] finite and not negative.
    """
    edges = EDGES[what]
    names = np.array([f"{edge:g}" for edge in edges], dtype=object)
    return names[np.searchsorted(edges, values, side="right") - 1]


def words(texts: pd.Series) -> pd.Series:
    """Return the words of each text in small letters, lists; numbers and tags such as <think> are none."""
    return texts.str.lower().str.replace(_TAG, " ", regex=True).str.findall(_WORD)


def places(target: pd.DataFrame, window_s: np.ndarray) -> np.ndarray:
    """Return where the truth lies, as a category, shape [N]; None for targets that are texts or options.

    Args:
        target: `kind`, and of an interval `span` (`start_s`, `end_s`), of a box `box_xyxy` in percent of the frame.
        window_s: [N] seconds that each sample shows.
    """
    found = np.full(len(target), None, dtype=object)
    for row, (kind, span, box) in enumerate(zip(target["kind"], target["span"], target["box_xyxy"], strict=True)):
        if kind == "span":
            middle = (span["start_s"] + span["end_s"]) / 2 / window_s[row]
            found[row] = f"tenth {1 + min(_TENTHS - 1, int(_TENTHS * middle))} of the window"
        elif kind == "box":
            column, line = (min(_THIRDS - 1, int(_THIRDS * (box[at] + box[at + 2]) / 200)) for at in (0, 1))
            found[row] = f"{('top', 'middle', 'bottom')[line]} {('left', 'centre', 'right')[column]}"
    return found


def of_frames(frames_THWC: np.ndarray) -> dict[str, np.ndarray]:
    """Measure the frames of one clip.

    Args:
        frames_THWC: uint8 [T, H, W, 3], RGB.

    Returns:
        Name of `EDGES` -> a number for each frame [T]; of motion, for each but the first [T - 1].
    """
    colour_THWC = frames_THWC.astype(np.float32)
    grey_THW = colour_THWC @ _GREY
    mean_TC = colour_THWC.mean((1, 2))
    share_TC = mean_TC / np.maximum(mean_TC.sum(1, keepdims=True), 1)  # a black frame has no colour
    return {
        "brightness": grey_THW.mean((1, 2)),
        "contrast": grey_THW.std((1, 2)),
        "red share": share_TC[:, 0],
        "blue share": share_TC[:, 2],
        "motion": np.abs(np.diff(grey_THW, axis=0)).mean((1, 2)),
    }

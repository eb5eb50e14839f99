"""Reward for naming the frames that show the answer (K-cite, systems §3)."""

from components.prompts import MOST_CITED, parse_frames, split_think_answer
from components.rewards.correctness import is_correct

_TOLERANCE = 1  # frames to either side that still count
_TOO_MANY = 0.1  # taken off for each frame beyond MOST_CITED


def key_frames_cite_reward(completion: str, sample: dict) -> float | None:
    """Return the F1 of the cited frames against the salient ones, less 0.1 for each frame cited beyond three.

    Each cited frame may stand for one salient frame, and each salient frame be found once: three neighbours of one
    key frame are one hit. Where more frames are salient than may be cited, finding as many as may be cited is enough.
    A wrong answer earns 0.0, for nobody should cite without solving.

    Args:
        completion: `<think>...<frames>i,j,...</frames>...</think><answer>...</answer>`, frames numbered from 0.
        sample: a row of `records.SAMPLE`, with `salient_frames`, the numbers of the frames that show the answer.

    Returns:
        At most 1.0; below 0 where many frames are cited. None where the salient frames are not known.

    >>> span = {"kind": "span", "span": {"start_s": 2.0, "end_s": 4.0}}
    >>> said = "<think>it is cut <frames>2, 9</frames></think><answer>(2, 4)</answer>"
    >>> key_frames_cite_reward(said, {"target": span, "salient_frames": [2, 3]})
    0.5
    """
    salient, right = sample.get("salient_frames"), is_correct(completion, sample)
    if not salient or right is None:
        return None
    parts = split_think_answer(completion)
    cited = parse_frames(parts[0]) if parts else None
    if not right or not cited:
        return 0.0
    hits = _pairs(sorted(cited), sorted(set(salient)))
    precision, recall = hits / len(cited), min(1.0, hits / min(MOST_CITED, len(set(salient))))
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return f1 - _TOO_MANY * max(0, len(cited) - MOST_CITED)


def _pairs(cited: list[int], salient: list[int]) -> int:
    """Count the most pairs of a cited and a salient frame within the tolerance, none used twice; both sorted."""
    hits = at = 0
    for frame in cited:
        while at < len(salient) and salient[at] < frame - _TOLERANCE:
            at += 1
        if at < len(salient) and salient[at] <= frame + _TOLERANCE:
            hits, at = hits + 1, at + 1
    return hits

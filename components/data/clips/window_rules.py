"""The window rules of the clip ablation: from one narration time t_i to a span of its video (systems §1.1, §7 X4).

A timeline has narrations t_0 < ... < t_n and density beta = (t_n - t_0) / n seconds; alpha is the mean beta of the
source; L is `length_s`, or alpha where none is given.

| rule            | span                                       | source                                        |
|-----------------|--------------------------------------------|-----------------------------------------------|
| fixed           | t_i to t_i + L                             | EgoVLP, ablation of the pairing (there L = alpha) |
| centred         | t_i - L/2 to t_i + L/2                     | the same                                      |
| neighbours      | t_(i-1) to t_(i+1)                         | the same                                      |
| beta            | t_i - beta/2 to t_i + beta/2               | the same                                      |
| beta_over_alpha | t_i - beta/(2 alpha) to t_i + beta/(2 alpha) | EgoVLP's choice; Exo2Ego's with the clamp   |

The clamp, Exo2Ego's addition, cuts a span at the neighbouring narrations; every span is cut at the ends of its video.
Where the sources are silent: the ratio beta/alpha has no unit and is read as seconds, as EgoVLP's mean of one second
says; `neighbours` ends at the narration itself on the side where the timeline has no other; a timeline of one
narration has no beta and no neighbour, so that only `fixed` and `centred` give it a span.
"""

from __future__ import annotations

import numpy as np
import pandas as pd


def betas(times_s: np.ndarray, *, timeline: np.ndarray) -> pd.Series:
    """Return the mean distance of neighbouring narrations of each timeline, seconds; NaN for a single narration.

    Args:
        times_s: narration times, not decreasing inside each timeline, shape [N].
        timeline: label of the timeline of each narration, shape [N]; the rows of a timeline follow one another.
    """
    times_s, timeline = np.asarray(times_s, dtype=np.float64), np.asarray(timeline)
    first = firsts(timeline)
    count = np.diff(first, append=len(timeline))
    span_s = times_s[first + count - 1] - times_s[first]
    return pd.Series(np.divide(span_s, count - 1, out=np.full(len(first), np.nan), where=count > 1), timeline[first])


def windows(
    times_s: np.ndarray,
    duration_s: np.ndarray,
    alpha_s: float | np.ndarray,
    *,
    timeline: np.ndarray,
    rule: str = "beta_over_alpha",
    clamp: bool = True,
    length_s: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Expand narrations into spans by a rule of this module.

    Args:
        times_s: narration times inside their video, strictly increasing inside each timeline, shape [N].
        duration_s: length of the video, shape [N].
        alpha_s: mean beta of the source, seconds: one for all, or shape [N]; NaN where it is not known.
        timeline: label of the timeline, shape [N]; the rows of a timeline follow one another.
        rule: "fixed", "centred", "neighbours", "beta" or "beta_over_alpha".
        clamp: cut spans at the neighbouring narrations.
        length_s: L of `fixed` and `centred`, seconds; None is alpha.

    Returns:
        start_s and end_s, shape [N]; NaN where the rule gives the narration no span.

    Raises:
        ValueError: times are equal or out of order inside a timeline; or the rule is unknown.
    """
    times_s, duration_s = (np.asarray(values, dtype=np.float64) for values in (times_s, duration_s))
    timeline = np.asarray(timeline)
    first = firsts(timeline)
    before_s, after_s = _neighbours(times_s, first)
    unordered = before_s >= times_s
    if unordered.any():
        raise ValueError(
            f"timeline {timeline[unordered][0]!r}: narration times must be strictly increasing; "
            "sort them and collapse equal ones first"
        )
    given_s = alpha_s if length_s is None else length_s
    if rule == "fixed":
        start_s, end_s = times_s, times_s + given_s
    elif rule == "centred":
        start_s, end_s = times_s - given_s / 2, times_s + given_s / 2
    elif rule == "neighbours":
        alone = np.isinf(before_s) & np.isinf(after_s)
        start_s = np.where(np.isinf(before_s), np.where(alone, np.nan, times_s), before_s)
        end_s = np.where(np.isinf(after_s), np.where(alone, np.nan, times_s), after_s)
    elif rule in ("beta", "beta_over_alpha"):
        beta_s = np.repeat(betas(times_s, timeline=timeline).to_numpy(), np.diff(first, append=len(timeline)))
        half_s = beta_s / (2 if rule == "beta" else 2 * alpha_s)
        start_s, end_s = times_s - half_s, times_s + half_s
    else:
        raise ValueError(
            f"clips.rule is {rule!r}, allowed are fixed, centred, neighbours, beta and beta_over_alpha; "
            "mend it in params/data.yaml"
        )
    if clamp:
        start_s, end_s = np.maximum(start_s, before_s), np.minimum(end_s, after_s)
    return np.maximum(start_s, 0.0), np.minimum(end_s, duration_s)


def firsts(timeline: np.ndarray) -> np.ndarray:
    """Return the row on which each timeline begins, shape [timelines]."""
    begins = np.ones(len(timeline), dtype=bool)
    begins[1:] = timeline[1:] != timeline[:-1]
    return np.flatnonzero(begins)


def _neighbours(times_s: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the times of the narrations before and after on the same timeline; minus and plus infinity at its ends."""
    before_s, after_s = np.empty_like(times_s), np.empty_like(times_s)
    before_s[1:], after_s[:-1] = times_s[:-1], times_s[1:]
    before_s[first] = -np.inf
    after_s[first[1:] - 1], after_s[-1:] = np.inf, np.inf
    return before_s, after_s

"""Queries about what was acted out twice, once for each view: the films tell of one thing at times of their own.

Charades-Ego's pairs are such, and EgoExo-Con has items of them (systems §5.1): an action that both films are labelled
with is asked in each, and is right where that film's own label has it.
"""

from __future__ import annotations

import pandas as pd

from components.data.egoexo_con import happening
from components.data.egore.free_text.same_event import content_words
from components.records import SYNCHRONIZED, content_id

VIEWS = ("ego", "exo")
TIMES = ["start_s", "end_s", "from_s", "to_s"]  # of the window in its film, and of the event in the window
_KEYS = ["source", "take_id", "event"]


def queries(timed: pd.DataFrame, intervals: pd.DataFrame, videos: pd.DataFrame) -> pd.DataFrame:
    """Return the actions that both films of a pair are labelled with, a row for each, as `step.queries` does.

    Args:
        timed: samples of `grounding.temporal`, of any view: an action that comes twice in its window is none of them.
        intervals: table of components/records/schemas.py.
        videos: table of components/records/schemas.py.

    Returns:
        The columns of `step.queries`, with `times`: view -> the four of TIMES in its own film.
    """
    # where views are synchronized, an exo film is asked about the events of the ego film (egore/ego_exo_questions.py)
    own = videos.loc[~videos["source"].isin(SYNCHRONIZED), ["video_id"]]
    asked = timed.merge(own, on="video_id").sort_values(["parent", "start_s"]).drop_duplicates([*_KEYS, "view"])
    of_view = [asked.loc[asked["view"] == view, [*_KEYS, "parent", "video_id", *TIMES]] for view in VIEWS]
    both = of_view[0].merge(of_view[1], on=_KEYS, suffixes=("_ego", "_exo"))
    labels = intervals[intervals["video_id"].isin(own["video_id"])]
    by_video = dict(tuple(labels.groupby("video_id")))
    known = {source: sorted(set(part["text"])) for source, part in labels.groupby("source")}
    return pd.DataFrame([_query(pair, by_video, known[pair["source"]]) for pair in both.to_dict("records")])


def _query(pair: dict, by_video: dict[str, pd.DataFrame], known: list[str]) -> dict:
    times = {view: [pair[f"{name}_{view}"] for name in TIMES] for view in VIEWS}
    facts = {view: _facts(by_video[pair[f"video_id_{view}"]], *times[view][:2]) for view in VIEWS}
    query_id = content_id(pair["parent_ego"], pair["parent_exo"])
    told = {"told": sorted({event for of in facts.values() for event, _, _ in of}), "in_kitchen": False}
    return {
        "query_id": query_id,
        "source": pair["source"],
        "take": pair["take_id"],
        "event": pair["event"],
        "false_event": _false_event(pair["event"], query_id, told, known),
        "times": times,
        **dict(zip(TIMES, times["ego"], strict=True)),
        **{f"video_{view}": pair[f"video_id_{view}"] for view in VIEWS},
        **{f"facts_{view}": facts[view] for view in VIEWS},
        **{f"is_visible_{view}": True for view in VIEWS},  # each film was labelled by itself
        **told,
    }


def _facts(labels: pd.DataFrame, start_s: float, end_s: float) -> list[tuple[str, float, float]]:
    """Return what is labelled in a window: (event, start, end), seconds from its start."""
    shown = labels[(labels["start_s"] < end_s) & (labels["end_s"] > start_s)].sort_values(["start_s", "end_s", "text"])
    return [
        (text, max(from_s - start_s, 0.0), min(to_s, end_s) - start_s)
        for text, from_s, to_s in shown[["text", "start_s", "end_s"]].itertuples(index=False, name=None)
    ]


def _false_event(event: str, query_id: str, told: dict, known: list[str]) -> str | None:
    """Return the label most like an event that happens in neither film; None where every label may."""
    words = content_words(event)
    false = [each for each in known if not happening.happens(told, each)]
    return min(false, key=lambda each: (-len(words & content_words(each)), content_id(query_id, each)), default=None)

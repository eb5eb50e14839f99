"""The questions that rules ask of both kinds of takes: those of the miniature kitchen, and those that people narrated.

The kitchen has a closed grammar, by which a table of millions of rows is asked in numbers (`rule_based`); what people
say is read sentence by sentence (`free_text`). A take is of one kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pandas as pd

from components.data.egore import events, grounding
from components.data.egore.free_text import told
from components.data.egore.free_text.short_term import short_term as short_term_of_people
from components.data.egore.rule_based.long_term import long_term
from components.data.egore.rule_based.short_term import short_term
from components.data.egore.rule_based.verification import misaligned
from components.data.egore.temporal_windows import WindowRules
from components.data.partition.runner import RowCounts
from components.params import EgoRe
from components.prompts import kitchen_grammar
from components.prompts.narration_text import cleaned, read_narration

Made = tuple[list[pd.DataFrame], list[pd.DataFrame], RowCounts]  # rows, rejects, row counts


@dataclass(frozen=True)
class Takes:
    """The takes of a partition.

    Attributes:
        clips: as `events.of_takes` returns them.
        annotations: tables by name; `intervals` are as `events.of_videos` returns them.
        kitchen: ids of the takes of the kitchen.
        told: what is told of the others.
    """

    clips: pd.DataFrame
    annotations: dict[str, pd.DataFrame]
    kitchen: set[str]
    told: told.Told


def takes_of(clips: pd.DataFrame, annotations: dict[str, pd.DataFrame], *, seed: int) -> Takes:
    """Tell the kinds of takes apart, and read what people say.

    Args:
        clips: as `events.of_takes` returns them.
        annotations: tables by name; `intervals` are as `events.of_videos` returns them.
        seed: of all draws.
    """
    intervals, narrations = annotations["intervals"], annotations["narrations"]
    kitchen = events.takes_of_the_kitchen(clips, narrations, intervals)
    narrated = [_of(table, kitchen, keep=False) for table in (clips[clips["view"] == "ego"], narrations, intervals)]
    return Takes(clips, annotations, kitchen, told.read(*narrated, seed=seed))


def _of(table: pd.DataFrame, take_ids: set[str], *, keep: bool) -> pd.DataFrame:
    return table[table["take_id"].isin(take_ids) == keep]


def short_and_long(takes: Takes, egore: EgoRe, *, seed: int) -> Made:
    """Ask the short-term and the long-term questions.

    Args:
        takes: of the partition.
        egore: the block of params/data.yaml.
        seed: of all draws.
    """
    clips, annotations, draws = takes.clips, takes.annotations, {"choices": egore.choices, "seed": seed}
    videos, intervals, rejects = (annotations[name] for name in ("videos", "intervals", "rejects"))
    scripted, told = (_of(clips, takes.kitchen, keep=keep) for keep in (True, False))
    short = {"per_clip": egore.short_per_clip, "cot_fraction": egore.cot_fraction, **draws}
    asked = [
        partial(short_term, **short)(scripted, annotations),
        partial(short_term_of_people, **short)(told[told["view"] == "ego"], videos, takes.told),
    ]
    scripted, told = (_of(intervals, takes.kitchen, keep=keep) for keep in (True, False))
    long = {"min_s": egore.long_min_s, "max_s": egore.long_max_s, "per_window": egore.long_per_window, **draws}
    people = partial(long_term, **long, read=read_narration, ask=takes.told.ask_window)
    by_window = [
        partial(long_term, **long)(scripted, videos, rejects),
        # what people leave out is not known either: a rejected annotation spoils no window of theirs
        people(told, videos, rejects.iloc[:0]),
    ]
    return (
        [rows for rows, _, _ in (*asked, *by_window)],
        [rejected for _, rejected, _ in (*asked, *by_window)],
        [*(count for _, _, counts in asked for count in counts), *(count for _, _, count in by_window)],
    )


def temporal(takes: Takes, rules: WindowRules, *, seed: int) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    """Ask when each event happens.

    Args:
        takes: of the partition.
        rules: how windows are cut.
        seed: of the draw of false events.

    Returns:
        As `grounding.temporal` does, for each kind of takes, with the `false_event` of `ego_exo_questions`.
    """
    videos, narrations, intervals = (takes.annotations[name] for name in ("videos", "narrations", "intervals"))
    of_kitchen, of_people = (_of(intervals, takes.kitchen, keep=keep) for keep in (True, False))
    scripted, scripted_out = grounding.temporal(of_kitchen, videos, event_of=kitchen_grammar.event_of, rules=rules)
    false = _false_in_kitchen(scripted, of_kitchen, _of(narrations, takes.kitchen, keep=True), seed=seed)
    other_times = partial(takes.told.other_times, within_s=rules.max_s)
    narrated, narrated_out = grounding.temporal(
        of_people, videos, event_of=lambda text: cleaned(text) or None, rules=rules, other_times=other_times
    )
    timed = [
        scripted.assign(false_event=pd.Series(false, scripted.index, dtype=object)),
        narrated.assign(false_event=pd.Series(takes.told.false_events(narrated), narrated.index, dtype=object)),
    ]
    return timed, [scripted_out, narrated_out]


def told_events(takes: Takes, estimated: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what is told of ego videos, each with its `event`, as `rationales.visible_facts` takes it.

    Args:
        takes: of the partition.
        estimated: ids of events whose span was estimated from narrations of single times.

    Returns:
        The events, with `is_given`, and the narrations.
    """
    videos, narrations, intervals = (takes.annotations[name] for name in ("videos", "narrations", "intervals"))
    of_ego = intervals[intervals["video_id"].isin(videos.loc[videos["view"] == "ego", "video_id"])]
    read = []
    for table in (of_ego.assign(is_given=~of_ego["interval_id"].isin(estimated)), narrations):
        in_kitchen = table["take_id"].isin(takes.kitchen)
        texts = zip(table["text"], in_kitchen, strict=True)
        told = [kitchen_grammar.event_of(text) if kitchen else cleaned(text) or None for text, kitchen in texts]
        read.append(table.assign(event=pd.Series(told, table.index, dtype=object)).dropna(subset="event"))
    return read[0], read[1]


def _false_in_kitchen(
    timed: pd.DataFrame, intervals: pd.DataFrame, narrations: pd.DataFrame, *, seed: int
) -> list[str | None]:
    """Return an event for each that happens at no time of its take: neither an interval nor a narration tells it."""
    labelled, told = (
        {take_id: _events(part) for take_id, part in table.groupby("take_id")} for table in (intervals, narrations)
    )
    made = []
    for event, take_id, interval_id in timed[["event", "take_id", "interval_id"]].itertuples(index=False, name=None):
        false = misaligned(event, labelled[take_id], (seed, interval_id))
        if false in told.get(take_id, set()):
            false = misaligned(event, labelled[take_id] | told[take_id], (seed, interval_id))
        made.append(false)
    return made


def _events(table: pd.DataFrame) -> set[str]:
    return {event for event in map(kitchen_grammar.event_of, table["text"]) if event}

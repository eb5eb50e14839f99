"""What is told of each video, in the order of time, and what else was told that could be a wrong answer."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

import pandas as pd

from components.data.egore.free_text.same_event import is_vague, normal, noun_keys
from components.data.egore.multiple_choice import draw
from components.prompts.narration_text import Narration, Thing, read_narration
from components.records import content_id

NEAR_S = 1.0  # what is told so near counts as seen: annotators of single times are off by about so much
_MOST_TEXTS = 2000  # of a source in a partition, drawn by content, that wrong answers are taken from

Item = TypeVar("Item")


class Moment(NamedTuple):
    """One thing told of a video; `askable` if the wearer does it, the video shows it and no annotator doubts it."""

    start_s: float
    end_s: float
    said: Narration
    askable: bool


@dataclass(frozen=True)
class Log:
    """Everything that is told of one video, in the order of time, and the source of the video."""

    moments: tuple[Moment, ...]
    source: str

    @cached_property
    def _starts_s(self) -> list[float]:
        return [moment.start_s for moment in self.moments]

    @cached_property
    def _longest_s(self) -> float:
        return max((moment.end_s - moment.start_s for moment in self.moments), default=0.0)

    @cached_property
    def keys(self) -> frozenset[str]:
        """Return what any of the texts may name, as `same_event.noun_keys` does."""
        return frozenset().union(*(noun_keys(moment.said.text) for moment in self.moments))

    @cached_property
    def told(self) -> list[Narration]:
        """Return what the wearer does, in the order of time."""
        return [moment.said for moment in self.moments if moment.askable]

    def during(self, start_s: float, end_s: float, *, near_s: float = NEAR_S) -> list[Moment]:
        """Return what happens in a span, and `near_s` seconds before and after it."""
        low = bisect_left(self._starts_s, start_s - near_s - self._longest_s)
        high = bisect_right(self._starts_s, end_s + near_s)
        return [moment for moment in self.moments[low:high] if moment.end_s >= start_s - near_s]


@dataclass(frozen=True)
class Vocabulary:
    """What is said in a partition.

    Attributes:
        texts: by source, narrations of what wearers do, each text once, in an order by content.
        actions: what is done to things, each time that it is told: a word is drawn as a wrong answer as often as it is
            a right one.
        of_verb: verb -> those of them with it.
        of_noun: noun -> those of them with it.
        nouns_of: verb -> how often each noun goes with it.
        verbs_of: noun -> how often each verb goes with it.
        logs_with: in how many videos a noun is the object of an action.
        logs: how many videos there are.
    """

    texts: dict[str, tuple[Narration, ...]]
    actions: tuple[Narration, ...]
    of_verb: dict[str, list[Narration]]
    of_noun: dict[str, list[Narration]]
    nouns_of: dict[str, Counter[str]]
    verbs_of: dict[str, Counter[str]]
    logs_with: Counter[str]
    logs: int


def vocabulary(logs: Iterable[Log]) -> Vocabulary:
    """Collect what is said in some videos."""
    logs = list(logs)
    texts: dict[str, dict[str, Narration]] = {}
    for log in logs:
        texts.setdefault(log.source, {}).update({normal(said.text): said for said in log.told if said.verb})
    ordered = {
        source: tuple(told[key] for key in sorted(told, key=content_id)[:_MOST_TEXTS])
        for source, told in sorted(texts.items())
    }
    nouns = ({said.object.noun for said in log.told if said.object} for log in logs)
    done = [said for log in logs for said in log.told if said.verb and said.object and noun_keys(said.object.phrase)]
    of_verb: dict[str, list[Narration]] = {}
    of_noun: dict[str, list[Narration]] = {}
    for said in done:
        of_verb.setdefault(said.verb or "", []).append(said)
        of_noun.setdefault(said.object.noun if said.object else "", []).append(said)
    return Vocabulary(
        texts=ordered,
        actions=tuple(done),
        of_verb=of_verb,
        of_noun=of_noun,
        nouns_of={verb: Counter(thing.noun for thing in things(told)) for verb, told in of_verb.items()},
        verbs_of={noun: Counter(verbs(told)) for noun, told in of_noun.items()},
        logs_with=Counter(noun for log in nouns for noun in log),
        logs=len(logs),
    )


def is_thinned_out(answer: str, counted: Counter[str], *key: object) -> bool:
    """Return whether a question is not asked, for its answer is right so often that it could be guessed.

    As many questions are left with the most frequent answer as with the one that comes second.

    Args:
        answer: the right one.
        counted: how often each answer is right where the question can be asked.
        *key: of the draw.
    """
    second = max((count for other, count in counted.most_common(2) if other != answer), default=1)
    return draw(1000, *key, "thinned out") * counted[answer] > 1000 * second


def turned(items: Sequence[Item], *key: object) -> Iterator[Item]:
    """Return the items from a place on that is drawn by content, and round to it."""
    if items:
        first = draw(len(items), *key)
        yield from (items[(first + number) % len(items)] for number in range(len(items)))


def verbs(told: Iterable[Narration]) -> Iterator[str]:
    """Return the verbs that do something to a thing, as "hold" does not."""
    return (said.verb for said in told if said.verb and said.object and not is_vague(said.verb))


def things(told: Iterable[Narration]) -> Iterator[Thing]:
    """Return the things that something is done to; those that could be any thing are left out."""
    return (said.object for said in told if said.object and noun_keys(said.object.phrase))


def logs(clips: pd.DataFrame, narrations: pd.DataFrame, intervals: pd.DataFrame) -> dict[str, Log]:
    """Put everything that is told of each ego video in order.

    Args:
        clips: ego clips of components/records/schemas.py; one of a narration that is not in the table stands for it.
        narrations: the table of components/records/schemas.py; of all synchronized videos of a take.
        intervals: the table of components/records/schemas.py, of one video each.

    Returns:
        Video id -> what is told of it, for each video of the clips and intervals.
    """
    columns = ["video_id", "take_id", "source"]
    videos = pd.concat([clips[columns], intervals[columns]]).drop_duplicates("video_id")
    alone = clips[~clips["narration_id"].isin(narrations["narration_id"])]
    of_take = {take_id: _narrated(part) for take_id, part in narrations.groupby("take_id")}
    of_video: dict[str, list[Moment]] = {}
    for table in (alone, intervals):
        columns = table[["video_id", "start_s", "end_s", "text"]]
        for video_id, start_s, end_s, text in columns.itertuples(index=False, name=None):
            said = read_narration(text)
            of_video.setdefault(video_id, []).append(Moment(start_s, end_s, said, said.wearer))
    return {
        video_id: Log(tuple(sorted([*of_take.get(take_id, []), *of_video.get(video_id, [])], key=_in_time)), source)
        for video_id, take_id, source in videos.sort_values("video_id").itertuples(index=False, name=None)
    }


def _in_time(moment: Moment) -> tuple[float, float, str]:
    return moment.start_s, moment.end_s, moment.said.text


def _narrated(narrations: pd.DataFrame) -> list[Moment]:
    start_s = narrations["start_s"].fillna(narrations["time_s"])
    end_s = narrations["end_s"].fillna(narrations["time_s"])
    seen = narrations["ego_visible"].fillna(True).astype(bool) & ~narrations["unsure"].astype(bool)
    seen &= narrations["subject"].fillna("C") == "C"
    texts = map(read_narration, narrations["text"])
    return [
        Moment(first_s, last_s, said, clear and said.wearer)
        for first_s, last_s, said, clear in zip(start_s, end_s, texts, seen, strict=True)
    ]

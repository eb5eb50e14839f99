"""Everything that is told of the takes of a partition, and the questions that are asked of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.data.egore.free_text import long_questions, moments, wrong_answers
from components.data.egore.free_text.long_questions import Window
from components.data.egore.free_text.moments import NEAR_S, Log, Moment, Vocabulary
from components.data.egore.free_text.same_event import may_be_same
from components.data.egore.rule_based.long_term import Asked
from components.prompts.narration_text import Narration, read_narration


@dataclass(frozen=True)
class Told:
    """What is told of the takes that people narrated.

    Attributes:
        logs: ego video id -> everything that is told of it.
        vocabulary: of all of them.
        seed: of all draws.
    """

    logs: dict[str, Log]
    vocabulary: Vocabulary
    seed: int

    def ask_window(self, part: pd.DataFrame, min_s: float) -> list[Asked]:
        """Ask everything of one long window, as `rule_based.long_term.ask_kitchen` does for the kitchen.

        Args:
            part: the events of the window, as `long_term.windows` returns them, with their `facts`.
            min_s: shortest beginning, seconds.
        """
        first = part.iloc[0]
        start_s, end_s = first["window_start_s"], first["window_end_s"]
        rows = zip(part["start_s"], part["end_s"], part["facts"], strict=True)
        events = [Moment(*row, askable=True) for row in rows if row[2].wearer]
        if not events:
            return []
        key = (self.seed, first["labels"], start_s)
        window = Window(events, start_s, end_s, self.logs[first["video_id"]], self.vocabulary, key)
        begun = [(qa, until_s - start_s) for qa, until_s in long_questions.beginnings(window)]
        whole = [(qa, end_s - start_s) for qa in long_questions.questions(window)]
        return [*whole, *((qa, length_s) for qa, length_s in begun if length_s >= min_s)]

    def false_events(self, timed: pd.DataFrame) -> list[str | None]:
        """Return an event for each that is like it and does not happen in its seconds; None where none is known.

        Args:
            timed: the samples of `grounding.temporal` on ego videos.
        """
        start_s, end_s = (timed["start_s"] + timed[name] for name in ("from_s", "to_s"))
        rows = zip(timed["video_id"], timed["event"], timed["interval_id"], start_s, end_s, strict=True)
        return [self._false_event(*row) for row in rows]

    def _false_event(self, video_id: str, event: str, interval_id: str, start_s: float, end_s: float) -> str | None:
        log, said = self.logs[video_id], read_narration(event)
        happening = [said, *(moment.said for moment in log.during(start_s, end_s))]
        return wrong_answers.false_event(said, happening, log, self.vocabulary, self.seed, interval_id)

    def other_times(self, events: pd.DataFrame, *, within_s: float) -> np.ndarray:
        """Return when the same event, in any words, was last before each one and is next, as `temporal_windows` asks.

        Args:
            events: on ego videos, with `video_id`, `event`, `start_s` and `end_s`.
            within_s: what is further away is not looked at.

        Returns:
            Seconds of the video, infinities where never, shape [N, 2].
        """
        rows = zip(events["video_id"], events["event"], events["start_s"], events["end_s"], strict=True)
        found = [self._other_times(video_id, read_narration(text), *span, within_s) for video_id, text, *span in rows]
        return np.array(found, dtype=np.float64).reshape(-1, 2)

    def _other_times(
        self, video_id: str, said: Narration, start_s: float, end_s: float, within_s: float
    ) -> tuple[float, float]:
        near = self.logs[video_id].during(start_s, end_s, near_s=within_s)
        alike = [moment for moment in near if may_be_same(said, moment.said)]
        before = [moment.end_s + NEAR_S for moment in alike if moment.end_s < start_s - NEAR_S]
        after = [moment.start_s - NEAR_S for moment in alike if moment.start_s > end_s + NEAR_S]
        return max(before, default=-np.inf), min(after, default=np.inf)


def read(clips: pd.DataFrame, narrations: pd.DataFrame, intervals: pd.DataFrame, *, seed: int) -> Told:
    """Read what is told.

    Args:
        clips: ego clips of takes that people narrated, as `events.of_takes` returns them.
        narrations: the table of components/records/schemas.py.
        intervals: of these takes, as `events.of_videos` returns them.
        seed: of all draws.
    """
    # a clip that stands for an event is told by its narration, an interval that stands for a clip by its clip
    labelled = intervals[~intervals["interval_id"].isin(clips["clip_id"])]
    logs = moments.logs(clips, narrations, labelled)
    return Told(logs, moments.vocabulary(logs.values()), seed)

"""The one record that every benchmark's rows become, and the description of a benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Medium:
    """A film, an image or a folder of images that a question is about.

    Attributes:
        path: below the folder of the benchmark's films. It may tell the answer, so no prompt shows it.
        view: "ego" or "exo".
        start_s: start of the part that is shown, seconds.
        end_s: its end; None is the end of the film.
    """

    path: str
    view: str = "ego"
    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True)
class Choice:
    """A closed question: its options, and the index of the right one; None where the authors keep the answers."""

    options: tuple[str, ...]
    index: int | None


Target = Choice


@dataclass(frozen=True)
class Sample:
    """One question of a benchmark.

    Attributes:
        sample_id: as in the file, or its place there.
        video: name of the recording; samples of one recording are resampled together.
        question: as the benchmark asks it, without its options.
        media: what is shown, in this order.
        target: what a right answer is.
        subset: that scores are given for; "" where the benchmark has none.
        length_s: of what is shown, where the file says it.
    """

    sample_id: str
    video: str
    question: str
    media: tuple[Medium, ...]
    target: Target
    subset: str = ""
    length_s: float | None = None


@dataclass(frozen=True)
class Reject:
    """A row that is no sample: its id, one of a few reasons, and what was wrong with this one."""

    row_id: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Loaded:
    """What a benchmark's files hold: every row is a sample or a reject."""

    samples: Sequence[Sample]
    rejects: Sequence[Reject] = ()

    @property
    def rows(self) -> int:
        """How many rows the files have."""
        return len(self.samples) + len(self.rejects)

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows were rejected for each reason."""
        return dict(sorted(Counter(reject.reason for reject in self.rejects).items()))


@dataclass(frozen=True)
class Benchmark:
    """A benchmark as the registry lists it.

    Attributes:
        title: its name.
        load: reads the annotation files in a folder.
        files: names that its main file goes by; the first that is there is read.
        metric: name in `runner.metrics.METRICS`.
        splits: what the files hold, in words.
        licence: of the annotations.
        origin: who publishes them, and where.
        frames: that are shown of a sample, as the authors or the papers do.
        official: name in `shared.parsers.OFFICIAL` of how the authors' code reads an answer.
        published: system -> its headline score in percent, from the paper that `runner.leaderboard.PAPERS` names.
        note: what has to be known about the file or the metric.
    """

    title: str
    load: Callable[[Path], Loaded]
    files: tuple[str, ...]
    metric: str
    splits: str
    licence: str
    origin: str
    frames: int
    official: str = "start_or_word"
    published: tuple[tuple[str, float], ...] = ()
    note: str = ""

"""The one record that every benchmark's rows become, and the description of a benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

CONSISTENCY = "consistency"  # subset of pairs of questions that ask the same thing; a judge compares their answers


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
    """A closed question: its options and which of them is right.

    Attributes:
        options: as they are shown.
        index: of the right one; None where the authors keep the answers.
        index_in_file: of the right one before options were shuffled; None where they stand as in the file.
    """

    options: tuple[str, ...]
    index: int | None
    index_in_file: int | None = None


@dataclass(frozen=True)
class Text:
    """An open question: every answer that is right, at least one."""

    answers: tuple[str, ...]


@dataclass(frozen=True)
class Span:
    """A question when something happens, seconds from the start of what is shown."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class Box:
    """A question where something is, percent of the frame."""

    box_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True)
class Action:
    """A clip that captions are ranked for.

    Attributes:
        verb: class of its verb.
        nouns: classes of all its nouns.
        is_caption: whether its own narration is one of the captions.
    """

    verb: int
    nouns: frozenset[int]
    is_caption: bool


Target = TypeVar("Target", bound=Choice | Text | Span | Box | Action, covariant=True)


@dataclass(frozen=True)
class Sample(Generic[Target]):
    """One question of a benchmark.

    Attributes:
        sample_id: as in the file, or its place there.
        video: name of the recording; samples of one recording are resampled together.
        question: as the benchmark asks it, without its options.
        media: what is shown, in this order.
        target: what a right answer is.
        subsets: that it belongs to and that scores are given for.
        length_s: of what is shown, where the file says it.
        pair: what samples share that ask the same of an ego and of an exo view; "" of any other.
    """

    sample_id: str
    video: str
    question: str
    media: tuple[Medium, ...]
    target: Target
    subsets: tuple[str, ...] = ()
    length_s: float | None = None
    pair: str = ""

    @property
    def has_answer(self) -> bool:
        """Whether the right answer is public."""
        return not isinstance(self.target, Choice) or self.target.index is not None


@dataclass(frozen=True)
class Reject:
    """A row that is no sample: its id, one of a few reasons, and what was wrong with this one."""

    row_id: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Loaded:
    """What a benchmark's files hold: every row is a sample or a reject."""

    samples: Sequence[Sample[Any]]
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
        averaged: the number of subsets whose mean the papers print; 0 where all samples count alike.
        splits: what the files hold, in words.
        licence: of the annotations.
        origin: who publishes them, and where.
        frames: that are shown of a sample, as the authors or the papers do.
        form: in which the authors let closed questions be answered: by the letter, or ranked by likelihood.
        answer_tokens: longest answer that their code lets a model write in that form, always greedily; None where it
            sets none or is not public: params/eval.yaml then says.
        official: name in `shared.parsers.OFFICIAL` of how the authors' code reads an option.
        published: system, and which of its tables where they differ -> its headline score in percent.
        load_alike: `load` where wrong options are chosen: it takes what chooses them too (`distractors.nearest`).
        note: what has to be known about the file or the metric.
        listed_as: a sample's `video` -> the name by which other data sets know it, without extension.
        listed_with: file without which `video` is no such name, so that no list of videos can be written; "" for none.
    """

    title: str
    load: Callable[[Path], Loaded]
    files: tuple[str, ...]
    metric: str
    splits: str
    licence: str
    origin: str
    frames: int
    form: Literal["letter", "ranked"] = "letter"
    answer_tokens: int | None = None
    averaged: int = 0
    official: str = "start_or_word"
    published: tuple[tuple[str, float], ...] = ()
    load_alike: Callable[[Path, Callable[..., list[str]]], Loaded] | None = None
    note: str = ""
    listed_as: Callable[[str], str] = str
    listed_with: str = ""

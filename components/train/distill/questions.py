"""Which segments a teacher is asked about, what, and in which view; and the samples that its answers become."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components import params, records
from components.data.frames.store import FrameStore
from components.train.distill.queries import WORDINGS, below, drawn
from components.train.sample_order import usable

DISTILLED = "distilled"  # corpus of what was said about the ego view, as samples of the exo view
CAPTIONED = "captioned"  # corpus of what was said about a view, as samples of that same view


@dataclass(frozen=True)
class Question:
    """A query about one view of a segment.

    Attributes:
        segment: the ego sample, a row of `records.SAMPLE`.
        exo_view: place in its `paired` of the exo view that was drawn for the segment.
        view: what the teacher is shown, "ego" or "exo".
        family: of the query.
        query: text.
    """

    segment: dict
    exo_view: int
    view: str
    family: str
    query: str

    @property
    def key(self) -> str:
        """What tells the question from every other of its stage."""
        return records.content_id(self.segment["sample_id"], self.view, self.query)


def asked(stage: params.Stage, settings: params.Distill, data: Path) -> list[Question]:
    """Return the questions of a stage, always in the same order.

    Segments are the ego clips of the mixture with an exo view, each once, however many samples are about it and
    whatever its share: recipes give equal ones.

    Args:
        stage: whose mixture and seed choose segments, exo views and queries.
        settings: its block `distill`.
        data: folder of the data graph's outputs.

    Raises:
        ValueError: a key of the mixture has no training sample with an exo view.
    """
    table = records.read_table(data / "dataset" / "samples.parquet", records.SAMPLE)
    found = usable(table, FrameStore(data / "frames"), stage.mixture, seed=stage.seed, paired=True)
    shown = [str(media) for media in found["media"].to_pylist()]
    first = {media: place for place, media in reversed(list(enumerate(shown)))}
    chosen = sorted(first.values())[: settings.segments]
    return [question for row in records.rows(found, chosen) for question in _of_segment(row, stage.seed, settings)]


def _of_segment(segment: dict, seed: int, settings: params.Distill) -> Iterator[Question]:
    exo_view = below(len(segment["paired"]), "exo view", seed, segment["sample_id"])
    for family, query in drawn(WORDINGS[settings.queries], seed, segment["sample_id"]):
        for view in settings.views:
            yield Question(segment, exo_view, view, family, query)


def samples(question: Question, answer: str) -> Iterator[dict]:
    """Yield the rows of `records.SAMPLE` that an answer becomes: of its own view, and of ego answers of the exo view.

    Their frames are those of the segment, which `parents` names (`components/train/borrowed_frames.py`).

    Args:
        question: that was answered.
        answer: text.
    """
    segment, exo = question.segment, [question.segment["paired"][question.exo_view]]
    of_ego = question.view == "ego"
    made = [(CAPTIONED, question.view, segment["media"] if of_ego else exo)]
    made += [(DISTILLED, "exo", exo)] * of_ego
    target = dict.fromkeys(("choices", "answer_index", "span", "box_xyxy")) | {"kind": "text", "text": answer}
    for corpus, view, media in made:
        yield {
            "sample_id": records.content_id(corpus, question.key, media[0]["video_id"]),
            "corpus": corpus,
            "task": "caption",
            "question_type": question.family,
            "take_id": segment["take_id"],
            "split": segment["split"],
            "view": view,
            "media": media,
            "paired": segment["paired"] if view == "ego" else [],
            "frame_kind": segment["frame_kind"],
            "question": question.query,
            "answer": answer,
            "target": target,
            "parents": [segment["sample_id"]],
        }

"""What a checkpoint said about a film, read as the answer that was wanted: words, a box or an interval."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from components import params
from components.evaluation.film import Film
from components.prompts import parse_box, parse_span, split_think_answer


@dataclass(frozen=True)
class FilmAnswer:
    """What a checkpoint answered about one film.

    Attributes:
        view: of the film, "ego" or "exo".
        film: its path.
        target_kind: what kind of answer the question wants, "text", "box" or "span".
        completion: all that the model said.
        thought: what it said before its answer; "" where it gave none.
        answer: what it said as its answer.
        box_xyxy: of an answer that is a box, in percent of the frame; None where there is none, or it cannot be read.
        span_s: of an answer that is an interval, start and end in seconds of the film; None likewise.
        frame_kind: "image", "clip" or "window".
        frames: numbers of the frames that it saw, in the film.
        times_s: of those frames, seconds of the film.
        part_s: start and end of the part of the film that they stand for, seconds.
        notes: what a reader should know before the answer is believed.
    """

    view: str
    film: str
    target_kind: str
    completion: str
    thought: str
    answer: str
    box_xyxy: tuple[float, float, float, float] | None
    span_s: tuple[float, float] | None
    frame_kind: str
    frames: list[int]
    times_s: list[float]
    part_s: tuple[float, float]
    notes: list[str]


def read_reply(completion: str, shown: Film, *, view: str, target_kind: str, data: params.Data) -> FilmAnswer:
    """Read what a model said as the answer that was wanted.

    Args:
        completion: all that it said.
        shown: of the film.
        view: "ego" or "exo".
        target_kind: "text", "box" or "span".
        data: `egore.window_max_s`, the longest window of the training data.
    """
    thought, answer = split_think_answer(completion) or ("", completion)
    box = parse_box(answer) if target_kind == "box" else None
    span = parse_span(answer) if target_kind == "span" else None
    notes = []
    if target_kind != "text" and box is None and span is None:
        notes.append(f"no {'box' if target_kind == 'box' else 'interval'} can be read from the answer")
    if span is not None and span[1] > shown.duration_s:
        notes.append(f"the interval ends behind the {shown.duration_s:g} s that were shown")
    if shown.frame_kind == "window" and shown.duration_s > data.egore.window_max_s:
        notes.append(
            f"{shown.duration_s:.0f} s were shown by {len(shown.indices)} frames, training shows at most "
            f"{data.egore.window_max_s:g} s: ask about a part"
        )
    return FilmAnswer(
        view=view,
        film=str(shown.path),
        target_kind=target_kind,
        completion=completion,
        thought=thought,
        answer=answer,
        box_xyxy=box,
        span_s=None if span is None else (shown.start_s + span[0], shown.start_s + span[1]),
        frame_kind=shown.frame_kind,
        frames=shown.indices.tolist(),
        times_s=[round(time_s, 3) for time_s in shown.times_s.tolist()],
        part_s=(round(shown.start_s, 3), round(shown.end_s, 3)),
        notes=notes,
    )


def told(question: str, checkpoint: Path, answers: list[FilmAnswer], picture: Path | None) -> dict:
    """Return all that is known of the answers to a question, for JSON.

    Args:
        question: text.
        checkpoint: that answered.
        answers: one for each view.
        picture: file in which they are drawn, if any.
    """
    drawn = None if picture is None else str(picture)
    return {
        "question": question,
        "checkpoint": str(checkpoint),
        "answers": [asdict(answer) for answer in answers],
        "picture": drawn,
    }

"""A teacher behind an OpenAI-compatible endpoint: the frames of a clip go along with the query, as images.

Address and key come from the environment (components/llm/endpoint.py). Replies stand in a ledger of their own beside
the answers, so that what was paid for is asked once, however often a stage is killed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from components import llm, params
from components.data.frames.store import FrameStore
from components.models.frame_choice import evenly
from components.train.distill import teacher
from components.train.distill.questions import Question
from components.video.data_uri import data_uri

KIND = "distill.answer"
SYSTEM = (
    "You are shown the frames of a short video, in order. Answer the query about it in plain English, and tell only "
    "what the frames show. Do not speak of frames or images."
)
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}
LEDGER = "endpoint.jsonl"
# a reply of the endpoint -> outcome of the question; any other reason stays what it is, and is a reject
_OUTCOMES = {"cut_off": teacher.CUT}


def answers(
    asked: Sequence[Question], store: FrameStore, endpoint: params.Llm, *, output: Path, most_frames: int | None
) -> Iterator[tuple[Question, teacher.Said]]:
    """Yield each question with what the teacher said to it.

    Args:
        asked: questions of any views and lengths.
        store: of the frames.
        endpoint: the model, its sampling and limits.
        output: folder that keeps the ledger.
        most_frames: of a question; None shows all.

    Raises:
        llm.StoppedError: the endpoint, its key or the budget ended the run, or a request failed in a way that another
            run may mend. What was answered is kept.
    """
    settings = llm.settings_of(endpoint.model_dump())
    requests = (request(question, store, most_frames=most_frames) for question in asked)
    path = output / LEDGER
    results = llm.generate(requests, settings, rules={}, ledger_path=path)
    settled = llm.all_settled(results, what="answers about clips", ledger_path=path)
    for question, result in zip(asked, settled, strict=True):
        yield question, _said(result)


def request(question: Question, store: FrameStore, *, most_frames: int | None) -> llm.Request:
    """Return what is sent for a question: the query, and the frames of the view that it is about."""
    exo_view = question.exo_view if question.view == "exo" else None
    frames = store.frames(question.segment["sample_id"], exo_view=exo_view)
    shown = frames[evenly(len(frames), 1 if question.segment["frame_kind"] == "image" else most_frames)]
    return llm.Request(
        f"{KIND}/{question.key}", KIND, SYSTEM, question.query, SCHEMA, images=tuple(data_uri(frame) for frame in shown)
    )


def _said(result: llm.Answer | llm.Reject) -> teacher.Said:
    # the endpoint's ledger counts the tokens
    if isinstance(result, llm.Reject):
        return teacher.Said(_OUTCOMES.get(result.reason, result.reason), "", 0, 0)
    text = " ".join(result.value["answer"].split())
    return teacher.Said(teacher.ANSWER if text else teacher.EMPTY, text, 0, 0)

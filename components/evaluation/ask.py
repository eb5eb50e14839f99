"""One question about one video, answered by a checkpoint as its evaluation would ask it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from components import params
from components.data.frames import one_video
from components.data.frames.step import contract_of
from components.evaluation.load import answer_tokens, answerer_of
from components.evaluation.one_question import one_question


@dataclass(frozen=True)
class Answer:
    """What a checkpoint answered, and the frames that it saw: their numbers in the video and their times, seconds."""

    question: str
    answer: str
    checkpoint: str
    view: str
    frames: list[int]
    times_s: list[float]


def ask(path: Path, question: str, checkpoint: Path, data: params.Data, *, view: str, max_new_tokens: int) -> Answer:
    """Let a checkpoint answer a question about a video.

    Args:
        path: video file, or folder of images.
        question: text.
        checkpoint: folder of a finished stage, or of an export of a whole model.
        data: parameters of the frames; they must be those that the checkpoint was trained with.
        view: "ego" or "exo".
        max_new_tokens: longest answer, tokens, of a stage that says nothing.

    Raises:
        ValueError: the video cannot be read, the folder holds no whole model, or it was trained under another
            sampling contract.
    """
    folder, stage = model_of(checkpoint, data)
    film = one_video.read(path, data)
    max_new_tokens = answer_tokens(stage["params"]) or max_new_tokens
    # one sample is a batch by itself, of however many tokens
    answerer = answerer_of(folder, stage["params"], film, max_batch_tokens=1, max_new_tokens=max_new_tokens)
    sample = one_question(question, view=view, frame_kind=film.frame_kind, duration_s=film.duration_s)
    [answer] = answerer.complete([sample], [str(path)])
    times_s = [round(time_s, 3) for time_s in film.times_s.tolist()]
    if answer.is_too_long:
        raise ValueError(
            f"{path} and the question do not fit the model's context with {max_new_tokens} new tokens; ask for fewer, "
            "or show fewer frames (`frames` of params/data.yaml)"
        )
    return Answer(question, answer.completion, str(checkpoint), view, film.indices.tolist(), times_s)


def model_of(checkpoint: Path, data: params.Data) -> tuple[Path, dict]:
    """Return the folder of the model and the content of its stage.json, which an export keeps as made_by.json.

    Args:
        checkpoint: folder of a finished stage, or of an export of a whole model.
        data: parameters of the frames that it will be shown.

    Raises:
        ValueError: the folder holds no whole model, or it was trained under another sampling contract.
    """
    folder, stage = _open(checkpoint)
    contract = contract_of(data.frames)["digest"]
    if stage["frames_contract"] != contract:
        raise ValueError(
            f"{checkpoint} was trained under the sampling contract {stage['frames_contract'][:12]}, params/data.yaml "
            f"has {contract[:12]}; ask in a checkout with the `frames` of its training, and with the same decoders"
        )
    return folder, stage


def _open(checkpoint: Path) -> tuple[Path, dict]:
    for folder, record in ((checkpoint / "model", "stage.json"), (checkpoint, "made_by.json")):
        if (checkpoint / record).is_file():
            stage = json.loads((checkpoint / record).read_text())
            if stage.get("part", "all") == "all":
                return folder, stage
    raise ValueError(
        f"{checkpoint} holds no whole model; allowed are folders of finished stages (checkpoints/<stage>-<key>) and "
        "exports of all parts (egoflow export)"
    )

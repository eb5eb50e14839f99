"""Questions about films, answered by a checkpoint as its evaluation would ask them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components import params
from components.data.frames.step import contract_of
from components.evaluation import film
from components.evaluation.film import Film
from components.evaluation.film_answer import FilmAnswer, read_reply
from components.evaluation.load import answer_tokens, opened
from components.evaluation.one_question import VIEWS, one_question, target_kind_of
from components.models import checkpoint_files
from components.models.configuration import EgoflowConfig
from components.models.export import MADE_BY

if TYPE_CHECKING:
    from components.evaluation.answer import Answerer
    from components.evaluation.qwen import QwenAnswerer


@dataclass(frozen=True)
class Model:
    """A checkpoint that is open for questions.

    Attributes:
        checkpoint: its folder, or that of an export.
        views: those whose frames it was taught to see.
        data: parameters of the frames, those of its training.
        max_new_tokens: longest answer, tokens.
        made: makes what answers about the frames of a store (`load.opened`).
    """

    checkpoint: Path
    views: tuple[str, ...]
    data: params.Data
    max_new_tokens: int
    made: Callable[..., Answerer | QwenAnswerer]


def open_model(checkpoint: Path, data: params.Data, *, max_new_tokens: int) -> Model:
    """Load a checkpoint for questions.

    Args:
        checkpoint: folder of a finished stage, or of an export of a whole model.
        data: parameters of the frames; they must be those that the checkpoint was trained with.
        max_new_tokens: longest answer, tokens, of a stage that says nothing.

    Raises:
        ValueError: the folder holds no whole model, or it was trained under another sampling contract.
    """
    folder, stage = model_of(checkpoint, data)
    views = _views(folder, stage["params"]["parents"])
    limit = answer_tokens(stage["params"]) or max_new_tokens
    return Model(checkpoint, views, data, limit, opened(folder, stage["params"]))


def ask(
    model: Model,
    path: Path,
    question: str,
    *,
    view: str,
    target_kind: str | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
) -> tuple[FilmAnswer, Film]:
    """Let a checkpoint answer a question about a film.

    Args:
        model: of `open_model`.
        path: video file, picture, or folder of images.
        question: text.
        view: "ego" or "exo".
        target_kind: what kind of answer is wanted; None: by the first words of the question (`target_kind_of`).
        start_s: of the part that is asked about, seconds of the film; None: from its beginning.
        end_s: its end; None: to the end of the film.

    Returns:
        The answer, and what was shown of the film.

    Raises:
        ValueError: the film cannot be read, has no such part, is in a view that the model does not know, or does not
            fit into its context.
    """
    if view not in model.views:
        raise ValueError(f"{model.checkpoint} was taught to see {list(model.views)} alone, {view!r} came")
    kind = target_kind or target_kind_of(question)
    shown = film.read(path, model.data, target_kind=kind, start_s=start_s, end_s=end_s)
    sample = one_question(
        question, view=view, frame_kind=shown.frame_kind, duration_s=shown.duration_s, target_kind=kind
    )
    # one sample is a batch by itself, of however many tokens
    answerer = model.made(store=shown, max_batch_tokens=1, max_new_tokens=model.max_new_tokens)
    [reply] = answerer.complete([sample], [str(path)])
    if reply.is_too_long:
        raise ValueError(
            f"{path} and the question do not fit the model's context with {model.max_new_tokens} new tokens; ask for "
            "fewer, or show fewer frames (`frames` of params/data.yaml)"
        )
    return read_reply(reply.completion, shown, view=view, target_kind=kind, data=model.data), shown


def model_of(checkpoint: Path, data: params.Data) -> tuple[Path, dict]:
    """Return the folder of the model and the content of its stage.json, which an export keeps as made_by.json.

    Args:
        checkpoint: folder of a finished stage, or of an export of a whole model.
        data: parameters of the frames that it will be shown.

    Raises:
        ValueError: the folder holds no whole model, is damaged, or was trained under another sampling contract.
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
    if (checkpoint / checkpoint_files.RECORD).is_file():
        return checkpoint / "model", checkpoint_files.check(checkpoint, members=("params", "frames_contract"))
    exported = checkpoint / MADE_BY
    if exported.is_file() and (made := json.loads(exported.read_text()))["part"] == "all":
        return checkpoint, made
    raise ValueError(
        f"{checkpoint} holds no whole model; allowed are folders of finished stages (checkpoints/<stage>-<key>) and "
        "exports of all parts (egoflow export)"
    )


def _views(folder: Path, parents: Mapping[str, str]) -> tuple[str, ...]:
    """Return the views that a model was taught to see: where each has a tower, one without a parent is of chance."""
    if json.loads((folder / "config.json").read_text())["model_type"].startswith(params.QWEN):
        return VIEWS
    if EgoflowConfig.from_pretrained(folder).shared_encoder or not parents or "all" in parents:
        return VIEWS
    return tuple(view for view in VIEWS if f"{view}_encoder" in parents)

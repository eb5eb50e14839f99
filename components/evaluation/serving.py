"""A registered model as MLflow serves it: questions about frames in, answers out, asked as evaluation asks.

MLflow imports this module by name and calls `_load_pyfunc`; nothing here knows MLflow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.evaluation.load import answer_tokens, opened
from components.evaluation.one_question import one_question

if TYPE_CHECKING:
    import pandas as pd

    from components.evaluation.answer import Answerer
    from components.evaluation.qwen import QwenAnswerer

MAX_BATCH_TOKENS = 8192
MAX_NEW_TOKENS = 128  # of a stage that says nothing


class Request:
    """The frames of one request in the place of a frame store; the id of a sample is the number of its row."""

    def __init__(self, frames: Sequence[np.ndarray]):
        self._frames = frames

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        """Return the frames of a row, uint8 [T, H, W, 3], RGB."""
        return self._frames[int(sample_id)]


class Served:
    """A model that answers greedily.

    Args:
        answerer: makes what answers about the frames of a store, of `store` and limits (`load.opened`).
        max_new_tokens: longest answer, tokens.
    """

    def __init__(self, answerer: Callable[..., Answerer | QwenAnswerer], max_new_tokens: int = MAX_NEW_TOKENS):
        self._answerer = answerer
        self._limits = {"max_batch_tokens": MAX_BATCH_TOKENS, "max_new_tokens": max_new_tokens}

    def predict(self, model_input: pd.DataFrame | list[dict], params: dict | None = None) -> list[str]:
        """Answer each row.

        Args:
            model_input: rows with `question` (text) and `frames` (uint8 [T, H, W, 3], RGB, at the model's size; nested
                lists from JSON do as well); and as far as a row has them `view`, `duration_s`, `target_kind` and
                `choices` (`one_question`). An image is one frame, or the same as often as the model stacks frames, and
                has no `duration_s`: with one it is a film that stands still.
            params: taken because MLflow passes it; there are none.

        Returns:
            The completions, special tokens removed, in the order of the rows.

        Raises:
            ValueError: another view or kind of answer, frames of another size, or as many as the model cannot lay out.
        """
        rows = [
            {name: value for name, value in row.items() if value is not None}
            for row in (model_input if isinstance(model_input, list) else _rows(model_input))
        ]
        frames = [np.ascontiguousarray(row.pop("frames"), dtype=np.uint8) for row in rows]
        if strange := {shown.shape for shown in frames if shown.ndim != 4}:
            raise ValueError(
                f"frames of shape {sorted(strange)} came, allowed is [T, H, W, 3]. A single question must come as a "
                "list of one row: of a bare one under `inputs`, MLflow makes a row of each of its frames"
            )
        kinds = [_frame_kind(row, shown) for row, shown in zip(rows, frames, strict=True)]
        samples = [one_question(**row, frame_kind=kind) for row, kind in zip(rows, kinds, strict=True)]
        answerer = self._answerer(store=Request(frames), **self._limits)  # a new one: it keeps what it was shown
        replies = answerer.complete(samples, [str(number) for number in range(len(rows))])
        if too_long := [number for number, reply in enumerate(replies) if reply.is_too_long]:
            raise ValueError(f"rows {too_long} have more frames and text than the model's context holds: send less")
        return [reply.completion for reply in replies]


def _frame_kind(row: dict, shown: np.ndarray) -> str:
    """Return "image" for frames [T, H, W, 3] that are all the same and of no video; a film may stand still."""
    return "image" if len(shown) and "duration_s" not in row and (shown == shown[0]).all() else "clip"


def _rows(table: pd.DataFrame) -> list[dict]:
    """Return the rows of a table; a cell that a row leaves empty is None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def _load_pyfunc(path: str, model_config: dict) -> Served:
    """Load the `model/` folder of a checkpoint; called by MLflow.

    Args:
        path: of the folder.
        model_config: `stage`, the parameters of the stage that trained the model, which say how it is asked.
    """
    stage = model_config["stage"]
    return Served(opened(Path(path), stage), answer_tokens(stage) or MAX_NEW_TOKENS)

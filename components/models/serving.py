"""A registered model as MLflow serves it: questions about frames in, answers out.

MLflow imports this module by name and calls `_load_pyfunc`; nothing here knows MLflow.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.params import QWEN

if TYPE_CHECKING:
    import pandas as pd

    from components.models.modeling import EgoflowForConditionalGeneration
    from components.models.processing import EgoflowProcessor
    from components.models.qwen_vl import QwenModel, QwenProcessor

_MAX_NEW_TOKENS = 48


class Served:
    """A model with its processor, answering greedily from the ego view."""

    def __init__(self, model: EgoflowForConditionalGeneration | QwenModel, processor: EgoflowProcessor | QwenProcessor):
        self._model, self._processor = model, processor

    def predict(self, model_input: pd.DataFrame | list[dict], params: dict | None = None) -> list[str]:
        """Answer each row.

        Args:
            model_input: rows with `question` (text) and `frames` (uint8 [T, H, W, 3], RGB, at the model's size; nested
                lists from JSON do as well).
            params: taken because MLflow passes it; there are none.

        Returns:
            The completions, special tokens removed, in the order of the rows.

        Raises:
            ValueError: frames of another size, or a number of frames that the model cannot lay out.
        """
        rows = model_input if isinstance(model_input, list) else model_input.to_dict("records")
        return [self._answer(row["question"], np.asarray(row["frames"], dtype=np.uint8)) for row in rows]

    def _answer(self, question: str, frames_THWC: np.ndarray) -> str:
        content = [*({"type": "image"} for _ in frames_THWC), {"type": "text", "text": question}]
        tokenizer = self._processor.tokenizer
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        inputs = self._processor(images=list(frames_THWC), text=[prompt], return_tensors="pt")
        tokens = self._model.generate(  # ty: ignore[invalid-argument-type]  # its declared `self` fits no model
            **inputs, max_new_tokens=_MAX_NEW_TOKENS, do_sample=False
        )
        return tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def _load_pyfunc(path: str) -> Served:
    """Load the `model/` folder of a checkpoint; called by MLflow."""
    from transformers import PreTrainedTokenizerFast

    from components.models.build import load, processor_for

    if json.loads((Path(path) / "config.json").read_text())["model_type"] in QWEN:
        from components.models import qwen_vl

        return Served(qwen_vl.load(Path(path)).eval(), qwen_vl.load_processor(Path(path), pixels=None))
    model = load(Path(path)).eval()
    # made anew: transformers 5.23 cannot read a saved processor whose image processor is registered from outside
    return Served(model, processor_for(model.config, PreTrainedTokenizerFast.from_pretrained(path)))

"""Calls of transformers 5.23 whose declared types are wider than what they return, with the types that they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, TypedDict, cast

from torch import Tensor, nn
from transformers import PreTrainedModel


class LoadingInfo(TypedDict):
    """Names of parameters that a folder lacks, and of those that it has and the class does not."""

    missing_keys: set[str]
    unexpected_keys: set[str]


class Loader(Protocol):
    """A class of transformers that loads models: an Auto class, or the class of one architecture."""

    def from_pretrained(self, folder: Path, /, **options: Any) -> PreTrainedModel:
        """Load the model of a folder."""
        ...


def load_with_info(loader: Loader, folder: Path, **options: Any) -> tuple[PreTrainedModel, LoadingInfo]:
    """Load the model of a folder, from safetensors only, and say which parameters did not fit.

    Args:
        loader: the class that loads it.
        folder: in transformers' layout.
        options: of `from_pretrained`, such as `dtype`.

    Returns:
        The model, and the names of its missing and unknown parameters.
    """
    loaded: object = loader.from_pretrained(folder, use_safetensors=True, output_loading_info=True, **options)
    # a pair because of `output_loading_info`, which the declared type does not know
    return cast("tuple[PreTrainedModel, LoadingInfo]", loaded)


def word_table(layer: nn.Module | None) -> Tensor:
    """Return the matrix [vocabulary, width] of a model's word embeddings or of its head.

    Args:
        layer: what `get_input_embeddings` or `get_output_embeddings` returns, which may be any module.

    Raises:
        TypeError: the layer is no table of words.
    """
    if not isinstance(layer, nn.Embedding | nn.Linear):
        raise TypeError(
            f"{type(layer).__name__} came for the words of a language model, allowed are Embedding and Linear; take a "
            "language model whose layers are plain ones"
        )
    return layer.weight

"""Wrong options by the likeness of sentences: a sentence-transformers folder, read by transformers alone.

Such a folder is a transformers model beside `modules.json`, which names what follows it: the mean of the tokens, and a
length of one (sbert.net, "Creating custom models").
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, PreTrainedTokenizerFast

from components.benchmarks.shared.files import RowError

SAME = 0.95  # cosine from which on two texts say the same (Exo2Ego's choice of wrong options, as read in our protocol)
BATCH = 64
_MODULES = ("Transformer", "Pooling", "Normalize")


def embedder(folder: Path) -> Callable[[Sequence[str]], np.ndarray]:
    """Return what turns texts into vectors of length one, float32 [N, D], as sentence-transformers does.

    Raises:
        ValueError: the folder is no such model, or pools otherwise than by the mean.
    """
    if not (folder / "modules.json").is_file():
        raise ValueError(
            f"{folder} has no modules.json; allowed is a folder of sentence-transformers: mend or take out "
            "`sentence_model` in params/eval.yaml"
        )
    modules = [each["type"].rsplit(".", 1)[-1] for each in json.loads((folder / "modules.json").read_text())]
    pooling = json.loads((folder / "1_Pooling/config.json").read_text())
    modes = [name for name, value in pooling.items() if name.startswith("pooling_mode") and value is True]
    if not {*modules} <= {*_MODULES} or modes != ["pooling_mode_mean_tokens"]:
        raise ValueError(
            f"{folder} is made of {modules} and pools by {modes}; allowed are {list(_MODULES)} and "
            "['pooling_mode_mean_tokens']: name another `sentence_model` in params/eval.yaml"
        )
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    settings = folder / "sentence_bert_config.json"
    longest = json.loads(settings.read_text())["max_seq_length"] if settings.is_file() else None

    @torch.no_grad()
    def embed(texts: Sequence[str]) -> np.ndarray:
        found = []
        for start in range(0, len(texts), BATCH):
            part = list(texts[start : start + BATCH])
            cut = {"truncation": longest is not None, "max_length": longest}
            inputs = tokenizer(part, padding=True, return_tensors="pt", **cut)
            real = inputs["attention_mask"].unsqueeze(2)
            means = (model(**inputs).last_hidden_state * real).sum(1) / real.sum(1)
            found.append(torch.nn.functional.normalize(means).numpy())
        return np.concatenate(found)

    return embed


def nearest_of(folder: Path) -> Callable[..., list[str]]:
    """Return what chooses wrong options as `distractors.nearest`, by the cosine of sentences; each is embedded once.

    Args:
        folder: of a sentence-transformers model.

    Raises:
        ValueError: as `embedder`.
    """
    embed = embedder(folder)
    known: dict[str, np.ndarray] = {}

    def nearest(text: str, candidates: Iterable[str], *, count: int, beside: Sequence[str] = ()) -> list[str]:
        others = list(dict.fromkeys(candidates))
        if new := [each for each in dict.fromkeys((text, *others, *beside)) if each not in known]:
            known.update(zip(new, embed(new), strict=True))
        return most_alike(text, others, known, count=count, beside=beside)

    return nearest


def most_alike(
    text: str,
    candidates: Iterable[str],
    vectors: Mapping[str, np.ndarray],
    *,
    count: int,
    beside: Sequence[str] = (),
) -> list[str]:
    """Return the candidates nearest to a text that say the same neither as it nor as one another.

    Args:
        text: the right option.
        candidates: that are wrong.
        vectors: of all of them, of length one.
        count: how many are wanted.
        beside: wrong options that the question has already; what says the same is no further one.

    Raises:
        RowError: there are fewer.
    """
    chosen: list[str] = []
    for each in sorted(candidates, key=lambda one: (-float(vectors[one] @ vectors[text]), one)):
        if all(float(vectors[each] @ vectors[other]) < SAME for other in (text, *beside, *chosen)):
            chosen.append(each)
        if len(chosen) == count:
            return chosen
    raise RowError("too_few_wrong_options", f"{len(chosen)} for {text!r}")

"""The samples that a stage was shown, held against the limits of its recipe and against its rewards."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import cast

from transformers import PreTrainedTokenizerBase

from components import params
from components.models import build
from components.prompts import reasons, split_think_answer, think_answer
from components.rewards import REWARDS
from components.rewards.correctness import is_correct
from components.train.dataset import Collate, SampleDataset
from components.train.packing import IGNORE
from components.train.rehearsal.outcome import Part

DRAWN = 64  # samples that shares are of: a rehearsal's own are too few to tell


def read(
    stage: params.Stage, shown: SampleDataset, drawn: SampleDataset, model: params.AnyModel, folder: Path, *, limit: int
) -> list[Part]:
    """Read the samples of a stage as its model is shown them.

    Args:
        stage: as the recipe has it.
        shown: samples of the stage that was trained.
        drawn: more of them, of which shares are taken.
        model: block of the recipe.
        folder: of the model that the stage left.
        limit: most tokens of an answer.
    """
    from components.train.grpo.trainer import rewarded_part  # TRL takes seconds to import

    tokenizer, collate = _reader(model, folder, pixels=stage.max_pixels)
    context = json.loads((folder / "config.json").read_text())["text_config"]["max_position_embeddings"]
    completion = stage.grpo.max_completion_length if stage.grpo else 0
    names = list(stage.grpo.reward_weights) if stage.grpo else []
    looked_at = defaultdict(list)
    for item, (question, answer) in _turns(drawn, DRAWN):
        said = think_answer("", answer) if item["reasoned"] and not split_think_answer(answer) else answer
        ids = tokenizer(said, add_special_tokens=False)["input_ids"]
        batch = collate([item | {"turns": [(question, answer)]}])
        prompt = batch["input_ids"].shape[1] - int((batch["labels"] != IGNORE).sum())
        rewarded = rewarded_part(item)
        # of one list of ids it is one text
        written = cast("str", tokenizer.decode(ids[:limit], skip_special_tokens=True))
        looked_at[part_of(item)].append(
            {
                "context": prompt + max(completion, len(ids) + 1) > context,
                "text": len(tokenizer(question)["input_ids"]) + len(ids) > stage.max_text_tokens,
                "cut": len(ids) + 1 > limit,  # the token that ends it, too
                "read": is_correct(written, rewarded),
                "earned": {name: REWARDS[name](written, rewarded) for name in names},
            }
        )
    counts = Counter(part_of(item) for item, _ in _turns(shown, len(shown)))
    return [_part(part, counts[part], looked_at[part], names) for part in sorted(looked_at.keys() | counts.keys())]


def part_of(item: dict) -> str:
    """Return the `corpus/task/view` of a sample, as mixtures name it."""
    return f"{item['corpus']}/{item['task']}/{item['view']}"


def _part(part: str, shown: int, rows: list[dict], names: list[str]) -> Part:
    earned = {name: [row["earned"][name] for row in rows if row["earned"][name] is not None] for name in names}
    judged = [row["read"] for row in rows if row["read"] is not None]
    share = {name: sum(row[name] for row in rows) / max(1, len(rows)) for name in ("context", "text", "cut")}
    return Part(
        part=part,
        shown=shown,
        drawn=len(rows),
        beyond_context=share["context"],
        beyond_text_tokens=share["text"],
        answers_cut=share["cut"],
        answers_read=fmean(judged) if judged else None,
        applies={name: len(values) / max(1, len(rows)) for name, values in earned.items()},
        earned={name: fmean(values) for name, values in earned.items() if values},
    )


def _turns(samples: SampleDataset, items: int) -> Iterator[tuple[dict, tuple[str, str]]]:
    """Yield the samples of the first items, with question and answer as the model is shown them."""
    for index in range(min(items, len(samples))):
        item = samples[index]
        for sample, turn in zip(samples.asked(index), item["turns"], strict=True):
            row = {name: sample[name] for name in ("target", "question_type", "answer")}
            yield item | row | {"reasoned": reasons(sample, reasoned=samples.reasoned)}, turn


def _reader(model: params.AnyModel, folder: Path, *, pixels: int | None) -> tuple[PreTrainedTokenizerBase, Callable]:
    """Return the tokenizer of a checkpoint, and what makes of items the inputs of its model."""
    if isinstance(model, params.Qwen):
        from components.models import qwen_vl
        from components.train import qwen

        of_qwen = qwen_vl.load_processor(folder, pixels=pixels)
        return of_qwen.tokenizer, qwen.Collate(of_qwen)
    processor = build.load_processor({"all": folder})
    return processor.tokenizer, Collate(build.config_of(processor), processor)

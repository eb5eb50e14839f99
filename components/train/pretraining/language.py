"""Algorithm `text`: pre-train the language model on the world's text (a base-model stage; no frames)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast, TrainerCallback

from components import params, prompts
from components.metrics import Box, Span, box_iou, temporal_iou
from components.models.configuration import EgoflowConfig
from components.models.modeling import EgoflowForConditionalGeneration
from components.models.processing import EgoflowProcessor, build_tokenizer, prompt
from components.train.ordered_dataset import SeededDataset
from components.train.packing import pad, row
from components.train.pretraining import world_text
from components.train.pretraining.world_text import TextSample
from components.train.trainer import Losses

TEXTS_FOR_VOCABULARY = 2000
HELD_OUT_SAMPLES = 120
MEASURE_STEPS = 100
MEASURED_TASKS = ("caption", "qa", "ground_temporal")
NUMBER_WEIGHT = 3.0
HELD_OUT_SEED = 1_000_003
Region = TypeVar("Region", Span, Box)


def rules(data: params.Data) -> world_text.Rules:
    """Return the values of params/data.yaml that fix how answers are written."""
    return world_text.Rules(data.frames.window_frames, data.egore.box_grid, data.egore.time_step_s)


def tokenizer(draft: EgoflowConfig, data: params.Data) -> PreTrainedTokenizerFast:
    """Train the tokenizer on the questions and answers of some takes, and on every instruction."""
    turns = [turn for sample in held_out(draft, data, TEXTS_FOR_VOCABULARY, seed=0) for turn in sample.turns]
    texts = [f"{turn.question} {turn.answer}" for turn in turns]
    return build_tokenizer([*texts, world_text.IDLE, *world_text.INSTRUCTIONS, prompts.with_options("", ["", ""])])


def held_out(config: EgoflowConfig, data: params.Data, count: int, *, seed: int) -> list[TextSample]:
    """Make text samples, contexts in turn.

    Args:
        config: of the model.
        data: the content of params/data.yaml.
        count: number of samples.
        seed: of the samples.
    """
    contexts = list(world_text.CONTEXTS)
    return [world_text.sample(config, contexts[i % len(contexts)], seed, i, rules(data)) for i in range(count)]


class TextDataset(SeededDataset):
    """Text samples by step: item i belongs to batch i // batch, which holds one kind of context, so one length.

    Args:
        config: of the model.
        data: the content of params/data.yaml.
        steps: optimiser steps.
        batch: items of each step.
        seed: the same seed makes the same items.
    """

    def __init__(self, config: EgoflowConfig, data: params.Data, *, steps: int, batch: int, seed: int):
        super().__init__(steps=steps, batch=batch, seed=seed)
        self.config, self.rules = config, rules(data)

    def __getitem__(self, index: int) -> TextSample:
        step = index // self.batch
        contexts = {"window": 1.0} if step < world_text.WINDOWS_FIRST * self.steps else world_text.CONTEXTS
        rng = np.random.default_rng((self.seed, step, 3))
        context = str(rng.choice(list(contexts), p=list(contexts.values())))
        return world_text.sample(self.config, context, self.seed, index, self.rules)


class CollateText:
    """Collate text samples to the model's inputs, with bags of word ids in the place of frames."""

    def __init__(self, processor: EgoflowProcessor):
        self.processor = processor

    def __call__(self, samples: list[TextSample]) -> dict[str, torch.Tensor]:
        """Return what `packing.pad` gives, and the bags: fact_ids and fact_weights [placeholders, K]."""
        rows = [
            row(self.processor, sample.visual, [(turn.question, turn.answer) for turn in sample.turns])
            for sample in samples
        ]
        return {**pad(rows, self.processor.tokenizer.pad_token_id), **self.bags(samples)}

    def bags(self, samples: list[TextSample]) -> dict[str, torch.Tensor]:
        """Pad all bags of a batch to one width; weight 0 where there is no word."""
        bags = [bag for sample in samples for bag in sample.bags]
        width = max(1, *(len(bag) for bag in bags))
        ids = np.zeros((len(bags), width), dtype=np.int64)
        weights = np.zeros((len(bags), width), dtype=np.float32)
        vocabulary = self.processor.tokenizer.get_vocab()
        for number, bag in enumerate(bags):
            for place, (word, weight) in enumerate(bag):
                ids[number, place] = vocabulary[word]
                weights[number, place] = weight
        return {"fact_ids": torch.from_numpy(ids), "fact_weights": torch.from_numpy(weights)}


def losses(config: EgoflowConfig) -> Losses:
    """Make the token loss over answers, in which number words count more.

    Only two of the eighteen tokens of an interval's answer are numbers. The others are soon learned, and without the
    weights they would make up most of the mean.

    Args:
        config: of the model; says which words are numbers.
    """

    def compute(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        facts = (batch["fact_ids"], batch["fact_weights"])
        tokens = {name: batch[name] for name in ("input_ids", "labels", "attention_mask", "position_ids")}
        weights = torch.ones(config.text_config.vocab_size, device=batch["labels"].device)
        weights[config.time_token_ids] = NUMBER_WEIGHT
        return {"total": model(**tokens, facts=facts, word_weights=weights).loss}

    return compute


def score(completion: str, answer: str) -> float:
    """Return the score of a completion against its answer: IoU for boxes and intervals, else 1 for equal words."""
    truth, guess = prompts.split_think_answer(answer), prompts.split_think_answer(completion)
    if truth is not None:
        guessed = guess[1] if guess else None
        if (iou := _iou(prompts.parse_span, temporal_iou, truth[1], guessed)) is not None:
            return iou
        if (iou := _iou(prompts.parse_box, box_iou, truth[1], guessed)) is not None:
            return iou
        return float(guessed is not None and guessed.split() == truth[1].split())
    if (iou := _iou(prompts.parse_span, temporal_iou, answer, completion)) is not None:
        return iou
    return float(completion.replace(" ", "") == answer.replace(" ", ""))


def _iou(
    parse: Callable[[str], Region | None], overlap: Callable[[Region, Region], float], truth: str, guess: str | None
) -> float | None:
    """Return the overlap of two written regions: 0 where the guess is no region, None where the truth is none."""
    if (wanted := parse(truth)) is None:
        return None
    got = None if guess is None else parse(guess)
    return 0.0 if got is None else overlap(got, wanted)


class StopAtScore(TrainerCallback):
    """Score held-out text every MEASURE_STEPS steps; stop as soon as every task of MEASURED_TASKS reaches a score.

    The temporal task is learned in a late and sudden transition: a fixed number of steps would end before it for some
    seeds.

    Args:
        processor: of the model.
        samples: held-out text.
        stop_at_score: mean score at which training stops, 0 to 1.
        log: takes the scores.
    """

    def __init__(self, processor: EgoflowProcessor, samples: list[TextSample], stop_at_score: float, log) -> None:
        self.processor, self.samples, self.stop_at_score, self.log = processor, samples, stop_at_score, log
        self.scores: dict[str, float] = {}

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Measure the scores, and stop training where all of them suffice."""
        if state.global_step % MEASURE_STEPS and state.global_step < args.max_steps:
            return
        self.scores = measure(kwargs["model"], self.processor, self.samples)
        if state.is_world_process_zero:
            self.log.log(state.global_step, {f"held_out/{task}": value for task, value in self.scores.items()})
        if min(self.scores[task] for task in MEASURED_TASKS) >= self.stop_at_score:
            control.should_training_stop = True


@torch.no_grad()
def measure(
    model: EgoflowForConditionalGeneration, processor: EgoflowProcessor, samples: list[TextSample]
) -> dict[str, float]:
    """Answer the first question of each held-out sample greedily.

    Args:
        model: trained so far; put in evaluation mode meanwhile.
        processor: of the model.
        samples: held-out text.

    Returns:
        The mean score of each task, 0 to 1 (`score`).
    """
    collate = CollateText(processor)
    model.eval()
    scores: dict[str, list[float]] = {}
    ordered = sorted(samples, key=lambda sample: len(sample.visual))
    for start in range(0, len(ordered), 64):
        group = ordered[start : start + 64]
        turns = [sample.turns[0] for sample in group]
        texts = [prompt(sample.visual, turn.question) for sample, turn in zip(group, turns, strict=True)]
        batch = processor.tokenizer(
            texts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt"
        )
        bags = collate.bags(group)
        embeds, _ = model.model.embed(batch["input_ids"], facts=(bags["fact_ids"], bags["fact_weights"]))
        mask = batch["attention_mask"]
        ids = model.generate(  # ty: ignore[invalid-argument-type]  # transformers' protocol asks for T5's `encoder`
            inputs_embeds=embeds, attention_mask=mask, max_new_tokens=32, do_sample=False
        )
        completions = processor.tokenizer.batch_decode(ids, skip_special_tokens=True)
        for turn, completion in zip(turns, completions, strict=True):
            scores.setdefault(turn.task, []).append(score(completion, turn.answer))
    model.train()
    return {task: float(np.mean(values)) for task, values in sorted(scores.items())}

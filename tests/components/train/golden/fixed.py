"""Fixed inputs through single parts: losses, rewards, words, order and layouts, without a training step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import torch

from components import params
from components.models import build, qwen_vl
from components.prompts.asked import asked_question, spelled_out
from components.rewards import REWARDS
from components.train import algorithms, qwen
from components.train.dataset import Collate, SampleDataset, taught_answer
from components.train.losses import FEATURES, GUIDANCE
from components.train.packing import pad, row
from components.train.pretraining import contrastive, language
from tests.components.train.golden import footage, optimisers

Values = dict[str, float | str]
MIXTURE = {
    "egoexoclip/caption/ego": 0.3, "egoexoclip/caption/exo": 0.1, "egore/qa/ego": 0.2,
    "egore/ground_spatial/ego": 0.2, "egore/ground_temporal/ego": 0.2,
}  # fmt: skip
COMPLETIONS = (
    "<think>C picks up the red cup with the left hand from 1 to 4 s <frames>2, 3</frames></think>"
    "<answer>(1, 4)</answer>",
    "<think>C cuts</think><answer>(2, 6)</answer>",
    "<think>it is left</think><answer>[12, 20, 40, 50]</answer>",
    "<think>the pan</think><answer>A</answer>",
    "<think>the cup</think><answer>B</answer>",
    "the red cup",
)
_COMMON = {
    "reasoned": True, "question_type": "what", "salient_frames": [2, 3, 4], "answer": COMPLETIONS[0],
    "media": [{"start_s": 10.0, "end_s": 18.0}], "other_view": [*COMPLETIONS[:2], COMPLETIONS[4]],
    "answer_log_prob": -0.2, "group_log_prob": -0.4, "key_accuracy": 0.5, "rest_accuracy": 0.6,
}  # fmt: skip
TARGETS = (
    {"kind": "span", "span": {"start_s": 1.0, "end_s": 5.0}},
    {"kind": "box", "box_xyxy": [12.0, 20.0, 40.0, 60.0]},
    {"kind": "choice", "choices": ["the pan", "the cup"], "answer_index": 1},
    {"kind": "text", "text": "the red cup"},
)


def of_loss(name: str) -> Values:
    """Return a loss of grids that waves make."""
    grids = {
        grid: torch.sin(torch.arange(2 * 6 * 3 * 3).reshape(2, 6, 3, 3) * (0.37 + number))
        for number, grid in enumerate(("x", "y", "fx", "gfx", "fgy"))
    }
    if name in FEATURES:
        return {"loss": float(FEATURES[name](grids["x"].mean((2, 3)), grids["y"].mean((2, 3))))}
    return {"loss": float(GUIDANCE[name](grids))}


def of_reward(name: str) -> Values:
    """Return what the completions earn for each kind of target; a dash where the reward does not apply."""
    earned = {
        target["kind"]: [REWARDS[name](completion, {**_COMMON, "target": target}) for completion in COMPLETIONS]
        for target in TARGETS
    }
    return {
        kind: ", ".join("-" if value is None else f"{value:.6g}" for value in values) for kind, values in earned.items()
    }


def questions(folder: Path, starts: dict[str, object]) -> Values:
    """Return how the samples of one take are asked, plainly and for a thought, and what is taught."""
    values: Values = {}
    for sample in footage.samples()[: len(footage.samples()) // footage.TAKES]:
        times = torch.linspace(0.5, 7.5, 8).double().numpy()
        for reasoned in (False, True):
            given = sample | {"reasoned": reasoned}
            name = f"{sample['corpus']} {sample['task']} {sample['view']} {sample['question']}"
            values[f"{name}{' reasoned' * reasoned}"] = " | ".join(
                [
                    asked_question(given, times, reasoned=reasoned),
                    spelled_out(given, times, reasoned=reasoned),
                    taught_answer(given),
                ]
            )
    return values


def samples(folder: Path, starts: dict[str, object]) -> Values:
    """Return which samples come in which order, by steps, by epochs and with exo views."""
    clips = {"egoexoclip/caption/ego": 1.0}
    common = {"batch": 4, "seed": 3, "contract": algorithms.contract(footage.settings(folder))}
    shown = {
        "steps": SampleDataset(folder / "data", MIXTURE, steps=12, exo_views=None, video_last=0.3, **common),
        "epochs": SampleDataset(folder / "data", MIXTURE, steps=None, epochs=2.0, turns=2, exo_views=None, **common),
        "drawn views": SampleDataset(folder / "data", clips, steps=5, exo_views="draw", **common),
        "each view": SampleDataset(folder / "data", clips, steps=None, epochs=1.0, exo_views="each", **common),
    }
    values: Values = {}
    for name, dataset in shown.items():
        values[f"{name}: ids"] = dataset.samples_digest(dataset.steps)
        items = [dataset[index] for index in range(len(dataset))]
        frames = [item[key] for item in items for key in ("frames", "paired_frames") if key in item]
        values[f"{name}: frames"] = hashlib.sha256(b"".join(each.tobytes() for each in frames)).hexdigest()
        values[f"{name}: frames last"] = str([item["video_last"] for item in items])
    return values


def text(folder: Path, starts: dict[str, object]) -> Values:
    """Return the first sentences that a language model is pre-trained on."""
    config = build.config_of(build.load_processor({"all": Path(str(starts["miniature"])) / "model"}))
    dataset = language.TextDataset(config, footage.settings(folder), steps=6, batch=2, seed=0)
    samples = [dataset[index] for index in range(len(dataset))]
    told = [[sample.visual, *((turn.question, turn.answer) for turn in sample.turns)] for sample in samples]
    return {"first": str(told[0][1]), "all": hashlib.sha256(json.dumps(told).encode()).hexdigest()}


def contrastive_pictures(folder: Path, starts: dict[str, object]) -> Values:
    """Return what the first pictures show, and how bright they are."""
    size = {"frames": 2, "size_px": 64, "render_px": footage.SIZE_PX, "grid": 8}
    dataset = contrastive.ImageDataset(4, steps=2, batch=3, seed=0, **size)
    return _digests(contrastive.collate([dataset[index] for index in range(6)]))


def egoflow_layout(folder: Path, starts: dict[str, object]) -> Values:
    """Return the tokens of items of every view and count of frames, with F(x), and with the frames last."""
    processor = build.load_processor({"all": Path(str(starts["miniature"])) / "model"})
    config, values = build.config_of(processor), {}
    for guidance in (False, True):
        config.guidance = guidance
        batch = Collate(config, processor)(_items(folder, egoflow=True))
        values |= {f"{name}{' guided' * guidance}": value for name, value in _digests(batch).items()}
    return values


def qwen_layout(folder: Path, starts: dict[str, object]) -> Values:
    """Return the same of a Qwen model's processor."""
    processor = qwen_vl.load_processor(Path(str(starts["qwen2_5_vl"])), pixels=3136)
    attention, build.attention = build.attention, lambda: "sdpa"
    try:
        return _digests(qwen.Collate(processor)(_items(folder, egoflow=False)))
    finally:
        build.attention = attention


def packing(folder: Path, starts: dict[str, object]) -> Values:
    """Return rows of one to three questions about a context, padded to a batch."""
    processor = build.load_processor({"all": Path(str(starts["miniature"])) / "model"})
    asked = [("where is the cup?", "[12, 32]"), ("what does C do?", "C cuts the bread."), ("when?", "(3, 6)")]
    rows = [row(processor, "<ego><ego_patch><ego_patch>", asked[:count]) for count in (1, 2, 3)]
    return _digests(pad(rows, processor.tokenizer.pad_token_id))


def _items(folder: Path, *, egoflow: bool) -> list[dict]:
    data = footage.settings(folder)
    architecture = None if egoflow else params.Qwen(architecture="qwen2_5_vl", base="none")
    plain = {
        "name": "s", "algorithm": "supervised", "max_steps": 2, "train_batch_size": 4, "warmup_ratio": 0.0,
        "weight_decay": 0.0, "save_steps": 1, "video_last": 0.3 if egoflow else 0.0,
        "mixture": {key: share for key, share in MIXTURE.items() if egoflow or "temporal" not in key},
    }  # fmt: skip
    dataset = algorithms.samples(params.Stage.model_validate(plain), data, folder / "data", architecture)
    return [dataset[index] for index in range(len(dataset))]


def _digests(batch: dict[str, torch.Tensor]) -> Values:
    """Return integers by their digest, and numbers by their mean size."""
    values: Values = {}
    for name, value in sorted(batch.items()):
        if value.is_floating_point() and name != "attention_mask":
            values[f"{name}, mean size"] = float(value.double().abs().mean())
            values[f"{name}, deviation"] = float(value.double().std())
        else:
            text = json.dumps([list(value.shape), value.long().flatten().tolist()])
            values[name] = hashlib.sha256(text.encode()).hexdigest()
    return values


# part -> what gives its values
FIXED: dict[str, Callable[[Path, dict[str, object]], Values]] = {
    **{f"loss/{name}": lambda _folder, _starts, name=name: of_loss(name) for name in (*GUIDANCE, *FEATURES)},
    **{f"reward/{name}": lambda _folder, _starts, name=name: of_reward(name) for name in REWARDS},
    "text": text,
    "contrastive": contrastive_pictures,
    "questions": questions,
    "samples": samples,
    "layout/egoflow": egoflow_layout,
    "layout/qwen": qwen_layout,
    "packing": packing,
    "optimiser": optimisers.plain,
    "muon": optimisers.muon,
}

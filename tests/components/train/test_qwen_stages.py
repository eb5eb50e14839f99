"""Real training processes on a random Qwen model: SFT, what a killed one resumes to, GRPO from it, and what is left."""

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch
from ruamel.yaml import YAML
from transformers import AutoModelForImageTextToText
from trl.trainer import grpo_trainer

from components import params
from components.models import export, qwen_vl
from components.models.backbone import part_of
from components.models.hub_configs import QWEN_PARTS
from components.tracking import history
from components.train import algorithms, checkpoints, plan
from components.train.grpo import trainer
from components.train.trainer import arguments
from tests.components.train.conftest import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

BROKEN = "qwen_broken"
SHARED = {"weight_decay": 0.1, "warmup_ratio": 0.0, "threads_per_rank": 1, "max_pixels": 3136, "max_frames": 3}
SFT = {
    "name": "sft", "algorithm": "supervised", "max_steps": 5, "train_batch_size": 4, "per_device_train_batch_size": 2,
    "save_steps": 2,
    "questions_per_context": 2, "gradient_checkpointing": True,
    "learning_rates": {"language_model": 1.0e-3, "merger": 1.0e-2},
    "lora": {"r": 2, "lora_alpha": 4, "lora_dropout": 0.1, "learning_rate": {"vision_encoder": 1.0e-2}},
    "mixture": {"egore/ground_spatial/ego": 0.5, "egore/verify/ego": 0.5},
}  # fmt: skip
GRPO = {
    "name": "grpo", "algorithm": "grpo", "max_steps": 2, "train_batch_size": 2, "save_steps": 1,
    "parents": {"all": "sft"},
    "learning_rates": {"language_model": 1.0e-3, "vision_encoder": 1.0e-3},
    "mixture": {"egore/ground_spatial/ego": 1.0},
    "grpo": {"num_generations": 2, "beta": 0.04, "temperature": 1.0, "max_completion_length": 4,
             "rollout_page_steps": 1, "reward_weights": {"format": 1.0, "box_iou": 1.0}},
}  # fmt: skip


@pytest.fixture(scope="module")
def recipe(workshop, qwen_bases) -> params.Recipe:
    path = workshop.folder / "qwen.yaml"
    model = {"architecture": "qwen2_5_vl", "base": str(qwen_bases["qwen2_5_vl"])}
    with path.open("w") as file:
        YAML().dump({"name": "qwen", "model": model, "stages": [SHARED | SFT, SHARED | GRPO]}, file)
    return params.load(path, params.Recipe)


@pytest.fixture(scope="module")
def sft(workshop, recipe) -> Path:
    """The finished stage; what it was after two steps lies in the folder BROKEN, as an interrupted run leaves it."""
    with ThreadPoolExecutor() as pool:
        copy = pool.submit(copy_after_two_steps, workshop.folder / "qwen_sft", workshop.folder / BROKEN)
        output = trained(workshop, partial(workshop.train, warm=False), recipe.stages[0], {}, "qwen_sft")
        copy.result()
    return output


def copy_after_two_steps(running: Path, copy: Path) -> None:
    end_s, saved = time.monotonic() + 200, running / "trainer" / "checkpoint-2"
    while not (saved / "trainer_state.json").is_file():  # written last
        assert time.monotonic() < end_s, "no checkpoint came"
        time.sleep(0.005)
    stopped = rank_of(running)
    stopped.suspend()
    shutil.copytree(saved, copy / "trainer" / saved.name)
    stopped.resume()


def rank_of(output: Path) -> psutil.Process:
    """The process that trains into a folder, not its launcher."""
    for process in psutil.Process().children(recursive=True):
        line = process.cmdline()
        if "-m" in line and line[line.index("-m") + 1] == "components.train" and str(output) in line:
            return process
    raise AssertionError(f"nothing trains into {output}")


def trained(workshop, train: Callable, stage: params.Stage, parents: dict[str, Path], name: str) -> Path:
    output = workshop.folder / name
    train(workshop.folder / "qwen.yaml", stage, parents, output, workshop.open_run(name))
    assert plan.is_finished(output), output.with_suffix(".log").read_text()[-3000:]
    return output


def weights(folder: Path) -> dict[str, torch.Tensor]:
    # by the class: the files have the names of the published ones, which are older
    return qwen_vl.load(folder).state_dict()


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    assert set(after) == set(before)
    return {part_of(name, QWEN_PARTS) for name in after if not torch.equal(after[name], before[name])}


def test_sft_moves_its_parts_and_leaves_a_plain_folder(sft, qwen_bases, tmp_path):
    base = qwen_bases["qwen2_5_vl"]
    before, after = weights(base), weights(sft / "model")
    assert moved(before, after) == {"language_model", "merger", "vision_encoder"}
    # of the tower only what has adapters
    norms = [name for name in after if "visual.blocks" in name and "norm" in name]
    assert norms and all(torch.equal(after[name], before[name]) for name in norms)
    rows = history.read(sft / "history.jsonl")[0]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5] and {"loss/vtg", "grad_norm"} <= set(rows[0])
    made = json.loads((sft / "stage.json").read_text())
    assert (made["params"]["max_frames"], made["params"]["max_pixels"]) == (3, 3136) and made["samples_digest"]
    export.export(sft, tmp_path / "out")
    model, found = AutoModelForImageTextToText.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not found["missing_keys"] and not found["unexpected_keys"]
    assert type(model).__module__.startswith("transformers.")
    reading = {"tokenizer.json", "preprocessor_config.json", "chat_template.jinja", "config.json"}
    assert reading <= {path.name for path in (tmp_path / "out").iterdir()}


def test_an_interrupted_sft_resumes_to_the_same_weights(sft, workshop, recipe):
    """The known trap: a full fine-tune of Qwen2-VL that goes on from wrong weights because of renamed parameters."""
    output = trained(workshop, workshop.fork, recipe.stages[0], {}, BROKEN)
    assert moved(weights(sft / "model"), weights(output / "model")) == set()
    whole, rest = (history.read(folder / "history.jsonl")[0] for folder in (sft, output))
    assert [row["step"] for row in rest] == [3, 4, 5]
    assert [row["loss"] for row in rest] == [row["loss"] for row in whole[2:]]


def test_grpo_goes_on_from_sft(sft, workshop, recipe):
    output = trained(workshop, workshop.fork, recipe.stages[1], {"all": sft}, "qwen_grpo")
    assert moved(weights(sft / "model"), weights(output / "model")) == {"language_model", "vision_encoder"}
    rows = history.read(output / "history.jsonl")[0]
    assert [row["step"] for row in rows] == [1, 2]
    assert {"kl", "reward", "rewards/format/mean", "completions/mean_length", "frac_reward_zero_std"} <= set(rows[0])
    assert rows[0]["learning_rate"] == 1e-3, "the recipe's, not TRL's own"
    # the policy is the reference until the first step has moved it
    assert rows[0]["kl"] == pytest.approx(0, abs=1e-6)
    assert len(list((output / "rollouts").glob("step-*.html"))) == 2


FIRST = {"format": lambda completion_ids, **columns: [float(ids[0] % 7) for ids in completion_ids]}


@pytest.fixture
def in_process(recipe, workshop, qwen_bases, tmp_path, monkeypatch) -> Callable:
    """GRPO in this process, for a reward of the first token: a random model earns nothing else."""
    monkeypatch.setattr(trainer, "reward_function", FIRST.get)
    monkeypatch.setattr(trainer, "arguments", lambda *of: arguments(*of) | {"deepspeed": None, "save_strategy": "no"})

    def make(**changes) -> tuple[trainer.GRPOTrainer, params.Stage]:
        model = qwen_vl.load(qwen_bases["qwen2_vl"])
        torch.manual_seed(1)
        with torch.no_grad():  # what a fresh model sees makes too small a difference to be heard
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(std=0.2)
        model.save_pretrained(tmp_path / "loud")
        model = qwen_vl.load(tmp_path / "loud")
        asked = recipe.stages[1].grpo.model_copy(
            update={"num_generations": 4, "reward_weights": {"format": 1.0}, **changes}
        )
        stage = recipe.stages[1].model_copy(update={"grpo": asked, "weight_decay": 0.0, "gradient_checkpointing": True})
        data = params.load(ROOT / "params/data.yaml", params.Data)
        samples = algorithms.samples(stage, data, workshop.data, recipe.model)
        checkpoints.prepare(model, stage.learning_rates, None, QWEN_PARTS)
        groups = algorithms.groups(model, stage, QWEN_PARTS)
        processor = qwen_vl.load_processor(qwen_bases["qwen2_vl"], pixels=3136)
        return trainer.trainer(
            model, processor, stage, asked, samples, groups=groups, output=tmp_path, callbacks=[]
        ), stage

    return make


def test_a_group_is_encoded_once_and_teaches(in_process):
    made, stage = in_process()
    model = made.model
    seen: list[int] = []
    for each in (made.model, made.ref_model):
        count = lambda module, args, kwargs: seen.append(len(kwargs["grid_thw"]))  # noqa: E731
        each.model.visual.register_forward_pre_hook(count, with_kwargs=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    made.train()
    # two prompts of a still image, four completions of each: sampled, compared with the reference, learned from
    assert seen == [2] * 3 * stage.max_steps
    assert moved(before, model.state_dict()) == {"language_model", "vision_encoder"}
    rows = [row for row in made.state.log_history if "kl" in row]
    assert rows[0]["kl"] == pytest.approx(0, abs=1e-6) and rows[1]["kl"] > 0
    assert all(row["grad_norm"] > 0.01 for row in rows)


class Engine:
    """In the place of TRL's door to vLLM: says the same tokens to every prompt and keeps what it was given."""

    def __init__(self, model, **asked):
        self.model, self.asked, self.handed_over, self.shown = model, asked, [], []
        self.never = model.generation_config.suppress_tokens

    def sync_weights(self) -> None:
        self.handed_over.append(self.model.lm_head.weight.detach().clone())

    def generate(self, prompts, images, num_generations, profiler):
        self.shown += images
        said = [[row % 5 + 1, 2] for row in range(len(prompts))]
        return prompts, said, [[[-1.0]] * len(ids) for ids in said], None


def test_vllm_gets_the_weights_of_each_step_and_frames_as_pictures(in_process, monkeypatch):
    """vLLM itself needs a GPU and is not here: what stands between it and the trainer is TRL's and ours."""
    monkeypatch.setattr(trainer, "is_vllm_available", lambda: True)
    monkeypatch.setattr(grpo_trainer, "VLLMGeneration", Engine)
    made, stage = in_process(vllm=params.Vllm(mode="colocate", gpu_memory_utilization=0.4))
    made.train()
    engine = made.vllm_generation
    assert (engine.asked["mode"], engine.asked["gpu_memory_utilization"]) == ("colocate", 0.4)
    assert engine.never and engine.asked["generation_kwargs"] == {"logit_bias": dict.fromkeys(engine.never, -100)}
    first, second = engine.handed_over  # before each of the two steps
    assert stage.max_steps == 2 and not torch.equal(first, second)
    assert len(engine.shown) == 2 * 2 * 4  # steps, prompts, completions
    assert {picture.size for shown in engine.shown for picture in shown} == {(64, 64)}
    rows = [row for row in made.state.log_history if "reward" in row]
    earned = [float((number % 5 + 1) % 7) for number in range(8)]
    assert [row["reward"] for row in rows] == pytest.approx([sum(earned) / 8] * 2)

"""The plan of a recipe: every shipped one is planned; what cannot fit is refused with what would."""

import dataclasses
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from components import params
from components.models import build, qwen_ego_setup
from components.models.backbone import part_of
from components.train import algorithms, checkpoints
from components.train.dry_run import duration, fitting, report
from components.train.dry_run.stage_budget import budget

ROOT = Path(__file__).parents[4]
RECIPES = sorted((ROOT / "params/recipes").glob("*.yaml"))
A100 = fitting.Machine(gpus=None, memory_gib=80.0, tokens_per_second=None)


@pytest.fixture(scope="module")
def data() -> params.Data:
    return params.load(ROOT / "params/data.yaml", params.Data)


def recipe_of(name: str) -> params.Recipe:
    return params.load(ROOT / f"params/recipes/{name}.yaml", params.Recipe)


def budget_of(name: str, stage: str, data: params.Data, **changes):
    recipe = recipe_of(name)
    chosen = next(one for one in recipe.stages if one.name == stage).model_copy(update=changes)
    return budget(chosen, report.config_of(recipe.model, data), data.frames)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_is_planned_and_fits_what_it_names(path, data):
    recipe, console = params.load(path, params.Recipe), Console(file=io.StringIO(), width=200)
    assert recipe.name == path.stem
    assert report.run(recipe, data, A100, console) == []
    shown = console.file.getvalue()
    for stage in recipe.stages:
        rows = [line for line in shown.splitlines() if f"│ {stage.name} " in line]
        assert len(rows) >= 2, f"{stage.name} needs a row of its steps and one of its memory"
        assert any(f" {stage.train_batch_size}" in row for row in rows)
    assert "hours " in shown and "disk " in shown


def test_view_grpo_fits_with_its_larger_base_too(data):
    recipe = recipe_of("view_grpo")
    larger = recipe.model.model_copy(update={"base": "Qwen/Qwen2.5-VL-7B-Instruct"})
    console = Console(file=io.StringIO(), width=200)
    assert report.run(recipe.model_copy(update={"model": larger}), data, A100, console) == []


def test_the_student_alone_has_ego_adaptive_tokens_and_pays_for_them(data):
    """16 queries, 27 cross-attentions and a projector; each layer's patches of 180 frames are kept for them."""
    recipe, console = recipe_of("ego2exovlm"), Console(file=io.StringIO(), width=200)
    report.run(recipe, data, A100, console)
    [row] = [line for line in console.file.getvalue().splitlines() if line.startswith("│ ego_tokens ")]
    assert [cell.strip() for cell in row.split("│")[3:-1]] == ["frozen", "frozen", "frozen", "2e-06"]
    config = report.config_of(recipe.model, data)
    config.ego_tokens = 16
    tokens = budget(recipe.stages[-1], config, data.frames).ego_tokens
    patches = 180 * 256 * 1152 * 2
    assert 27 * patches < tokens.checkpointed < 40 * patches < tokens.activations
    assert tokens.flops > 27 * 2 * 2 * 180 * 256 * 1152**2, "keys and values of every patch in every layer"


def test_the_tokens_of_a_qwen_model_are_counted_as_they_are_built(data):
    """16 queries, 32 cross-attentions and a projector of the merger's widths; 32 frames of 256 patches are kept."""
    recipe, console = recipe_of("ego2exovlm_qwen"), Console(file=io.StringIO(), width=200)
    assert report.run(recipe, data, A100, console) == []
    [row] = [line for line in console.file.getvalue().splitlines() if line.startswith("│ ego_tokens ")]
    size = 16 * 1280 + 32 * 4 * 1281 * 1280 + 1280 + 1281 * 5120 + 5121 * 3584
    assert [cell.strip() for cell in row.split("│")[2:-1]] == [f"{size:,}", "frozen", "2e-06"]
    plain = report.config_of(recipe.model, data)
    with_tokens = budget(recipe.stages[-1], qwen_ego_setup.config_with(plain, 16), data.frames)
    teacher = budget(recipe.stages[0], plain, data.frames)
    assert with_tokens.demand.visual_tokens == 32 * 66 + 16 and teacher.demand.visual_tokens == 32 * 66
    patches = 32 * 256 * 1280 * 2
    assert 32 * patches < with_tokens.ego_tokens.checkpointed < 50 * patches < with_tokens.ego_tokens.activations
    assert with_tokens.total - teacher.total == size + with_tokens.adapters


@pytest.mark.slow
def test_the_miniature_is_counted_as_it_is_built(data):
    """Each stage's trained and frozen parameters and adapters, against the model that training makes."""
    recipe = recipe_of("miniature")
    config = build.config_of(algorithms.fresh_processor(recipe.model, data))
    for stage in recipe.stages:
        model = build.assemble(config, {}, seed=0)
        checkpoints.prepare(model, stage.learning_rates, stage.lora)
        counted = budget(stage, config, data.frames)
        real = dict.fromkeys(counted.parameters, 0)
        for name, parameter in model.named_parameters():
            if "lora_" not in name:
                real[part_of(name)] += parameter.numel()
        assert counted.parameters == real
        assert counted.total == sum(parameter.numel() for parameter in model.parameters())
        moving = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        assert counted.total_trained == moving, stage.name


def test_adapters_of_stage_3_by_hand(data):
    """Rank 128 on seven projections of 32 layers: r * (in + out) each."""
    ends = 4 * 4096 + 2 * (4096 + 1024) + 3 * (4096 + 14336)  # q and o: 8192 each; k, v; gate, up, down
    assert budget_of("exo2ego", "stage3", data).adapters == 32 * 128 * ends


def test_epochs_become_steps_and_tokens_by_hand(data):
    stage2 = budget_of("exo2ego", "stage2", data)
    assert stage2.steps == 8594  # 2 * 1,100,000 / 256, the last one whole
    # 16 markers and 9 x 13 x 13 tokens of the STC connector, for x and again for F(x)
    assert (stage2.demand.visual_tokens, stage2.demand.text_tokens) == (2 * (16 + 1521), 64)
    assert stage2.demand.towers == {"ego_encoder": (16, 577), "exo_encoder": (16, 577)}
    grpo = budget_of("egovlm", "grpo", data)
    assert grpo.demand.tokens == 16 * (128 + 2) + 256 + 8 * 1024


def test_the_fully_connected_mapping_is_counted_by_itself(data):
    recipe = recipe_of("exo2ego")
    stage2 = next(stage for stage in recipe.stages if stage.name == "stage2")
    config = report.config_of(recipe.model.model_copy(update={"mapping": "fc"}), data)
    counted = budget(stage2, config, data.frames)
    layer = 1024 * 1024 + 1024
    assert counted.parameters["mapping_g"] == 3 * layer
    assert counted.parameters["mapping_f"] == 3 * layer + 4096  # and the marker of guidance
    assert counted.mapping.flops == 3 * 2 * 24 * 24 * 1024 * 1024


def test_epochs_without_a_number_of_samples_are_refused(data):
    with pytest.raises(ValueError, match="'stage1' counts epochs, so a dry run needs `dataset_samples`"):
        budget_of("exo2ego", "stage1", data, dataset_samples=None)


def test_time_follows_a_measured_throughput(data):
    stage = budget_of("egovlm", "grpo", data)
    measured = fitting.Machine(gpus=8, memory_gib=80.0, tokens_per_second=2000.0)
    assert duration.hours(stage, measured) == pytest.approx(1200 * 8 * stage.demand.tokens / (2000 * 8) / 3600)
    assert duration.hours(stage, A100) > 0


def test_what_cannot_fit_is_refused_with_what_would(data):
    """EgoThinker's SFT with plain data parallelism: 16 bytes for each of 8.3 billion parameters."""
    stage = budget_of("egothinker", "sft", data, zero_stage=0)
    why = fitting.refusal(stage, A100)
    assert why.startswith("stage 'sft' needs 138.8 GiB on each GPU by ZeRO-0 on 32 GPUs")
    assert "72.0 of 80 GiB can be used. What would fit: ZeRO-1 on 32 GPUs" in why
    asked = fitting.setting(stage.stage, A100)
    limit = 0.9 * 80 * 2**30
    for each in fitting.remedies(stage, asked, limit):
        fits = stage.peak(
            zero=each.zero, gpus=each.gpus, micro_batch=each.micro_batch, checkpointing=each.checkpointing
        )
        assert fits <= limit and each != asked


@pytest.mark.parametrize(
    ("changes", "would"),
    [
        ({"gradient_checkpointing": False}, "per_device_train_batch_size 8, with gradient_checkpointing"),
        ({"gradient_checkpointing": False}, "per_device_train_batch_size 2, without gradient_checkpointing"),
    ],
)
def test_each_single_change_that_helps_is_named(data, changes, would):
    why = fitting.refusal(budget_of("exo2ego", "stage1", data, **changes), A100)
    assert "per_device_train_batch_size 8, without gradient_checkpointing; 72.0 of 80 GiB" in why
    assert would in why.split("What would fit:")[1]


def test_muon_is_not_told_to_take_zero_3(data):
    proposed = []
    for muon_rate in (0.01, None):
        stage = budget_of("egothinker", "sft", data, muon_learning_rate=muon_rate)
        asked = dataclasses.replace(fitting.setting(stage.stage, A100), zero=2)
        limit = stage.peak(zero=3, gpus=asked.gpus, micro_batch=asked.micro_batch, checkpointing=asked.checkpointing)
        proposed.append({remedy.zero for remedy in fitting.remedies(stage, asked, limit)})
    with_muon, with_adamw = proposed
    assert 3 not in with_muon and 3 in with_adamw


def test_where_nothing_helps_it_says_so(data):
    tiny = fitting.Machine(gpus=8, memory_gib=4.0, tokens_per_second=None)
    assert "Nothing fits within train_batch_size 8" in fitting.refusal(budget_of("egovlm", "grpo", data), tiny)


def test_vllm_beside_training_takes_its_share_of_the_memory(data):
    alone = budget_of("egothinker", "grpo", data)
    assert fitting.refusal(alone, A100) is None
    for mode, gib in (("server", 72.0), ("colocate", 24.0)):
        vllm = params.Vllm(mode=mode, gpu_memory_utilization=0.6)
        grpo = alone.stage.grpo.model_copy(update={"vllm": vllm})
        beside = budget_of("egothinker", "grpo", data, grpo=grpo)
        assert fitting.usable(beside.stage, A100) == pytest.approx(gib * 2**30)
        why = fitting.refusal(beside, A100)
        assert (why is None) == (mode == "server")
    assert "24.0 of 80 GiB can be used beside vLLM's share of 60%" in why


def test_a_batch_that_does_not_divide_is_refused(data):
    odd = fitting.Machine(gpus=3, memory_gib=80.0, tokens_per_second=None)
    why = fitting.refusal(budget_of("egovlm", "grpo", data), odd)
    assert why.startswith("stage 'grpo': train_batch_size 8 came for 3 GPUs times per_device_train_batch_size 1")


@pytest.mark.slow
def test_the_command_takes_a_bare_name_and_ends_with_1_where_it_cannot_fit():
    command = [sys.executable, "-m", "components.train", "--dry-run", "--recipe"]
    env = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [*command, "egovlm", "--gpu-memory-gib", "24"], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    assert "refused: stage 'grpo' needs" in done.stdout
    unknown = subprocess.run([*command, "egovlmm"], cwd=ROOT, env=env, capture_output=True, text=True)
    assert unknown.returncode == 2
    # the nearest name comes first, however many others are like it
    assert "'egovlmm' is no file (did you mean egovlm" in unknown.stderr
    assert "allowed are also the names [" in unknown.stderr and "'egovlm', " in unknown.stderr

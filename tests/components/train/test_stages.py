"""Real training processes: what each stage moves, what a killed one resumes to, what a second rank changes."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from components import params
from components.models import build
from components.models.backbone import part_of
from components.tracking import history
from components.tracking.store import client
from components.train import algorithms, plan
from components.train.safety import resumable
from flows import supervisor
from tests.components.train.conftest import ROOT, shrunk_recipe, write_fresh

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

# The parts that may move in each stage: Exo2Ego's table (systems §1.4; its "encoder" is tower and connector, its exo
# branch is unused in stage 3) and EgoThinker's full fine-tuning (§4.2). Written out, so that no recipe changes it.
FREEZE = {
    "base_lm": {"language_model"},
    "base_encoder": {"ego_encoder", "exo_encoder"},  # one tower is trained and copied
    "init_exo": {"exo_encoder", "exo_connector"},
    "init_ego": {"ego_encoder", "ego_connector"},
    "stage1": {"exo_encoder", "exo_connector"},
    "stage2": {"ego_encoder", "ego_connector", "mapping_f", "mapping_g"},
    "stage3": {"ego_encoder", "ego_connector", "mapping_f"},
    "sft": {"language_model", "ego_encoder", "ego_connector"},
    "grpo": {"language_model", "ego_encoder", "ego_connector"},
}
ADAPTED = {"stage3"}  # the language model moves by adapters, so in its projections only
CURVES = {
    "base_encoder": {"loss/total", "loss/captions", "loss/phrases", "loss/regions"},
    "stage2": {"loss/total", "loss/vtg", "loss/ccl", "loss/kl", "loss/retrieval", "loss/retrieval_identity"}
    | {"grad_norm/ego_encoder", "grad_norm/ego_connector", "grad_norm/mapping_f", "grad_norm/mapping_g"},
    "grpo": {f"rewards/{name}/{moment}" for name in ("format", "box_iou") for moment in ("mean", "std")}
    | {"reward", "reward_std", "frac_reward_zero_std", "kl", "completions/mean_length", "completions/clipped_ratio"},
}

Weights = dict[str, torch.Tensor]


def weights(checkpoint: Path) -> Weights:
    return load_file(checkpoint / "model" / "model.safetensors")


def starting_point(stage: params.Stage, chain: dict[str, Path]) -> Weights:
    """What a stage's parents give it, part by part; parts without a parent are those that its seed makes."""
    processor = build.load_processor({"all": chain[stage.name] / "model"})
    start = build.assemble(build.config_of(processor), {}, seed=stage.seed).state_dict()
    given = {parent: weights(chain[parent]) for parent in set(stage.parents.values())}
    for name in start:
        parent = stage.parents.get(part_of(name), stage.parents.get("all"))
        if parent is not None:
            start[name] = given[parent][name]
    return start


@pytest.fixture(scope="module")
def recipe(chain, workshop) -> params.Recipe:
    return params.load(workshop.folder / "recipe.yaml", params.Recipe)


def stage_of(recipe: params.Recipe, name: str) -> params.Stage:
    return next(stage for stage in recipe.stages if stage.name == name)


def test_the_chain_is_that_of_the_papers(recipe):
    assert [stage.name for stage in recipe.stages] == list(FREEZE)
    assert {stage.name for stage in recipe.stages if stage.lora} == ADAPTED


@pytest.mark.parametrize("name", FREEZE)
def test_exactly_what_the_freeze_table_names_has_moved(recipe, chain, name):
    before, after = starting_point(stage_of(recipe, name), chain), weights(chain[name])
    assert set(after) == set(before)
    free = {parameter for parameter in after if part_of(parameter) in FREEZE[name]}
    if name in ADAPTED:
        free |= {one for one in after if one.startswith("model.language_model.layers.") and "_proj.weight" in one}
    moved = {parameter for parameter in after if not torch.equal(after[parameter], before[parameter])}
    assert moved <= free, f"frozen, yet moved: {sorted(moved - free)}"
    # vectors may stand still: two steps leave some without a gradient
    still = {parameter for parameter in free - moved if after[parameter].ndim > 1}
    assert not still, f"to be trained, yet still: {sorted(still)}"


def test_both_views_start_from_one_tower(chain):
    after = weights(chain["base_encoder"])
    ego = {name: value for name, value in after.items() if part_of(name) == "ego_encoder"}
    assert all(torch.equal(value, after[name.replace("ego_encoder", "exo_encoder")]) for name, value in ego.items())


@pytest.mark.parametrize("name", FREEZE)
def test_every_step_is_in_the_history_with_its_curves(recipe, chain, name):
    rows, _ = history.read(chain[name] / "history.jsonl")
    assert [row["step"] for row in rows] == list(range(1, stage_of(recipe, name).max_steps + 1))
    wanted = CURVES.get(name, {"loss/total"}) | {"loss", "grad_norm", "learning_rate"}
    assert all(wanted <= set(row) for row in rows)


def kill_rank_after(step: int, output: Path, killed: list[int]) -> None:
    """Wait until `step` stands in the history of a stage, then SIGKILL the process that trains it."""
    end_s = time.monotonic() + 200
    while not any(row["step"] >= step for row in history.read(output / "history.jsonl")[0]):
        assert time.monotonic() < end_s, f"step {step} did not come"
        time.sleep(0.005)
    for process in psutil.Process().children(recursive=True):
        line = process.cmdline()
        if "-m" in line and line[line.index("-m") + 1] == "components.train" and str(output) in line:
            process.kill()
            killed.append(process.pid)


def test_a_killed_stage_resumes_to_the_same_weights(chain, workshop, recipe):
    """Stage 3 has all that must be restored: adapters, dropout, schedule, order. On a CPU the result is bit-equal."""
    stage, output, run_id = stage_of(recipe, "stage3"), workshop.folder / "broken", workshop.open_run("broken")
    arguments = (workshop.folder / "recipe.yaml", stage, {"all": chain["stage2"]}, output, run_id)
    killed: list[int] = []
    with ThreadPoolExecutor() as pool:
        killer = pool.submit(kill_rank_after, 3, output, killed)
        with pytest.raises(
            supervisor.StageFailed, match=r"(?s)a rank was ended by SIGKILL\..*`gradient_checkpointing: true`"
        ):
            workshop.train(*arguments, warm=False)
        killer.result()
    assert len(killed) == 1 and not plan.is_finished(output)
    # killed while it saved step 4, the newest whole one is that of step 2
    assert (output / "trainer" / "checkpoint-2").is_dir() or (output / "trainer" / "checkpoint-4").is_dir()
    workshop.train(*arguments, warm=True)
    expected, resumed = weights(chain["stage3"]), weights(output)
    assert set(resumed) == set(expected)
    assert all(torch.equal(resumed[name], expected[name]) for name in expected)
    curves = [
        [(row["step"], row["loss"]) for row in history.read(folder / "history.jsonl")[0]]
        for folder in (chain["stage3"], output)
    ]
    assert [step for step, _ in curves[1]] == [1, 2, 3, 4, 5, 6]
    assert curves[0] == curves[1]


@pytest.mark.long
def test_a_run_whose_kl_is_too_high_pauses_and_goes_on_under_a_higher_limit(workshop):
    path, output = workshop.folder / "watched.yaml", workshop.folder / "watched"
    run_id = workshop.open_run("watched")
    fresh = write_fresh(workshop.folder / "fresh", shrunk_recipe(path).model)

    def train(kl: float) -> params.Stage:
        def changes(stage: dict) -> dict:
            if "grpo" not in stage:
                return {}
            grpo = stage["grpo"] | {"pause_rules": {"max_kl": kl}, "rollout_page_steps": 2}
            # without a reward nothing but the decay moves the policy
            return {"max_steps": 6, "save_steps": 100, "weight_decay": 10.0, "grpo": grpo}

        stage = stage_of(shrunk_recipe(path, changes), "grpo")
        workshop.train(path, stage, {"all": fresh}, output, run_id, warm=True)
        return stage

    with pytest.raises(supervisor.StagePaused, match=r"(?s)paused itself \(exit code 75\).*a KL to the reference of"):
        train(kl=0.0)
    paused_at = json.loads((output / "paused.json").read_text())["step"]
    # the policy is the reference until the first step has moved it
    assert 1 < paused_at < 6
    steps = [row["step"] for row in history.read(output / "history.jsonl")[0]]
    assert steps == list(range(1, paused_at + 1))
    assert "allowed is 0 at most" in plan.pause_of(output) and "`grpo.pause_rules.max_kl`" in plan.pause_of(output)
    assert resumable.newest(output / "trainer").name == f"checkpoint-{paused_at}"
    assert not plan.is_finished(output)
    stage = train(kl=10.0)
    assert plan.is_finished(output) and not (output / "paused.json").exists()
    assert [row["step"] for row in history.read(output / "history.jsonl")[0]] == [1, 2, 3, 4, 5, 6]
    pages = [artifact.path for artifact in client().list_artifacts(run_id, "rollouts")]
    assert pages == [f"rollouts/step-00000{step}.html" for step in (2, 4, 6)]
    page = (output / "rollouts" / "step-000004.html").read_text()
    # the prompts of the fourth step in the order drawn, each with its frame and its group of two
    drawn = algorithms.samples(stage, params.load(ROOT / "params/data.yaml", params.Data), workshop.data)
    asked = [f"<h2>{drawn[index]['question']}</h2>" for index in range(12, 16)]
    assert re.findall("<h2>.*</h2>", page) == asked
    assert page.count("<tr><td>") == 8 and page.count("data:image/jpeg") == 4


def test_two_ranks_learn_what_one_learns(chain, workshop, recipe):
    """Not bit-equal: each rank takes the mean over its own answer tokens, and half batches round otherwise in bfloat16.

    Adam's first steps follow signs, so that a gradient near zero can turn; measured are 6 and 20 % of the way gone, on
    two tiny worlds. What a rank would lose or count twice shows in the second loss and in the norms of gradients.
    """
    path = workshop.folder / "ranks.yaml"
    stage = stage_of(shrunk_recipe(path, lambda stage: {"ranks": 2}), "init_ego")
    alone, output = chain["init_ego"], workshop.folder / "two_ranks"
    parents = {part: chain[parent] for part, parent in stage.parents.items()}
    workshop.train(path, stage, parents, output, workshop.open_run("two_ranks"), warm=True)
    for one, two in zip(*(history.read(folder / "history.jsonl")[0] for folder in (alone, output)), strict=True):
        assert two["loss"] == pytest.approx(one["loss"], rel=0.005)
        assert two["grad_norm"] == pytest.approx(one["grad_norm"], rel=0.05)
    before, one, two = starting_point(stage_of(recipe, "init_ego"), chain), weights(alone), weights(output)
    way = torch.cat([(one[name] - before[name]).flatten() for name in sorted(one)])
    apart = torch.cat([(two[name] - one[name]).flatten() for name in sorted(one)])
    assert apart.norm() < 0.3 * way.norm()


def test_grpo_learns_from_options_beside_questions_without_any(workshop):
    """An open question has no `answer_index`: beside it, the index of another one must stay an integer."""
    path, output = workshop.folder / "choices.yaml", workshop.folder / "choices"

    def changes(stage: dict) -> dict:
        if stage["name"] != "grpo":
            return {}
        rewarded = stage["grpo"] | {"reward_weights": {"choice": 1.0}}
        return {"mixture": {"egoit/qa/ego": 1.0}, "max_steps": 1, "grpo": rewarded}

    small = shrunk_recipe(path, changes)
    parents = {"all": write_fresh(workshop.folder / "fresh_choices", small.model)}
    workshop.fork(path, stage_of(small, "grpo"), parents, output, workshop.open_run(output.name))
    (step,) = history.read(output / "history.jsonl")[0]
    assert "rewards/choice/mean" in step


@pytest.mark.long
def test_micro_batches_and_checkpointing_learn_what_the_whole_batch_learns(workshop):
    """Not equal: each micro-batch takes the mean over its own answer tokens, as ranks do. Grpo groups stay whole."""
    done = {}
    for name, changes in {
        "whole": {},
        "micro": {"per_device_train_batch_size": 2, "gradient_checkpointing": True},
    }.items():
        path, output = workshop.folder / f"{name}.yaml", workshop.folder / f"base_{name}"
        # the contrastive stage takes neither
        small = shrunk_recipe(path, lambda stage, new=changes: new if stage["algorithm"] != "contrastive" else {})
        workshop.fork(path, stage_of(small, "base_lm"), {}, output, workshop.open_run(output.name))
        done[name] = history.read(output / "history.jsonl")[0]
    assert [row["step"] for row in done["micro"]] == [row["step"] for row in done["whole"]] == [1, 2]
    for whole, micro in zip(done["whole"], done["micro"], strict=True):
        assert micro["loss"] == pytest.approx(whole["loss"], rel=0.05)
        assert micro["grad_norm"] == pytest.approx(whole["grad_norm"], rel=0.2)
    output = workshop.folder / "grpo_micro"
    parents = {"all": write_fresh(workshop.folder / "fresh_micro", small.model)}
    workshop.fork(path, stage_of(small, "grpo"), parents, output, workshop.open_run(output.name))
    assert [row["step"] for row in history.read(output / "history.jsonl")[0]] == [1, 2]

"""Ego-adaptive tokens of Qwen models in training, rollouts and evaluation: packed, shared and resumed, the same."""

import shutil
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML
from transformers import GenerationConfig
from trl import GRPOTrainer
from trl.trainer.utils import add_fused_lm_head

from components import params
from components.evaluation.load import answerer_of
from components.models import qwen_vl
from components.models.backbone import part_of
from components.models.hub_configs import QWEN_PARTS
from components.tracking import history
from components.train import algorithms, checkpoints, starting_point
from components.train.ego_queries import METRIC, NAME, QueryChange
from components.train.grpo.shared_prompt import SharedPromptTrainer, images_by_row, sample
from components.train.qwen import Collate, encode_once, losses
from tests.components.evaluation.test_qwen import IDS, SAMPLES, Frames
from tests.components.qwen_with_tokens import COUNT, loaded, write_places
from tests.components.train.conftest import ROOT
from tests.components.train.grpo.test_qwen_shared_prompt import ROWS, SHOWN, WIDTH, asked, read_by
from tests.components.train.survival.forked import Mishap
from tests.components.train.test_qwen import MIXED, item, plain
from tests.components.train.test_qwen import stage as stage_of
from tests.components.train.test_qwen_rows import BATCHES, taught

RATES = {"ego_tokens": 1e-3, "merger": 1e-3}


@pytest.fixture(scope="module", params=params.QWEN)
def base(request, tmp_path_factory):
    return write_places(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def tokened(base):
    return loaded(base)


@pytest.mark.parametrize("kind", ["one video in several samples", "two videos in a row", "a picture, videos and text"])
def test_packed_rows_have_loss_and_gradients_of_plain_ones(tokened, kind):
    model, processor = tokened
    packed = Collate(processor)(BATCHES[kind])
    (loss, wanted), (ours, found) = (taught(model.train(), one) for one in (plain(processor, BATCHES[kind]), packed))
    torch.testing.assert_close(ours, loss, rtol=0, atol=1e-5)
    assert found.keys() == wanted.keys() and found[NAME].any()
    for name, gradient in wanted.items():
        if "k_proj.bias" not in name:  # it shifts all scores of a query alike, so that only rounding is left
            largest = gradient.abs().max().item()
            torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-3 * largest, msg=lambda text: text)


def test_text_alone_runs_the_tokens_and_teaches_them_nothing(tokened):
    """Under ZeRO-3 a rank without frames would leave the others waiting in every layer of the tokens."""
    model, processor = tokened
    losses({"vtg": 1.0})(model, Collate(processor)(MIXED[3:]))["total"].backward()
    gradients = [one.grad for one in model.model.ego_tokens.parameters()]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)


def test_every_weight_of_them_is_in_one_group_and_the_queries_move_while_the_tower_stays(tokened):
    model, processor = tokened
    stage = stage_of(learning_rates=RATES)
    checkpoints.prepare(model, stage.learning_rates, stage.lora, QWEN_PARTS)
    groups = algorithms.groups(model, stage, QWEN_PARTS)  # refuses what is in none or in two
    held = {id(parameter) for group in groups for parameter in group["params"]}
    assert {id(one) for name, one in model.named_parameters() if part_of(name, QWEN_PARTS) in RATES} == held
    assert id(model.get_parameter(NAME)) in held
    watched, before = QueryChange(model, frozen=False), {name: one.clone() for name, one in model.state_dict().items()}
    losses({"vtg": 1.0})(model, Collate(processor)(MIXED))["total"].backward()
    for name, value in model.model.ego_tokens.named_parameters():
        if "k_proj.bias" not in name:  # it shifts all scores of a query alike
            assert value.grad is not None and value.grad.any(), name
    torch.optim.AdamW(groups).step()
    assert watched.change() > 0
    moved = {
        part_of(name, QWEN_PARTS) for name, one in model.state_dict().items() if not torch.equal(one, before[name])
    }
    assert moved == set(RATES)


@pytest.mark.parametrize("how", ["full", "gradient checkpointing"])
def test_rollouts_share_a_prompt_as_trl_reads_each(tokened, how):
    model, processor = tokened
    if how == "gradient checkpointing":
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.train()
    encode_once(model)  # leaves it as it is
    add_fused_lm_head(model, temperature=0.7, outputs=("log_probs", "entropy"))
    wanted, found = (read_by(owner, model, processor, asked(processor)) for owner in (GRPOTrainer, SharedPromptTrainer))
    torch.testing.assert_close(found[0], wanted[0], rtol=0, atol=1e-5)
    assert found[2].keys() == wanted[2].keys() and found[2][NAME].any()
    largest = max(one.abs().max() for one in wanted[2].values())
    for name, one in wanted[2].items():
        torch.testing.assert_close(found[2][name] / largest, one / largest, rtol=0, atol=1e-4, msg=name)


def test_greedy_completions_of_shared_prompts_are_those_of_each_alone(tokened):
    model, processor = tokened
    lists, fields, counts = asked(processor)
    ends = {"eos_token_id": processor.tokenizer.eos_token_id, "pad_token_id": processor.tokenizer.pad_token_id}
    config = GenerationConfig(max_new_tokens=WIDTH, do_sample=False, **ends)
    made = sample(model, lists, images_by_row(fields, counts), pad_id=ends["pad_token_id"], config=config)
    for row, (which, _) in enumerate(ROWS[:3]):
        prompt = qwen_vl.encode(processor, [SHOWN[which]])
        given = {name: torch.as_tensor(one) for name, one in prompt.items()}
        alone = model.generate(**given, generation_config=config)[0, len(lists[row]) :]
        end = (alone == ends["eos_token_id"]).nonzero().flatten()
        assert made[row] == alone[: end[0] + 1 if len(end) else None].tolist()


def test_evaluation_answers_a_batch_as_each_sample_alone(tokened, tmp_path):
    model, processor = tokened
    checkpoints.save(model, processor, tmp_path, {"stage": "student"})
    stage, limits = {"guidance": False, "reasoned": False, "max_frames": 4}, {"max_new_tokens": 4}
    together, alone = (
        answerer_of(tmp_path / "model", stage, Frames(), max_batch_tokens=tokens, **limits) for tokens in (100_000, 1)
    )
    assert together.complete(SAMPLES, IDS) == alone.complete(SAMPLES, IDS)
    assert together.rank(SAMPLES, IDS) == alone.rank(SAMPLES, IDS)
    blind = together.complete(SAMPLES, IDS[1:] + IDS[:1])
    assert blind != together.complete(SAMPLES, IDS), "frames make a difference"


def recipe_of(base: Path, **student) -> params.Recipe:
    plain = {
        "algorithm": "supervised", "max_steps": 4, "train_batch_size": 2, "save_steps": 2, "warmup_ratio": 0.0,
        "weight_decay": 0.0, "threads_per_rank": 1, "max_pixels": 3136, "max_frames": 3, "questions_per_context": 2,
        "mixture": {"egore/verify/ego": 1.0}, "learning_rates": {"merger": 1e-3},
    }  # fmt: skip
    values = {"name": "student", "ego_tokens": COUNT, "learning_rates": RATES, "gradient_checkpointing": True}
    later = {"name": "later", "parents": {"all": "student"}}
    model = {"architecture": base.name.rstrip("0123456789"), "base": str(base)}
    stages = [plain | values | student, plain | later]
    return params.Recipe.model_validate({"name": "tokens", "model": model, "stages": stages})


def test_a_stage_begins_them_and_the_next_has_those_of_its_parent(base, tmp_path):
    recipe, data = recipe_of(base), params.load(ROOT / "params/data.yaml", params.Data)
    first, later = recipe.stages
    model, processor = starting_point.load(recipe, first, data, {})
    assert (model.config.ego_tokens, processor.ego_tokens, recipe.ego_tokens["later"]) == (COUNT, COUNT, COUNT)
    checkpoints.save(model, processor, tmp_path, {"stage": "student"})
    again, _ = starting_point.load(recipe, later, data, {"all": tmp_path / "model"})
    assert torch.equal(again.get_parameter(NAME), model.get_parameter(NAME))
    with pytest.raises(ValueError, match="has 3 ego-adaptive tokens, allowed is a base without"):
        elsewhere = recipe.model.model_copy(update={"base": str(tmp_path / "model")})
        starting_point.load(recipe.model_copy(update={"model": elsewhere}), later, data, {})


@pytest.mark.slow
def test_a_killed_stage_ends_as_the_one_that_nobody_killed(base, workshop):
    from components.train import launch_command
    from tests.components.train.survival import forked

    recipe, name = recipe_of(base), base.name
    stage, path = recipe.stages[0], workshop.folder / f"{name}.yaml"
    with path.open("w") as file:
        YAML().dump(recipe.model_dump(mode="json"), file)
    whole, killed = workshop.folder / f"{name}-whole", workshop.folder / f"{name}-killed"
    run = workshop.open_run("student")
    workshop.fork(path, stage, {}, whole, run)
    words = launch_command.arguments(
        recipe=path, stage=stage.name, parents={}, data=workshop.data, output=killed, run_id=run,
        provenance={"stage_key": "k"},
    )  # fmt: skip
    env = {"MLFLOW_TRACKING_URI": workshop.tracking_uri}
    log = killed.with_suffix(".log")
    assert forked.run(words, log=log, mishap=Mishap("kill", "batch", 3), env=env) == [-9], log.read_text()[-3000:]
    workshop.fork(path, stage, {}, killed, run)
    expected, found = (qwen_vl.load(folder / "model").state_dict() for folder in (whole, killed))
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    before = qwen_vl.load(base).state_dict()
    kept = {part_of(name, QWEN_PARTS) for name, value in before.items() if not torch.equal(expected[name], value)}
    assert kept == {"merger"} and set(expected) - set(before) == {name for name in expected if "ego_tokens" in name}
    rows = history.read(whole / "history.jsonl")[0]
    assert all(row[METRIC] > 0 and row["grad_norm/ego_tokens"] > 0 for row in rows)
    shutil.rmtree(killed)


def test_samples_are_laid_out_with_their_places_once(tokened):
    model, processor = tokened
    batch = Collate(processor)([item(2, "a cup") | {"turns": [("what?", "a cup"), ("where?", "here")]}])
    assert (batch["input_ids"] == model.config.ego_token_id).sum() == COUNT, "both questions see one clip"

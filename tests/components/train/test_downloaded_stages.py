"""Exo2Ego's chain from downloaded weights, by the training program: what each stage moves and measures."""

import shutil
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file

from components import params
from components.models import build, pretrained_weights
from components.models.backbone import part_of
from components.tracking import history
from components.train import algorithms, checkpoints, plan
from components.train.judge import stages
from components.train.trainer import optimiser_groups
from tests.components.bases import save_bases
from tests.components.train.conftest import ROOT

pytestmark = pytest.mark.usefixtures("one_thread")
COMMON = {
    "algorithm": "supervised", "max_steps": 2, "train_batch_size": 2, "warmup_ratio": 0.0,
    "weight_decay": 0.02, "save_steps": 2,
    "threads_per_rank": 1, "zero_stage": 2,
}  # fmt: skip
BOTH = {f"{view}_{part}": rate for view in ("ego", "exo") for part, rate in (("encoder", 1e-3), ("connector", 1e-2))}
EGO = {"ego_encoder": 1e-3, "ego_connector": 1e-2}
STAGES = [
    {
        "name": "init", "learning_rates": BOTH, "max_frames": 4,
        "mixture": {"egoexoclip/caption/ego": 0.5, "egoexoclip/caption/exo": 0.5},
    },
    {
        "name": "stage1", "parents": {"all": "init"}, "learning_rates": {"exo_encoder": 1e-3, "exo_connector": 1e-2},
        "mixture": {"egoexoclip/caption/exo": 1.0}, "gradient_checkpointing": True,
    },
    {
        "name": "stage2", "parents": {"all": "stage1"}, "learning_rates": EGO | {"mapping_f": 1e-3, "mapping_g": 1e-3},
        "loss_weights": {"vtg": 1.0, "ccl": 1.0, "kl_pooled": 1.0}, "guidance": True,
        "mixture": {"egoexoclip/caption/ego": 1.0},
    },
    {
        "name": "stage3", "parents": {"all": "stage2"}, "learning_rates": EGO | {"mapping_f": 1e-3}, "guidance": True,
        "lora": {"r": 4, "lora_alpha": 8, "lora_dropout": 0.1, "learning_rate": 1e-3},
        "mixture": {"egoit/caption/ego": 1.0},
    },
]  # fmt: skip


def recipe_of(base: dict[str, str], path: Path, **model) -> params.Recipe:
    values = {"architecture": "egoflow", "base": base, "tubelet_frames": 1, "vision_layer": -2, "connector": "stc"}
    recipe = {"name": "small", "model": values | {"mapping_blocks": 9} | model, "stages": [COMMON | s for s in STAGES]}
    with path.open("w") as file:
        YAML().dump(recipe, file)
    return params.load(path, params.Recipe)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> dict[str, str]:
    return save_bases(tmp_path_factory.mktemp("bases"))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_chain_from_downloaded_weights_moves_what_its_freeze_table_says(workshop, base):
    path = workshop.folder / "downloaded.yaml"
    recipe = recipe_of(base, path)
    assert [*stages.problems(recipe)] == []
    processor = pretrained_weights.processor(recipe.model)
    before = build.assemble(build.config_of(processor), {}, seed=0)
    pretrained_weights.fill(before, base, set(base))
    before, done = before.state_dict(), {}
    for stage in recipe.stages:
        output = done[stage.name] = workshop.folder / f"downloaded-{stage.name}"
        parents = {part: done[parent] for part, parent in stage.parents.items()}
        workshop.fork(path, stage, parents, output, workshop.open_run(output.name))
        after = load_file(output / "model" / "model.safetensors")
        assert after.keys() == before.keys()
        moved = {name for name in after if not torch.equal(after[name], before[name])}
        adapted = {name for name in moved if part_of(name) == "language_model"}
        assert {part_of(name) for name in moved - adapted} == set(stage.learning_rates)
        assert bool(adapted) == (stage.lora is not None) and all("_proj.weight" in name for name in adapted)
        rows, _ = history.read(output / "history.jsonl")
        assert [row["step"] for row in rows] == [1, 2]
        wanted = {f"loss/{name}" for name in ("total", *stage.loss_weights)}
        assert all(wanted <= row.keys() and row["loss/total"] > 0 for row in rows)
        before = after


@pytest.fixture(scope="module")
def started(base, tmp_path_factory):
    """Gives a fresh model of the recipe, and its batch of paired ego clips."""
    recipe = recipe_of(base, tmp_path_factory.mktemp("recipe") / "recipe.yaml", mapping_blocks=1)
    processor = pretrained_weights.processor(recipe.model)

    def start():
        made = build.assemble(build.config_of(processor), {}, seed=0)
        algorithms.fill(made, recipe.model, {})
        return made, processor

    return start


def moved_by_two_steps(model, processor, train: dict[str, float], losses: dict[str, float]) -> set[str]:
    """The parts that two optimiser steps of Stage 2 (or, with vtg alone, of Stage 3) move.

    The first moves F, and a round trip through F and G, which begin as the identity, has something to mend after it.
    """
    from components.train.dataset import Collate
    from components.train.supervised import losses as losses_of

    checkpoints.prepare(model, train, None)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    frames = torch.randint(
        0, 255, (2, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    ).numpy()
    item = {"view": "ego", "frames": frames, "turns": [("what?", "C picks up the cup")]}
    model.config.guidance = True
    batch = Collate(model.config, processor)([item | ({"paired_frames": 255 - frames} if len(losses) > 1 else {})])
    optimiser = torch.optim.AdamW(optimiser_groups(model, train, lora_rate=None, weight_decay=0.0))
    for _ in range(2):
        optimiser.zero_grad()
        losses_of(losses)(model, batch)["total"].backward()
        optimiser.step()
    return {part_of(name) for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


GUIDANCE = {"vtg": 1.0, "ccl": 1.0, "kl_pooled": 1.0}
ABLATIONS = {
    "both encoders tuned in Stage 2": (BOTH | {"mapping_f": 1e-3, "mapping_g": 1e-3}, GUIDANCE),
    "ego encoder frozen in Stage 3": ({"mapping_f": 1e-3}, {"vtg": 1.0}),
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_of_the_freeze_table_is_a_value_of_train(started, name):
    train, losses = ABLATIONS[name]
    assert moved_by_two_steps(*started(), train, losses) == set(train)


def test_each_part_has_its_own_learning_rate(started):
    model, _ = started()
    checkpoints.prepare(model, BOTH, None)
    groups = optimiser_groups(model, BOTH, lora_rate=None, weight_decay=0.02)
    rates = {id(value): group["lr"] for group in groups for value in group["params"]}
    assert all(
        rates[id(value)] == BOTH[part_of(name)] for name, value in model.named_parameters() if value.requires_grad
    )


def test_f_and_g_are_nine_blocks_on_the_encoder_grid_at_paper_scale():
    from components.models import hub_configs

    recipe = params.load(ROOT / "params/recipes/exo2ego.yaml", params.Recipe)
    config = hub_configs.config_of(recipe.model)
    model = hub_configs.skeleton(config)
    for mapping in (model.model.mapping_f.mapping, model.model.mapping_g):
        assert len(mapping.blocks) == 9
        assert mapping(torch.empty(1, 1024, 24, 24, device="meta")).shape == (1, 1024, 24, 24)
    assert model.model.encode(torch.empty(1, 3, 336, 336, device="meta"), "exo").shape == (1, 1024, 24, 24)
    assert model.model.exo_connector.before.blocks[0].enter[0].in_channels == 1024


def data_with(**frames) -> params.Data:
    data = params.load(ROOT / "params/data.yaml", params.Data)
    return data.model_copy(update={"frames": data.frames.model_copy(update=frames)})


def test_frames_of_another_size_or_number_are_refused_with_the_cure(started):
    recipe = params.load(ROOT / "params/recipes/exo2ego.yaml", params.Recipe)
    config, init = started()[0].config, recipe.stages[0]
    algorithms.check_frames(init, config, data_with(clip_frames=16))
    with pytest.raises(ValueError, match="wants 16 frames, web/caption/exo has .4.: set `frames`"):
        algorithms.check_frames(init, config, data_with())
    with pytest.raises(ValueError, match="the frames have 96 px, the vision towers read 64 px .*`frames.size_px: 64`"):
        algorithms.check_frames(init, config, data_with(size_px=96))


def test_other_weights_under_the_same_path_make_another_checkpoint(base, tmp_path):
    folder = Path(shutil.copytree(base["ego_encoder"], tmp_path / "tower"))
    recipe = recipe_of(base | {"ego_encoder": str(folder)}, tmp_path / "recipe.yaml")

    def keys() -> list[str]:
        found = plan.stage_keys(recipe, dataset="d", world={})
        return list(found.values())

    first = keys()
    assert plan.base_digest(str(folder)) == plan.base_digest(base["ego_encoder"]) and keys() == first
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    assert plan.base_digest(str(folder)) != plan.base_digest(base["ego_encoder"])
    assert not set(keys()) & set(first), "every stage comes from the first one"
    assert plan.base_digest("openai/clip") == "openai/clip"


def test_base_stages_and_pixels_are_refused_for_downloaded_weights(base, tmp_path):
    recipe = recipe_of(base, tmp_path / "recipe.yaml")
    first = recipe.stages[0]
    for changes, named in (({"algorithm": "text"}, "`algorithm`"), ({"max_pixels": 4096}, "`max_pixels`")):
        other = recipe.model_copy(update={"stages": (first.model_copy(update=changes),)})
        assert any(named in str(problem) for problem in stages.problems(other))


def test_a_part_that_a_shared_encoder_has_not_is_refused(base, tmp_path):
    recipe = recipe_of(base, tmp_path / "recipe.yaml", shared_encoder=True, mapping_blocks=1)
    model = build.assemble(build.config_of(pretrained_weights.processor(recipe.model)), {}, seed=0)
    with pytest.raises(ValueError, match="names .'exo_connector', 'exo_encoder'., of which this model has no"):
        checkpoints.prepare(model, BOTH, None)
    checkpoints.prepare(model, EGO, None)

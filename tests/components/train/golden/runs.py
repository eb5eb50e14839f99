"""Run the stages of cases.py by the training program itself, in float32 on one thread, and read what they did."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file
from transformers import PreTrainedModel

from components import params
from components.models import build, checkpoint_files, qwen_vl
from components.models.processing import build_tokenizer
from components.tracking import history
from components.train import launch_command, plan, versions
from tests.components import bases, qwen_with_tokens, tiny_qwen
from tests.components.train.golden import cases, footage
from tests.components.train.survival import forked

# what a processor's clock and load say
NOT_BEHAVIOUR = ("time", "epoch", "runtime", "memory", "seconds")
Values = dict[str, float | str]


def recipe_of(name: str, starts: dict[str, object]) -> params.Recipe:
    """Return the recipe of a case, whose stage is called "golden".

    Args:
        name: of the case.
        starts: architecture -> what its model starts from, as `make_starts` returns it.
    """
    model, stage = cases.CASES[name]
    architecture = model.get("architecture", "miniature")
    base = {} if architecture == "miniature" else {"base": starts[model.get("base", architecture)]}
    stages = [cases.START] if stage.get("parents") else []
    stages = [*stages, {"name": "golden"} | stage, *([cases.STUDENT] if stage["algorithm"] == "distill" else [])]
    return params.Recipe.model_validate({"name": "golden", "model": model | base, "stages": stages})


def make_starts(folder: Path) -> dict[str, object]:
    """Write what the models start from: weights that are larger than fresh ones, so that all that is shown counts."""
    model = params.Model.model_validate(cases.MODEL)
    words = build_tokenizer(footage.WORDS)
    processor = build.processor_for(build.tiny_config(model, words), words)
    made = build.assemble(build.config_of(processor), {}, seed=0)
    _larger(made).save_pretrained(folder / "start/model")
    processor.save_pretrained(folder / "start/model")
    record = dict.fromkeys(checkpoint_files.MEMBERS) | {"stage": "start", "params": {"algorithm": "supervised"}}
    checkpoint_files.finish(folder / "start", record)
    downloaded = bases.save_bases(folder / "bases")
    qwen = tiny_qwen.write_base(folder / "qwen", "qwen2_5_vl")
    with_places = qwen_with_tokens.write_places(folder / "qwen-places", "qwen2_5_vl")
    _larger(qwen_vl.load(with_places), times=8).save_pretrained(with_places)
    return {
        "miniature": str(folder / "start"), "egoflow": downloaded, "qwen2_5_vl": str(qwen),
        "qwen2_5_vl, places": str(with_places),
    }  # fmt: skip


def _larger(model: PreTrainedModel, times: float = 3) -> PreTrainedModel:
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(times)
    return model


def run(name: str, folder: Path, starts: dict[str, object]) -> tuple[dict[str, int], Values]:
    """Train a case; return the versions of the parts that it uses, and its numbers.

    Args:
        name: of the case.
        folder: that `footage.write` and `make_starts` wrote into.
        starts: as `make_starts` returns it.
    """
    recipe, output = recipe_of(name, starts), folder / "runs" / re.sub(r"\W+", "-", name)
    stage = next(one for one in recipe.stages if one.name == "golden")
    output.mkdir(parents=True)
    path = output.with_suffix(".yaml")
    with path.open("w") as file:
        YAML().dump(recipe.model_dump(mode="json"), file)
    parents = {"all": folder / "start"} if stage.parents else {}
    words = launch_command.arguments(
        recipe=path, stage=stage.name, parents=parents, data=folder / "data", output=output, run_id="none",
        provenance={"stage_key": "golden"},
    )  # fmt: skip
    log = output.with_suffix(".log")
    codes = forked.run(
        [*words, "--params", str(folder / "data.yaml")], log=log, target=rank, env={"CUDA_VISIBLE_DEVICES": ""}
    )
    assert codes == [0] and plan.is_finished(output), log.read_text()[-3000:]
    used, values = versions.of(recipe, stage), _read(output, folder / "start" if stage.parents else None)
    if not stage.parents and "mapping" not in used:  # F and G of a base model, which nobody takes
        values = {key: value for key, value in values.items() if not key.startswith("moved model.mapping_")}
    return used, values


def rank(words: list[str], environment: dict[str, str], log: Path, mishap: None, every: int) -> None:
    """Be the one process of a case: what processors choose by their abilities is as on one that has none."""
    from components import rewards
    from components.train import feature_cache, trainer

    for module in (build, trainer, feature_cache):
        module.has_bf16_cpu = lambda: False
    for module in (build, trainer):
        module.has_fp16 = lambda: False
    # random words earn nothing from the real ones, and equal rewards teach nothing
    for name in ("box_iou", "temporal_iou", "cross_view_answers"):
        rewards.REWARDS[name] = _earned
    torch.use_deterministic_algorithms(True, warn_only=True)
    forked._rank(words, environment, log, mishap, every)


def _earned(completion: str, sample: dict) -> float:
    return sum(map(ord, "".join([completion, *sample.get("other_view", ())]))) % 11 / 10


def _read(output: Path, start: Path | None) -> Values:
    values: Values = {}
    for row in history.read(output / "history.jsonl")[0]:
        for name, value in sorted(row.items()):
            if name != "step" and not any(word in name for word in NOT_BEHAVIOUR):
                values[f"step {row['step']} {name}"] = value
    made = json.loads((output / plan.FINISHED).read_text())
    values["samples"] = str(made["samples_digest"])
    ledger = output.with_suffix(".ledger0")
    if ledger.is_file():
        first = json.loads(ledger.read_text().splitlines()[0])
        values |= {name: first[name] for name in ("completions",) if name in first}
    if (output / "model").is_dir():
        values |= _moved(output, start)
    return values


def _moved(output: Path, start: Path | None) -> Values:
    """Return how far each kind of weights is from where it began, or from zero where nobody gave it."""
    after = load_file(output / "model/model.safetensors")
    before = load_file(start / "model/model.safetensors") if start else {}
    squares: dict[str, float] = {}
    for name, value in after.items():
        moved = value.double() - (before[name].double() if name in before else 0)
        part = ".".join(name.split(".")[:2])
        squares[part] = squares.get(part, 0.0) + float(moved.square().sum())
    return {f"moved {part}": total**0.5 for part, total in sorted(squares.items())}

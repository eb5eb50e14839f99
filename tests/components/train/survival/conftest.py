"""A small model that every algorithm can start from, and stages of some seconds that are run to be disturbed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from components import params
from components.tracking import history
from components.train import launch_command
from tests.components.train.conftest import copy_for, shrunk_recipe, write_fresh
from tests.components.train.survival import forked
from tests.components.train.survival.forked import Mishap

STEPS = 8
# the stage that stands for each algorithm; stage 3 has what must be restored: adapters, dropout, Muon's momentum
STAGES = {"supervised": "stage3", "text": "base_lm", "contrastive": "base_encoder", "grpo": "grpo"}
CHANGES = {
    "stage3": {"muon_learning_rate": 0.01},
    # a random policy earns no reward: decay moves what the optimiser holds, and from then on the KL
    "grpo": {"weight_decay": 1.0},
}


def changed(**more) -> Callable[[dict], dict]:
    """Give the changes of every stage for `shrunk_recipe`: eight steps, a checkpoint every second."""
    return lambda stage: {"max_steps": STEPS, "save_steps": 2} | CHANGES.get(stage["name"], {}) | more


@dataclass(frozen=True)
class Proving:
    """Where stages are run: `folder` takes recipes, checkpoints and logs; `parents` give every part of the model."""

    folder: Path
    data: Path
    parents: dict[str, Path]
    uninterrupted: dict[tuple[str, int], Path] = field(default_factory=dict)

    def stage(self, recipe: Path, algorithm: str) -> params.Stage:
        found = params.load(recipe, params.Recipe).stages
        return next(stage for stage in found if stage.name == STAGES[algorithm])

    def recipe(self, name: str, **changes) -> Path:
        path = self.folder / f"{name}.yaml"
        if not path.exists():
            shrunk_recipe(path, changed(**changes))
        return path

    def words(self, recipe: Path, algorithm: str, output: Path, run_id: str = "none") -> list[str]:
        return launch_command.arguments(
            recipe=recipe, stage=STAGES[algorithm], parents={"all": self.parents[STAGES[algorithm]]},
            data=self.data, output=output, run_id=run_id, provenance={"stage_key": algorithm},
        )  # fmt: skip

    def run(
        self, algorithm: str, output: Path, mishap: Mishap | None = None, *, recipe: Path | None = None, **options
    ) -> list[int]:
        words = self.words(recipe or self.recipe("plain"), algorithm, output, options.pop("run_id", "none"))
        return forked.run(words, log=self.log(output), mishap=mishap, **options)

    def log(self, output: Path) -> Path:
        return output.with_suffix(".log")

    def whole(self, algorithm: str, every: int = 1) -> Path:
        """Give the checkpoint of a run that nothing disturbed, with a record of its curves every so many steps."""
        if (algorithm, every) not in self.uninterrupted:
            output = self.folder / f"whole_{algorithm}_{every}"
            assert self.run(algorithm, output, every=every) == [0], self.log(output).read_text()[-3000:]
            self.uninterrupted[algorithm, every] = output
        return self.uninterrupted[algorithm, every]


@pytest.fixture(scope="module")
def proving(tiny_data, tmp_path_factory) -> Proving:
    folder = tmp_path_factory.mktemp("proving")
    recipe = shrunk_recipe(folder / "plain.yaml", changed())
    parent_of = {
        stage.name: stage.parents.get("all", "sft") for stage in recipe.stages if stage.name in STAGES.values()
    }
    parent_of["distill"] = "init_ego"
    fresh = write_fresh(folder / "fresh", recipe.model)
    parents = {name: copy_for(parent, fresh, folder / f"parent_of_{name}") for name, parent in parent_of.items()}
    return Proving(folder, tiny_data, parents)


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "model" / "model.safetensors")


def curves(output: Path) -> list[dict]:
    """Give the records of a run without what is of the clock."""
    rows, _ = history.read(output / "history.jsonl")
    return [{name: value for name, value in row.items() if "time" not in name} for row in rows]


def assert_the_same(output: Path, expected: Path) -> None:
    """Same samples in every step, same curves, same weights to the bit."""
    assert forked.ledger(output) == forked.ledger(expected)
    assert curves(output) == curves(expected)
    ours, theirs = weights(output), weights(expected)
    assert ours.keys() == theirs.keys()
    assert not [name for name in ours if not torch.equal(ours[name], theirs[name])]

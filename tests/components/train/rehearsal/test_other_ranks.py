"""Every stage of every shipped recipe, as a rehearsal makes it, trained on other ranks and ZeRO stages.

Whole rehearsals (tests/flows/test_rehearse.py) have one number of ranks and one ZeRO stage for each recipe; here are
the others, in processes that need not import everything.
"""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components import params
from components.train import launch_command, plan
from components.train.rehearsal import smaller, tiny_bases
from tests import rehearsals
from tests.components.train.survival import forked

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.mark.parametrize(
    ("recipe", "ranks", "zero_stage"), [("egovlm", 2, 2), ("egothinker", 1, 2), ("exo2ego", 2, 3), ("miniature", 1, 3)]
)
def test_every_stage_trains(rehearsal_project, tmp_path, monkeypatch, recipe, ranks, zero_stage):
    world = rehearsal_project / rehearsals.WORLD
    monkeypatch.chdir(world.parent)  # with params/data.yaml
    data = params.load(Path("params/data.yaml"), params.Data)
    whole = params.load(rehearsals.ROOT / f"params/recipes/{recipe}.yaml", params.Recipe)
    small = smaller.recipe(
        whole,
        bases={base.base: Path(base.folder) for base in tiny_bases.write(whole.model, tmp_path / "bases", data)},
        frames=data.frames,
        ranks=ranks,
        zero_stage=zero_stage,
        has_gpus=False,
        on="world",
    )
    path = tmp_path / "small.yaml"
    with path.open("w") as file:
        YAML().dump(small.model_dump(mode="json"), file)
    done: dict[str, Path] = {}
    for stage in small.stages:
        output = done[stage.name] = tmp_path / stage.name
        words = launch_command.arguments(
            recipe=path,
            stage=stage.name,
            parents={part: done[parent] for part, parent in stage.parents.items()},
            data=world,
            output=output,
            run_id="none",
            provenance={"stage_key": "k"},
        )
        log = output.with_suffix(".log")
        codes = forked.run(words, log=log, ranks=ranks)
        assert codes == [0] * ranks and plan.is_finished(output), f"{stage.name}: {log.read_text()[-3000:]}"

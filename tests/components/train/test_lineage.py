"""What a take is in: its samples, the stages that drew them, and what stands on those."""

import hashlib
import json
from pathlib import Path

import pytest

from components import params, records
from components.train import algorithms, lineage

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def settings() -> params.Data:
    return params.load(ROOT / "params/data.yaml", params.Data)


@pytest.fixture(scope="module")
def checkpoints(tiny_data, settings, tmp_path_factory) -> Path:
    """Two stages, the second on the first, and a base stage, as stage.json says them."""
    folder = tmp_path_factory.mktemp("checkpoints")
    recipe = params.load(ROOT / "params/recipes/miniature.yaml", params.Recipe)
    stages = {stage.name: stage for stage in recipe.stages}
    contract = json.loads((tiny_data / "frames/contract.json").read_text())["digest"]
    for name, parent, steps in (("base_lm", None, 3), ("init_exo", "base_lm", 3), ("stage1", "init_exo", 0)):
        stage = stages[name].model_copy(update={"max_steps": max(steps, 1), "train_batch_size": 4})
        drawn = algorithms.samples(stage, settings, tiny_data).samples_digest(steps) if stage.mixture else ""
        made = {"stage": name, "recipe": "miniature", "steps": steps, "samples_digest": drawn}
        made |= {"params": stage.model_dump(mode="json"), "frames_contract": contract}
        made |= {"model": recipe.model.model_dump(mode="json")}
        made |= {"parents": {"all": str(folder / parent)} if parent else {}}
        (folder / name).mkdir()
        (folder / name / "stage.json").write_text(json.dumps(made))
    return folder


def takes(data: Path, split: str) -> set[str]:
    videos = records.read_videos(data).to_pandas()
    return set(videos[(videos["split"] == split) & (videos["source"] == "egoexo4d")]["take_id"])


def test_all_that_a_stage_drew_belongs_to_the_takes(tiny_data, checkpoints, settings):
    times = 0
    for take in takes(tiny_data, "train"):
        found = lineage.of_take(tiny_data, checkpoints, take, settings)
        by_stage = {seen.stage: seen for seen in found.stages}
        assert "base_lm" not in by_stage, "it reads no take"
        if "init_exo" in by_stage:
            times += by_stage["init_exo"].times
            assert by_stage["stage1"].by_parent and by_stage["stage1"].samples == 0
    assert times == 3 * 4


def test_a_held_out_take_is_in_no_stage(tiny_data, checkpoints, settings):
    found = lineage.of_take(tiny_data, checkpoints, min(takes(tiny_data, "test")), settings)
    assert len(found.samples) and set(found.samples["split"]) == {"test"} and not found.stages


def test_a_stage_of_other_data_says_that_it_cannot_be_told(tiny_data, checkpoints, settings, tmp_path):
    made = json.loads((checkpoints / "init_exo/stage.json").read_text()) | {"samples_digest": "another"}
    (tmp_path / "init_exo").mkdir()
    (tmp_path / "init_exo/stage.json").write_text(json.dumps(made))
    [seen] = lineage.of_take(tiny_data, tmp_path, min(takes(tiny_data, "train")), settings).stages
    assert seen.samples is None and "other data" in seen.why_unknown
    page = lineage.told(
        lineage.of_take(tiny_data, tmp_path, min(takes(tiny_data, "train")), settings), {"init_exo": ["egoflow/1"]}
    )
    impact = lineage.of_take(tiny_data, tmp_path, min(takes(tiny_data, "train")), settings)
    told = json.loads(json.dumps(lineage.as_json("take", impact, {"init_exo": ["egoflow/1"]})))
    assert told["stages"][0]["versions"] == ["egoflow/1"] and "other data" in told["stages"][0]["told"]
    assert told["stages"][0]["mixture"] == ["egoexoclip/caption/exo"] and told["films"] and told["samples"]
    assert "other data" in page and "registered as egoflow/1" in page and "train again: init_exo" in page


def test_what_a_teacher_wrote_about_a_take_is_of_it(tiny_data, checkpoints, settings, tmp_path):
    take = min(takes(tiny_data, "train"))
    samples = records.read_table(tiny_data / "dataset/samples.parquet", records.SAMPLE).to_pylist()
    mine = next(one for one in samples if one["take_id"] == take and one["split"] == "train")
    other = next(one for one in samples if one["take_id"] != take and one["split"] == "train")
    rows = [one | {"sample_id": f"of {one['sample_id']}", "parents": [one["sample_id"]]} for one in (mine, mine, other)]
    records.write_table(tmp_path / "teach/samples.parquet", rows, records.SAMPLE)
    digest = hashlib.sha256((tmp_path / "teach/samples.parquet").read_bytes()).hexdigest()
    made = {"stage": "teach", "parents": {}, "params": {"mixture": {}}, "samples_digest": digest}
    (tmp_path / "teach/stage.json").write_text(json.dumps(made))
    [seen] = lineage.of_take(tiny_data, tmp_path, take, settings).stages
    assert (seen.stage, seen.samples, seen.times) == ("teach", 1, 2)


def test_a_name_that_is_no_take_is_told(tiny_data, checkpoints, settings):
    name = records.read_videos(tiny_data)["take_name"][0].as_py()
    with pytest.raises(ValueError, match=f"did you mean .*{name}"):
        lineage.of_take(tiny_data, checkpoints, name + "x", settings)

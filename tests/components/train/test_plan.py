from pathlib import Path

import pytest

from components.params import Model, Recipe, Stage
from components.train import plan

MODEL = Model.model_construct(image_px=64)  # its fields do not matter here


def stage(name: str, **changes) -> Stage:
    plain = dict(algorithm="supervised", steps=10, batch=4, warmup=0.1, weight_decay=0.0, save_steps=5, threads=1)
    return Stage(name=name, **{**plain, **changes})


def recipe(**changes_of_last) -> Recipe:
    stages = (
        stage("lm", algorithm="text"),
        stage("encoder", algorithm="contrastive"),
        stage("ego", parents={"text": "lm", "ego": "encoder"}),
        stage("exo", parents={"text": "lm", "exo": "encoder"}),
        stage("last", parents={"all": "ego"}, threads=2, **changes_of_last),
    )
    return Recipe(name="r", model=MODEL, stages=stages)


def keys(dataset: str | None = "d", code: str = "c", **changes) -> dict[str, str]:
    return plan.stage_keys(recipe(**changes), dataset=dataset, code=code)


def test_a_changed_stage_changes_its_key_and_no_other():
    before, after = keys(), keys(steps=11)
    assert {name for name in before if before[name] != after[name]} == {"last"}


def test_dataset_moves_every_stage_that_reads_it_but_not_the_base_models():
    before, after = keys("d"), keys("e")
    assert {name for name in before if before[name] != after[name]} == {"ego", "exo", "last"}


def test_code_moves_every_stage():
    before, after = keys(code="c"), keys(code="d")
    assert not set(before.values()) & set(after.values())


def test_limits_and_saving_do_not_retrain():
    assert keys() == keys(timeout_minutes=1, save_steps=7, evaluate=False)


def test_a_changed_parent_moves_its_children():
    base = recipe()
    changed = base.model_copy(update={"stages": (stage("lm", algorithm="text", steps=99), *base.stages[1:])})
    after = plan.stage_keys(changed, dataset="d", code="c")
    assert {name for name in after if after[name] != keys()[name]} == {"lm", "ego", "exo", "last"}


def test_without_a_digest_only_the_base_models_have_a_key():
    assert set(keys(dataset=None)) == {"lm", "encoder"}
    with pytest.raises(ValueError, match="'ego' .* needs the dataset digest"):
        plan.stage_key(recipe(), recipe().stages[2], dataset=None, parents={}, code="c")


def test_levels_follow_parents_and_the_thread_budget():
    def names(threads: int) -> list[list[str]]:
        return [[one.name for one in level] for level in plan.levels(recipe().stages, threads=threads)]

    assert names(2) == [["lm", "encoder"], ["ego", "exo"], ["last"]]
    assert names(3) == [["lm", "encoder"], ["ego", "exo"], ["last"]]
    # one thread: nothing beside anything, and a stage larger than the machine still runs
    assert [len(level) for level in plan.levels(recipe().stages, threads=1)] == [1, 1, 1, 1, 1]


def test_code_digest_sees_training_code_and_nothing_else(tmp_path: Path):
    for name in (
        "components/train/losses.py",
        "components/train/launch.py",
        "components/report.py",
        "params/data.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a")
    before = plan.code_digest(tmp_path)
    (tmp_path / "components/report.py").write_text("b")
    (tmp_path / "components/train/launch.py").write_text("b")
    assert plan.code_digest(tmp_path) == before
    (tmp_path / "components/train/losses.py").write_text("b")
    assert plan.code_digest(tmp_path) != before


def test_code_digest_sees_a_rename(tmp_path: Path):
    (tmp_path / "components/train").mkdir(parents=True)
    one = tmp_path / "components/train/a.py"
    one.write_text("x")
    before = plan.code_digest(tmp_path)
    one.rename(one.with_name("b.py"))
    assert plan.code_digest(tmp_path) != before


LOCK = """schema: '2.0'
stages:
  egore: {{cmd: x, outs: [{{path: data/egore, md5: {egore}}}]}}
  dataset: {{cmd: x, outs: [{{path: data/dataset, md5: {dataset}.dir}}]}}
  frames: {{cmd: x, outs: [{{path: data/frames, md5: b.dir}}]}}
"""


def test_dataset_digest_reads_the_two_stages_of_the_lock(tmp_path: Path):
    lock = tmp_path / "dvc.lock"

    def digest(**values: str) -> str:
        lock.write_text(LOCK.format(**values))
        return plan.dataset_digest(lock)

    one = digest(egore="1", dataset="1")
    assert digest(egore="2", dataset="1") == one
    assert digest(egore="1", dataset="2") != one


@pytest.mark.parametrize("text", [None, "", "stages: {world: {outs: []}}"])
def test_dataset_digest_of_an_unrun_graph_says_what_to_run(tmp_path: Path, text: str | None):
    if text is not None:
        (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(ValueError, match=r"(?s)'dataset', 'frames'.*dvc repro"):
        plan.dataset_digest(tmp_path / "dvc.lock")


def test_a_checkpoint_is_finished_when_stage_json_is_there(tmp_path: Path):
    folder = plan.checkpoint_dir(tmp_path, "sft", "0123456789abcdef")
    assert folder == tmp_path / "checkpoints" / "sft-0123456789ab"
    folder.mkdir(parents=True)
    assert not plan.is_finished(folder)
    (folder / "stage.json").write_text("{}")
    assert plan.is_finished(folder)

from pathlib import Path

import pytest

from components.params import PauseRules, Recipe, Stage, load
from components.train import plan

MODEL = load(Path("params/recipes/miniature.yaml"), Recipe).model


def stage(name: str, **changes) -> Stage:
    plain = dict(
        algorithm="supervised",
        max_steps=10,
        train_batch_size=4,
        warmup_ratio=0.1,
        weight_decay=0.0,
        save_steps=5,
        threads_per_rank=1,
    )
    return Stage(name=name, **{**plain, **changes})


def recipe(**changes_of_last) -> Recipe:
    stages = (
        stage("lm", algorithm="text"),
        stage("encoder", algorithm="contrastive"),
        stage("ego", parents={"text": "lm", "ego": "encoder"}),
        stage("exo", parents={"text": "lm", "exo": "encoder"}),
        stage("last", parents={"all": "ego"}, threads_per_rank=2, **changes_of_last),
    )
    return Recipe(name="r", model=MODEL, stages=stages)


WORLD = {"box_grid": 4}


def keys(dataset: str | None = "d", world: dict = WORLD, **changes) -> dict[str, str]:
    return plan.stage_keys(recipe(**changes), dataset=dataset, world=world)


def test_a_changed_stage_changes_its_key_and_no_other():
    before, after = keys(), keys(max_steps=11)
    assert {name for name in before if before[name] != after[name]} == {"last"}


def test_dataset_moves_every_stage_that_reads_it_but_not_the_base_models():
    before, after = keys("d"), keys("e")
    assert {name for name in before if before[name] != after[name]} == {"ego", "exo", "last"}


def test_values_of_the_world_move_the_base_models_and_so_all_above_them():
    assert not set(keys().values()) & set(keys(world={"box_grid": 5}).values())


def test_limits_and_saving_do_not_retrain():
    told = {
        "timeout_minutes": 1,
        "save_steps": 7,
        "evaluate": [],
        "dataset_samples": 9,
        "max_text_tokens": 9,
        "feature_cache_gib": 0,
        "published_hours": 1,
    }
    assert keys() == keys(**told, ranks=2)


def test_a_changed_parent_moves_its_children():
    base = recipe()
    changed = base.model_copy(update={"stages": (stage("lm", algorithm="text", max_steps=99), *base.stages[1:])})
    after = plan.stage_keys(changed, dataset="d", world=WORLD)
    assert {name for name in after if after[name] != keys()[name]} == {"lm", "ego", "exo", "last"}


def test_without_a_digest_only_the_base_models_have_a_key():
    assert set(keys(dataset=None)) == {"lm", "encoder"}
    with pytest.raises(ValueError, match="'ego' .* needs the dataset digest"):
        plan.stage_key(recipe(), recipe().stages[2], dataset=None, world=WORLD, parents={})


@pytest.fixture
def code(tmp_path: Path) -> Path:
    for name, text in {
        "components/__init__.py": "",
        "components/train/__init__.py": "",
        "components/train/__main__.py": "from components.train import dataset\nfrom components.tracking import runs\n"
        "from components.train.dry_run import fitting",
        "components/train/dataset.py": "def f():\n    import components.models.parts",
        "components/models/parts.py": "from components.metrics import box_iou",
        "components/metrics.py": "a",
        "components/tracking/__init__.py": "a",
        "components/train/dry_run/fitting.py": "a",
        "flows/supervisor.py": "a",
        "components/report.py": "a",
        "infra/deepspeed/zero2.json": "{}",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("components/train/__main__.py", True),
        ("components/train/dataset.py", True),
        ("components/models/parts.py", True),
        ("components/metrics.py", True),
        ("infra/deepspeed/zero2.json", True),
        ("flows/supervisor.py", False),
        ("components/report.py", False),
        ("components/tracking/__init__.py", False),
        ("components/train/dry_run/fitting.py", False),
    ],
)
def test_code_digest_sees_what_training_imports_and_nothing_else(code: Path, name: str, seen: bool):
    before = plan.code_digest(plan.code_files(code))
    (code / name).write_text((code / name).read_text() + "\nb = 1")
    assert (plan.code_digest(plan.code_files(code)) != before) == seen


def test_limits_and_pages_of_grpo_are_not_in_the_key():
    """A paused run goes on under a raised limit: the same key is the same folder."""
    recipe = load(Path(__file__).parents[3] / "params/recipes/miniature.yaml", Recipe)
    stage = next(stage for stage in recipe.stages if stage.grpo)

    def key(**grpo: object) -> str:
        changed = stage.model_copy(update={"grpo": stage.grpo.model_copy(update=grpo)})
        parents = dict.fromkeys(stage.parents.values(), "p")
        return plan.stage_key(recipe, changed, dataset="d", world={}, parents=parents)

    assert key() == key(pause_rules=PauseRules(max_kl=9.0)) == key(pause_rules=None) == key(rollout_page_steps=5)
    assert key() != key(beta=0.5)


def test_code_digest_of_this_project_covers_its_parts():
    root = Path(__file__).parents[3]
    names = {path.relative_to(root).as_posix() for path in plan._imported(root, root / plan.TRAINING)}
    parts = ("models/modeling", "train/losses", "train/grpo/trainer", "rewards/box_iou", "prompts/formats")
    parts += ("records/schemas", "records/__init__", "world/script")
    assert {f"components/{part}.py" for part in parts} <= names
    assert not {name for name in names if "report" in name or "tracking" in name or "launch" in name}


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


def test_what_is_named_as_no_code_exists():
    """A stale entry raises no error: the file would count as code, and every stage train again when it changes."""
    root = Path(__file__).parents[3]
    assert [name for name in (plan.TRAINING, plan.EVALUATION, *plan.NOT_CODE) if not (root / name).exists()] == []

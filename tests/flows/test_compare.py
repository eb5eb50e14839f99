"""Comparisons: what is planned, what a failing run leaves, and the whole command in a stand-in project."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from components import records, tracking
from components.evaluation import comparison_scores
from components.params.comparison import Comparison
from components.tracking.store import client
from flows import arm_recipes, arms, compare, data, supervisor, tasks
from flows.tasks import NestedStage
from tests.flows import stand_in

FILE = Path("params/ablations/tiny.yaml")
COMPARISON = {
    "name": "tiny",
    "recipe": stand_in.RECIPE,
    "at": "second",
    "against": "full",
    "reseed": ["first", "second"],
    "measures": {"QA": ["qa/accuracy"]},
    "arms": {
        "full": {},
        "late": {"changes": {"second.weight_decay": 0.5}, "published": {"QA": 1.0}},
        "early": {"changes": {"first.weight_decay": 0.5}},
    },
}
# more right answers with the change; what is right differs by sample and by seed
EVALUATE = """
import argparse, json
from pathlib import Path
from components import records
parser = argparse.ArgumentParser()
for name in ("checkpoint", "data", "params"):
    parser.add_argument("--" + name)
parser.add_argument("--tasks", nargs="*")
parser.add_argument("--max-new-tokens")
for name in ("rank-options", "background"):
    parser.add_argument("--" + name, action="store_true")
given = parser.parse_args()
folder = Path(given.checkpoint) / "evaluation"
folder.mkdir(exist_ok=True)
stage = json.loads((folder.parent / "stage.json").read_text())
for name in ("metrics", "skipped", "identity"):
    (folder / (name + ".json")).write_text("{}")
rows = [
    dict(sample_id=str(n), take_id=str(n % 8), task="qa", view="ego", condition=seen, completion="",
         score_name="accuracy", score=float(n % 3 == 0 or (n + stage["seed"]) % 4 < 4 * stage["weight_decay"]))
    for n in range(40) for seen in ("model", "other_frames")
]
records.write_table(folder / "predictions.parquet", rows, records.PREDICTION)
with open("evaluations.txt", "a") as log:
    log.write(" ".join([folder.parent.name, *given.tasks]) + "\\n")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in project with the real page, and checkpoints and scores that know their stage."""
    root = stand_in.make(tmp_path_factory.mktemp("project"))
    shutil.copytree(stand_in.ROOT / "components/report", root / "components/report", dirs_exist_ok=True)
    (root / "components/evaluation/__main__.py").write_text(EVALUATE)
    train = root / "components/train/__main__.py"
    told = """
from ruamel.yaml import YAML
stages = YAML(typ="safe").load(Path(given.recipe).read_text())["stages"]
[stage] = [one for one in stages if one["name"] == given.stage]
values = {"seconds": 60.0, "steps": 1, "seed": stage.get("seed", 0), "weight_decay": stage["weight_decay"]}
"""
    text = train.read_text().replace("started_s = time.time()\n", told + "started_s = time.time()\n")
    train.write_text(text.replace("finish(output, made)", "finish(output, made | values)"))
    stand_in.write_yaml(root / "params/ablations/tiny.yaml", COMPARISON)
    return root


@pytest.fixture
def project(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{made / 'mlflow.db'}")
    return made


def test_a_plan_shares_what_arms_have_in_common(project: Path, tmp_path: Path):
    runs = arm_recipes.write_recipes(Comparison(**COMPARISON), tmp_path, source=FILE, seeds=2)
    assert [(run.arm, run.seed) for run in runs] == [
        (arm, seed) for seed in (0, 1) for arm in ("full", "late", "early")
    ]
    found = arms.plan_runs(runs, dataset="d" * 64)
    assert [one.trains for one in found] == [
        ("text", "images", "first", "second"), ("second",), ("first", "second"),
        ("first", "second"), ("second",), ("first", "second"),
    ]  # fmt: skip
    assert found[1].shares == ("text", "images", "first") and not any(one.reuses for one in found)
    assert [one.seconds for one in found] == [None] * 6, "nothing was ever trained here"


def test_the_time_of_a_plan_is_that_of_earlier_stages_of_these_names(project: Path, tmp_path: Path):
    [run, *_] = arm_recipes.write_recipes(Comparison(**COMPARISON), tmp_path, source=FILE, seeds=1)
    folders = [project / "checkpoints" / f"{name}-0" for name in ("text", "images", "first", "second")]
    try:
        for folder in folders:
            (folder / "evaluation").mkdir(parents=True)
            (folder / "stage.json").write_text(json.dumps({"seconds": 60.0, "steps": 2}))
            (folder / "evaluation" / "seconds.txt").write_text("7.0\n")
        [found] = arms.plan_runs([run], dataset="d" * 64)
        # half the steps; text and images beside one another or not, as the machine allows; one stage is measured
        assert found.seconds in (30 * 3 + 7, 30 * 4 + 7)
    finally:
        shutil.rmtree(project / "checkpoints")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"seeds": 0}, "0 seeds came"),
        ({"seeds": 1, "arms": ["nobody"]}, r"\['nobody'\] came, allowed are \['full', 'late', 'early'\]"),
    ],
)
def test_what_cannot_be_planned_is_refused(project: Path, tmp_path: Path, arguments: dict, words: str):
    with pytest.raises(ValueError, match=words):
        arm_recipes.write_recipes(Comparison(**COMPARISON), tmp_path, source=FILE, **arguments)


@pytest.mark.parametrize(
    ("value", "words"),
    [(-1.0, "`weight_decay`: -1.0 came"), ({}, "`weight_decay`: {} came")],
)
def test_what_is_wrong_with_an_arm_is_mended_in_the_comparison(project: Path, tmp_path: Path, value, words: str):
    wrong = COMPARISON | {"arms": COMPARISON["arms"] | {"late": {"changes": {"second.weight_decay": value}}}}
    with pytest.raises(ValueError, match="arm 'late': ") as refused:
        arm_recipes.write_recipes(Comparison(**wrong), tmp_path, source=FILE, seeds=2)
    said = str(refused.value)
    assert words in said and f"Mend them in {FILE}" in said and str(tmp_path) not in said


def test_wanted_arms_come_with_the_one_they_are_compared_with(project: Path, tmp_path: Path):
    runs = arm_recipes.write_recipes(Comparison(**COMPARISON), tmp_path, source=FILE, seeds=1, arms=["early"])
    assert [run.arm for run in runs] == ["full", "early"]


def scored(folder: Path, right: int) -> NestedStage:
    """A measured checkpoint of stage `second` with so many right answers of 40."""
    rows = [
        {
            "sample_id": f"{n}",
            "take_id": f"{n % 8}",
            "task": "qa",
            "view": "ego",
            "condition": condition,
            "completion": "",
        }
        | {"score_name": "accuracy", "score": float(n < right)}
        for n in range(40)
        for condition in ("model", "other_frames")
    ]
    records.write_table(folder / "evaluation" / "predictions.parquet", rows, records.PREDICTION)
    (folder / "stage.json").write_text(json.dumps({"seconds": 60.0}))
    return NestedStage("second", "ran", 1.0, folder, run_id="r", nested_run_id="r")


def test_a_run_that_fails_is_told_and_the_others_go_on(project: Path, tmp_path: Path):
    comparison = Comparison(**COMPARISON)
    runs = arm_recipes.write_recipes(comparison, tmp_path / "recipes", source=FILE, seeds=2)
    tags_of = {}

    def run_arm(run: arm_recipes.Run, tags: dict[str, str]) -> list[NestedStage]:
        tags_of[run.arm, run.seed] = tags
        if (run.arm, run.seed) == ("early", 1):
            raise supervisor.StagePaused("a KL of 2; allowed is 1 at most")
        return [scored(tmp_path / f"{run.arm}-{run.seed}", {"full": 10, "late": 30, "early": 10}[run.arm])]

    run_id = tracking.open_pipeline_run("c", tags={})
    with disable_run_logger():
        compared = compare.compare_runs(comparison, runs, tmp_path, run_id, made_of={}, run_arm=run_arm)
    assert compared.failed == {("early", 1): "a KL of 2; allowed is 1 at most"}
    rows = {row.arm: row for row in compared.rows}
    assert rows["late"].seeds == (0, 1) and rows["early"].seeds == (0,)
    assert rows["late"].difference.value == 0.5 and rows["late"].verdict == "holds"
    assert rows["early"].difference.value == 0.0 and rows["full"].difference is None
    assert tags_of["late", 1] == {
        "comparison": "tiny", "arm": "late", "seed": "1", "mlflow.parentRunId": run_id
    }  # fmt: skip
    table = json.loads((tmp_path / "table.json").read_text())
    assert table["runs"] == {"finished": 5, "failed": 1, "of": 6} and table["failed"][0]["arm"] == "early"
    assert table["stages_s"] == 5 * 60 and len(table["recorded_in"]) >= 4
    assert "a KL of 2" in compared.page.read_text() and "+50.0 [" in (tmp_path / "table.md").read_text()
    logged = {artifact.path for artifact in client().list_artifacts(run_id, "comparison")}
    names = ("index.html", "table.md", "table.json", "scores.parquet")
    assert logged == {f"comparison/{name}" for name in names}
    kept = comparison_scores.read(tmp_path / "scores.parquet")
    assert set(kept) == set(tags_of) - {("early", 1)}


def test_a_stopped_comparison_stops(project: Path, tmp_path: Path):
    comparison = Comparison(**COMPARISON)
    runs = arm_recipes.write_recipes(comparison, tmp_path / "recipes", source=FILE, seeds=1)

    def run_arm(run: arm_recipes.Run, tags: dict[str, str]) -> list[NestedStage]:
        raise supervisor.StageStopped("enough")

    with disable_run_logger(), pytest.raises(supervisor.StageStopped):
        run_id = tracking.open_pipeline_run("c", tags={})
        compare.compare_runs(comparison, runs, tmp_path, run_id, made_of={}, run_arm=run_arm)


def test_code_that_changes_between_two_runs_stops_a_comparison(project: Path, tmp_path: Path):
    comparison = Comparison(**COMPARISON)
    runs = arm_recipes.write_recipes(comparison, tmp_path / "recipes", source=FILE, seeds=1)
    path = project / "components/train/__main__.py"
    before, at_start = path.read_text(), tasks.open_job(stand_in.RECIPE, dataset=None)
    path.write_text(before + "\n# later\n")
    try:
        with disable_run_logger(), pytest.raises(tasks.ChangedMeanwhile, match="__main__.py changed"):
            run_arm = partial(compare.train_and_evaluate, at_start=at_start)
            parent = tracking.open_pipeline_run("c", tags={})
            compare.compare_runs(comparison, runs, tmp_path, parent, made_of={}, run_arm=run_arm)
    finally:
        path.write_text(before)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_command_trains_each_common_stage_once(project: Path):
    (project / "fail").write_text("second")  # its first process fails; its retry does not
    wanted = ("--comparison", "params/ablations/tiny.yaml", "--seeds", "2", "--arms", "late")
    done = stand_in.python(project, "-m", "flows.compare", *wanted)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    trained = sorted(path.parent.name.rsplit("-", 1)[0] for path in project.glob("checkpoints/*/stage.json"))
    # 2 seeds share the base models, 2 arms share the first stage of a seed
    assert trained == ["first"] * 2 + ["images"] + ["second"] * 4 + ["text"]
    # only what is measured is measured; the scores that the recipe itself asks for come with the first seed
    measured = [line.split() for line in (project / "evaluations.txt").read_text().splitlines()]
    assert [len(words) > 2 for words in measured] == [True, True, False, False]
    folder = project / "reports/compare-tiny"
    table = json.loads((folder / "table.json").read_text())
    assert table["made_of"] == arms.made_of(Comparison(**COMPARISON))
    [full, late] = table["rows"]
    assert (full["arm"], late["arm"], late["seeds"]) == ("full", "late", [0, 1])
    assert late["difference"]["value"] > 0 and late["verdict"] == "holds"
    # the same command again would train nothing
    runs = arm_recipes.write_recipes(Comparison(**COMPARISON), folder / "recipes", source=FILE, seeds=2, arms=["late"])
    assert [one.trains for one in arms.plan_runs(runs, dataset=data.digest())] == [()] * 4

"""One stage at a time in a stand-in project, without Prefect's engine; MLflow is real, in the project's own folder."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from components import params, tracking
from components.records.single_writer import LOCKS, single_writer
from components.tracking.store import client
from flows import supervisor, tasks
from flows.tasks import Job
from tests.flows import stand_in
from tests.flows.one_stage import go, status


def test_a_stage_trains_once_per_key(job: Job):
    parent = tracking.open_pipeline_run("p", tags={})
    for name in ("text", "images"):
        go(job, name, parent)
    first = go(job, "first", parent)
    assert first.how == "ran" and (first.checkpoint / "stage.json").is_file()
    state, tags = status(first.run_id)
    assert state == "FINISHED" and tags["stage_key"] == job.keys["first"] and tags["dataset_digest"] == job.dataset

    again = go(job, "first", parent)
    assert (again.how, again.run_id, again.checkpoint) == ("reused", first.run_id, first.checkpoint)

    # MLflow's word alone is not enough: the checkpoint must be there
    (first.checkpoint / "stage.json").unlink()
    third = go(job, "first", parent)
    assert third.how == "ran" and third.run_id != first.run_id


def test_two_runs_of_one_stage_train_it_once(job: Job):
    parents = [tracking.open_pipeline_run("p", tags={}) for _ in range(2)]
    for name in ("text", "images"):
        go(job, name, parents[0])
    with disable_run_logger(), ThreadPoolExecutor() as pool:  # of the whole process, so around both
        both = list(pool.map(lambda parent: go(job, "first", parent), parents))
    assert sorted(stage.how for stage in both) == ["ran", "reused"]
    assert both[0].run_id == both[1].run_id


def test_who_waits_for_a_stage_can_be_stopped(job: Job):
    lock = job.root / LOCKS / f"{job.checkpoint('text').name}.lock"
    with single_writer(lock, "it"), pytest.raises(supervisor.StageStopped, match="waited .* the user said so"):
        go(job, "text", tracking.open_pipeline_run("p", tags={}), lambda: "the user said so")


def test_a_checkpoint_that_is_gone_here_is_fetched_from_where_it_is_kept(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EGOFLOW_STORAGE", f"file://{tmp_path}/kept")
    parent = tracking.open_pipeline_run("p", tags={})
    ran = {name: go(job, name, parent) for name in ("text", "images", "first")}["first"]
    before = (ran.checkpoint / "stage.json").read_bytes()
    assert (tmp_path / "kept" / "checkpoints" / ran.checkpoint.name / "stage.json").read_bytes() == before
    shutil.rmtree(ran.checkpoint)
    again = go(job, "first", parent)
    assert (again.how, again.run_id) == ("reused", ran.run_id)
    assert (ran.checkpoint / "stage.json").read_bytes() == before


def test_a_copy_that_is_damaged_where_it_is_kept_does_not_stay(job: Job, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("EGOFLOW_STORAGE", f"file://{tmp_path}/kept")
    parent = tracking.open_pipeline_run("p", tags={})
    text = go(job, "text", parent).checkpoint
    (tmp_path / "kept" / "checkpoints" / text.name / "history.jsonl").write_text("")
    shutil.rmtree(text)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"(?s)copy at file://.*kept.* is damaged; .*history.jsonl has 0 bytes"):
            go(job, "text", parent)
        assert not text.exists()


def test_a_finished_stage_that_is_damaged_is_neither_reused_nor_started_from(job: Job):
    parent = tracking.open_pipeline_run("p", tags={})
    text = go(job, "text", parent).checkpoint
    (text / "history.jsonl").unlink()
    with pytest.raises(ValueError, match=rf"history.jsonl is gone, .*take {text} away and run the pipeline"):
        go(job, "text", parent)
    shutil.rmtree(text)
    assert go(job, "text", parent).how == "ran"


def test_a_stage_that_falls_back_to_the_checkpoint_before_says_so_in_its_run(job: Job):
    parent = tracking.open_pipeline_run("p", tags={})
    for name in ("text", "images"):
        go(job, name, parent)
    (job.checkpoint("first") / "trainer" / "checkpoint-4").mkdir(parents=True)
    _, tags = status(go(job, "first", parent).run_id)
    assert tags["fell_back"].startswith("checkpoint-4: ") and "goes on from step 0" in tags["fell_back"]


@pytest.mark.parametrize("name", ["components/train/__main__.py", stand_in.RECIPE, "params/data.yaml"])
def test_no_stage_is_trained_from_files_that_changed_since_the_run_began(project: Path, job: Job, name: str):
    parent = tracking.open_pipeline_run("p", tags={})
    text, _ = (go(job, name, parent) for name in ("text", "images"))
    before = (project / name).read_text()
    try:
        (project / name).write_text(before + "\n# later\n")
        with pytest.raises(tasks.ChangedMeanwhile, match=f"{name} changed while this run went on(.|\n)*Run it again"):
            go(job, "first", parent)
        assert go(job, "text", parent).run_id == text.run_id, "what is finished under its key stays so"
        with pytest.raises(tasks.ChangedMeanwhile):
            tasks.with_dataset(job, "9" * 60)
    finally:
        (project / name).write_text(before)
    assert go(job, "first", parent).how == "ran"


def test_a_file_that_is_gone_is_named(project: Path, job: Job):
    path = project / "components/train/__main__.py"
    before = path.read_text()
    try:
        path.unlink()
        with pytest.raises(tasks.ChangedMeanwhile, match="components/train/__main__.py is gone"):
            tasks.check_unchanged(job)
    finally:
        path.write_text(before)


def test_a_job_whose_data_came_later_has_the_keys_of_one_opened_then(job: Job):
    early = tasks.open_job(stand_in.RECIPE, dataset=None)
    assert early.keys.keys() == {"text", "images"}
    assert tasks.with_dataset(early, job.dataset) == job


def test_a_failure_ends_the_mlflow_run_and_keeps_the_words(job: Job, project: Path):
    parent = tracking.open_pipeline_run("p", tags={})
    for name in ("text", "images"):
        go(job, name, parent)
    (project / "fail").write_text("first")
    with pytest.raises(supervisor.StageFailed, match=r"(?s)no luck this time.*The whole log: .*first-"):
        go(job, "first", parent)
    run_id = next((job.checkpoint("first") / "pids").iterdir()).read_text()
    assert status(run_id)[0] == "FAILED"
    # the folder is still there, so the retry goes on in it
    assert go(job, "first", parent).how == "ran"


def test_a_pause_is_a_failure_with_its_own_words_that_is_not_retried(job: Job, project: Path):
    parent = tracking.open_pipeline_run("p", tags={})
    for name in ("text", "images"):
        go(job, name, parent)
    (project / "pause").write_text("first")
    with pytest.raises(supervisor.StagePaused) as paused:
        go(job, "first", parent)
    words = str(paused.value).splitlines()
    assert words[0] == "a KL of 2; allowed is 1 at most; raise grpo.pause_rules.max_kl"
    assert words[1].endswith("paused.json") and words[2].startswith("The whole log: ")
    run_id = next((job.checkpoint("first") / "pids").iterdir()).read_text()
    assert status(run_id)[0] == "FAILED"
    assert [artifact.path for artifact in client().list_artifacts(run_id, "paused")] == ["paused/paused.json"]

    class State:
        def result(self, *, raise_on_failure: bool) -> Exception:
            return paused.value

    assert not tasks._may_retry(None, None, State())
    (project / "pause").unlink()
    assert go(job, "first", parent).how == "ran"


def test_a_stage_that_ends_well_but_wrote_nothing_has_failed(job: Job, project: Path):
    main = project / "components" / "train" / "__main__.py"
    text = main.read_text()
    main.write_text("")
    job = tasks.open_job(stand_in.RECIPE, dataset=job.dataset)
    try:
        with pytest.raises(supervisor.StageFailed, match="no stage.json, which is written last"):
            go(job, "first", tracking.open_pipeline_run("p", tags={}))
    finally:
        main.write_text(text)


def test_a_stopped_stage_is_killed_in_mlflow_too(job: Job, project: Path):
    (project / "hang").touch()
    pids = job.checkpoint("second") / "pids"
    try:
        job.checkpoint("first").mkdir(parents=True, exist_ok=True)
        (job.checkpoint("first") / "stage.json").write_text("{}")
        with pytest.raises(supervisor.StageStopped, match="enough"):
            go(
                job,
                "second",
                tracking.open_pipeline_run("p", tags={}),
                stop=lambda: "enough" if pids.exists() and len(list(pids.iterdir())) == 2 else None,
            )
    finally:
        (project / "hang").unlink()
    run_id = next(text for path in pids.iterdir() if (text := path.read_text()))
    assert status(run_id)[0] == "KILLED"


def test_a_reused_stage_is_shown_below_the_new_pipeline_run(job: Job):
    parent = tracking.open_pipeline_run("p", tags={})
    ran = go(job, "text", parent)
    again = tasks.nest(go(job, "text", parent), parent)
    _, tags = status(again.nested_run_id)
    assert again.how == "reused" and tags["reused_from"] == ran.run_id and tags["mlflow.parentRunId"] == parent


def test_a_recipe_has_one_name_however_it_is_called(job: Job):
    for name in ("miniature", stand_in.RECIPE, f"./{stand_in.RECIPE}", str(job.root / stand_in.RECIPE)):
        assert str(tasks.open_job(name, dataset=job.dataset).recipe_path) == stand_in.RECIPE


def test_an_unknown_recipe_names_those_there_are(job: Job):
    with pytest.raises(ValueError, match=r"'params/recipes/no.yaml' is no file.*'miniature'"):
        tasks.open_job("params/recipes/no.yaml", dataset=None)


def test_a_recipe_that_training_cannot_follow_is_refused_before_anything_starts(job: Job, tmp_path):
    recipe = params.load(Path("params/recipes/egovlm.yaml"), params.Recipe)
    stage = recipe.stages[0].model_copy(update={"muon_learning_rate": 0.01})
    path = tmp_path / "muon.yaml"
    path.write_text(recipe.model_copy(update={"stages": (stage,)}).model_dump_json())
    asked = r"(?s)muon.yaml asks for what cannot be trained:\n- stage 'grpo', `muon_learning_rate`: 0.01 came"
    with pytest.raises(ValueError, match=asked):
        tasks.open_job(str(path), dataset=None)

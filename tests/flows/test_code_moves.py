"""Code changes, and what was trained is reused, and says which code trained it; a raised version trains anew."""

import json
from pathlib import Path

import pytest

from components import tracking
from components.train import plan, versions
from flows import data, summary, tasks
from flows.tasks import Job
from tests.flows import stand_in
from tests.flows.one_stage import go, status

COMMIT = "0123456789abcdef" * 2 + "01234567"


def reopened(job: Job) -> Job:
    return tasks.open_job(stand_in.RECIPE, dataset=job.dataset)


@pytest.fixture
def trained(job: Job, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Every stage but the last, trained by the code of COMMIT."""
    monkeypatch.setattr(tasks, "git_commit", lambda root: COMMIT)
    parent = tracking.open_pipeline_run("p", tags={})
    return {name: go(job, name, parent) for name in ("text", "images", "first")}


def test_a_docstring_trains_nothing_and_the_plan_says_whose_code_trained(project: Path, job: Job, trained, monkeypatch):
    monkeypatch.setattr(data, "digest", lambda: job.dataset)
    path = project / "components/train/provenance.py"
    before = path.read_text()
    path.write_text(before.replace('"""', '"""Other words. ', 1))
    try:
        changed = reopened(job)
        assert changed.code != job.code and changed.keys == job.keys
        again = go(changed, "first", tracking.open_pipeline_run("p", tags={}))
        assert (again.how, again.run_id) == ("reused", trained["first"].run_id)
        told = f"reused: run {again.run_id}"
        assert summary._action(changed, "first") == f"{told}; trained by code of 0123456789ab"
        assert summary._action(job, "first") == told
    finally:
        path.write_text(before)


def test_stage_json_and_the_run_say_what_trained(job: Job, trained):
    made = json.loads((trained["first"].checkpoint / plan.FINISHED).read_text())
    _, tags = status(trained["first"].run_id)
    stage = next(one for one in job.recipe.stages if one.name == "first")
    assert made["versions"] == json.loads(tags["versions"]) == versions.of(job.recipe, stage)
    assert (made["code_digest"], made["git_commit"]) == (tags["code_digest"], tags["git_commit"]) == (job.code, COMMIT)


def test_a_raised_version_trains_what_uses_it_and_what_stands_on_it(job: Job, trained, monkeypatch):
    monkeypatch.setitem(versions.VERSIONS, "contrastive", {1: "", 2: "for a test"})
    raised, parent = reopened(job), tracking.open_pipeline_run("p", tags={})
    assert raised.code == job.code
    assert {name: go(raised, name, parent).how for name in trained} == {
        "text": "reused",
        "images": "ran",
        "first": "ran",
    }

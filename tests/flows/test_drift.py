"""`egoflow drift`: what is compared with what, and what becomes of data whose profile nobody kept."""

import sys
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from components import params, tracking
from components.data.drift import profile
from flows import drift
from tests.components.data.drift.made import VERBS, Frames, profiled, samples
from tests.components.tracking.test_registry import EXAMPLE, checkpoint_of
from tests.flows import stand_in

THEN, NOW = "d" * 64, "e" * 64
VERSION = "the champion, version 4,"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose data have verbs of their own."""
    monkeypatch.setattr(drift.data, "digest", lambda: NOW)
    monkeypatch.setattr(drift, "create_table_artifact", lambda rows, **how: None)
    (tmp_path / "params").symlink_to(stand_in.ROOT / "params")
    monkeypatch.chdir(tmp_path)
    profiled(Path("data"), samples(100, seed=2, favoured={VERBS[4]: 6.0}), monkeypatch)
    return tmp_path


@pytest.fixture
def kept(project: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Profiles by digest, in the place of MLflow."""
    profiles: dict[str, Path] = {}

    def keep(run_id: str, digest: str, path: Path) -> None:
        profiles[digest] = path.rename(project / f"{digest}.parquet")

    monkeypatch.setattr(tracking, "has_profile", lambda digest: digest in profiles)
    monkeypatch.setattr(tracking, "fetch_profile", lambda digest, folder: profiles.get(digest))
    monkeypatch.setattr(tracking, "keep_profile", keep)
    monkeypatch.setattr(tracking, "champion", lambda name: tracking.Champion("4", "c", "run", THEN))
    return profiles


def compared(**asked: str) -> drift.Compared:
    with disable_run_logger():
        return drift.drift.fn(**asked)


def test_data_of_other_verbs_are_told_from_those_of_the_champion(kept, tmp_path, monkeypatch, capsys):
    profiled(tmp_path / "then", samples(100, seed=1), monkeypatch)
    kept[THEN] = tmp_path / "then/profile.parquet"
    found = compared()
    assert "egore/qa: words of the answer" in [change.feature for change in found.drifted]
    assert str(found).startswith(
        f"the dataset moved from dddddddddddd, which {VERSION} learned from, to eeeeeeeeeeee, with drift"
    )
    assert "egore/qa: words of the answer" in Path("reports/drift/index.html").read_text()
    drift.show(found)
    printed = capsys.readouterr().out
    assert "adjusted p" in printed and "reports/drift/index.html" in printed and "The dataset moved from" in printed


def test_the_same_dataset_is_not_compared_and_its_profile_is_kept_if_it_was_not(kept, monkeypatch):
    monkeypatch.setattr(tracking, "champion", lambda name: tracking.Champion("4", "c", "run", NOW))
    found = compared()
    assert str(found) == f"the dataset is the one that {VERSION} learned from" and found.path is None
    assert kept.keys() == {NOW} and profile.totals(profile.read(kept[NOW])) == {"takes": 100, "samples": 1600}
    monkeypatch.setattr(profile, "write", None)  # a kept one is not made again
    assert not compared().drifted


def test_the_last_run_of_a_recipe_is_compared_with_where_it_is_named(kept, monkeypatch):
    asked = []
    monkeypatch.setattr(tracking, "last_pipeline_tags", lambda path: asked.append(path) or {"dataset_digest": NOW})
    found = compared(recipe="miniature")
    assert asked == [stand_in.RECIPE]
    assert str(found).endswith(f"that the last finished pipeline run of {stand_in.RECIPE} learned from")


@pytest.mark.parametrize(
    ("champion", "message"),
    [
        (None, "no version of the model 'egoflow' is champion"),
        (tracking.Champion("4", "c", "run", THEN), "no profile is kept of dataset dddddddddddd, which the champion"),
    ],
)
def test_what_cannot_be_compared_says_so(kept, monkeypatch, capsys, champion, message):
    monkeypatch.setattr(tracking, "champion", lambda name: champion)
    with pytest.raises(ValueError, match=message):
        compared()
    # the program says so before Prefect and its server begin
    monkeypatch.setattr(drift, "drift", None)
    monkeypatch.setattr(sys, "argv", ["drift"])
    assert drift.main() == 1
    told = capsys.readouterr().err
    assert message in " ".join(told.replace("│", " ").split()) and "Traceback" not in told


def test_a_run_that_trains_keeps_the_profile_of_its_data_once(kept, monkeypatch):
    drift.keep("run", NOW)
    assert kept.keys() == {NOW}
    monkeypatch.setattr(Frames, "frames", None)
    drift.keep("another run", NOW)


@pytest.mark.slow
def test_a_champion_of_mlflow_is_compared_with_by_the_profile_that_its_pipeline_run_kept(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    changed = (project / "data").rename(project / "changed")
    profiled(Path("data"), samples(100, seed=1), monkeypatch)
    pipeline = tracking.open_pipeline_run("pipeline", tags={"kind": "pipeline"})
    drift.keep(pipeline, THEN)
    run_id = tracking.open_stage_run(pipeline, "grpo", params={}, tags={}, dataset_digest=THEN)
    tracking.finish(run_id, "FINISHED")
    name = params.load(Path("params/eval.yaml"), params.Eval).promotion.model_name
    version = tracking.register(run_id, checkpoint_of(project / "grpo-0123", "weights"), name, example=EXAMPLE)
    tracking.record_decision(name, version, promoted=True, reason="it is the first", numbers={})

    monkeypatch.setattr(drift.data, "digest", lambda: THEN)
    assert str(compared()) == f"the dataset is the one that the champion, version {version}, learned from"
    (project / "data").rename(project / "then")
    changed.rename(project / "data")
    monkeypatch.setattr(drift.data, "digest", lambda: NOW)
    found = compared()
    assert str(found).startswith(
        f"the dataset moved from dddddddddddd, which the champion, version {version}, learned from, to eeeeeeeeeeee, "
        f"with drift in {len(found.drifted)} of {len(found.changes)} features: "
    )
    assert "egore/qa: words of the answer" in [change.feature for change in found.drifted]

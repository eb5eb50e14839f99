from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from components import tracking
from components.data.drift.compare import Change
from components.train import versions
from flows import data, drift, retrain, tasks
from tests.flows import stand_in

LAST = {"dataset_digest": "d" * 64, "recipe_digest": "r" * 64, "versions_digest": "c" * 64}
UNMOVED = (
    "Nothing to do: dataset, recipe and versions of what trains are those of the last finished pipeline run of "
    f"{stand_in.RECIPE}."
)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (LAST, UNMOVED),
        (LAST | {"dataset_digest": "e" * 64}, "Trained: the dataset moved from eeeeeeeeeeee to dddddddddddd."),
        (
            LAST | {"recipe_digest": "s" * 64, "versions_digest": "b" * 64, "code_digest": "b"},
            "Trained: the recipe moved from ssssssssssss to rrrrrrrrrrrr; the versions of what trains moved from "
            "bbbbbbbbbbbb to cccccccccccc.",
        ),
        (None, "Trained: no pipeline run of this recipe has finished before."),
    ],
)
def test_retrain_trains_only_on_what_moved_and_says_what(
    monkeypatch: pytest.MonkeyPatch, last: dict[str, str] | None, message: str
):
    order = record(monkeypatch, last)
    with disable_run_logger():
        state = retrain.retrain.fn("miniature")
    # the digest is read after the data is up to date
    assert order == ["data", "digest", *(["miniature"] if message != UNMOVED else [])]
    assert state.is_completed() and state.message == message


def record(monkeypatch: pytest.MonkeyPatch, last: dict[str, str] | None) -> list[str]:
    """Let nothing run, and keep what would."""
    order: list[str] = []
    monkeypatch.setattr(data, "refresh", lambda stop: order.append("data"))
    monkeypatch.setattr(data, "digest", lambda: order.append("digest") or "d" * 64)
    monkeypatch.setattr(tracking, "last_pipeline_tags", {stand_in.RECIPE: last}.get)
    monkeypatch.setattr(tasks, "digest_tags", lambda job: LAST)
    monkeypatch.setattr(retrain, "pipeline", order.append)
    monkeypatch.chdir(stand_in.ROOT)
    return order


def change(*, drifted: bool) -> Change:
    return Change("egore/qa: words of the answer", "categories", "a", "b", 0.2, 0.01, 0.3, drifted)


OTHER = LAST | {"dataset_digest": "e" * 64}
MOVED = "the dataset moved from eeeeeeeeeeee, which the last run learned from, to dddddddddddd"
SAME = f"recipe and versions of what trains are those of the last finished pipeline run of {stand_in.RECIPE}."


@pytest.mark.parametrize(
    ("last", "drifted", "message"),
    [
        (OTHER, True, f"Trained: {MOVED}, with drift in 1 of 1 features: egore/qa: words of the answer."),
        (OTHER, False, f"Nothing to do: {MOVED}, without drift in 1 features; {SAME}"),
        (LAST, None, f"Nothing to do: the dataset is the one that the last run learned from; {SAME}"),
        (OTHER, None, "Trained: no profile is kept of dataset eeeeeeeeeeee, which the last run of "
         f"{stand_in.RECIPE} learned from."),
        (LAST | {"versions_digest": "b" * 64}, None, "Trained: the versions of what trains moved from bbbbbbbbbbbb to "
         "cccccccccccc."),
        (None, None, "Trained: no pipeline run of this recipe has finished before."),
    ],
)  # fmt: skip
def test_with_the_trigger_drift_another_dataset_alone_is_no_reason(
    monkeypatch: pytest.MonkeyPatch, last: dict[str, str] | None, drifted: bool | None, message: str
):
    order, since = record(monkeypatch, last), drift.since

    def compared(reference: str, now: str, *, against: str) -> drift.Compared:
        if reference == now or drifted is None:
            return since(reference, now, against=against)
        return drift.Compared(against, reference, now, [change(drifted=drifted)], Path("page"))

    monkeypatch.setattr(drift, "since", compared)
    monkeypatch.setattr(tracking, "fetch_profile", lambda digest, folder: None)
    with disable_run_logger():
        state = retrain.retrain.fn("miniature", trigger="drift")
    assert state.message == message
    assert order == ["data", "digest", *(["miniature"] if message.startswith("Trained") else [])]


def test_the_digests_of_a_job_move_with_its_recipe_its_code_and_its_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = stand_in.make(tmp_path)
    monkeypatch.chdir(root)

    def now() -> dict[str, str]:
        return tasks.digest_tags(tasks.open_job(stand_in.RECIPE, dataset="d" * 64))

    first = now()
    assert now() == first and first.keys() == {*retrain.COMPARED, "code_digest"}
    stand_in.recipe(root, stand_in.RECIPE, [*stand_in.STAGES[:-1], {**stand_in.STAGES[-1], "weight_decay": 0.1}])
    second = now()
    assert [name for name in first if first[name] != second[name]] == ["recipe_digest"]
    with (root / "components/train/__main__.py").open("a") as file:
        file.write("\n# changed")
    third = now()
    assert [name for name in first if third[name] != second[name]] == ["code_digest"]
    monkeypatch.setitem(versions.VERSIONS, "supervised", {1: "", 2: "for a test"})
    assert [name for name in first if now()[name] != third[name]] == ["versions_digest"]

from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from components import tracking
from flows import data, retrain


@pytest.mark.parametrize(
    ("last", "trained", "message"),
    [
        (
            "d" * 64,
            [],
            "Nothing to do: the dataset digest dddddddddddd is that of the last finished pipeline run of r.yaml.",
        ),
        ("e" * 64, ["r.yaml"], "Trained: the dataset digest moved from eeeeeeeeeeee to dddddddddddd."),
        (None, ["r.yaml"], "Trained: the dataset digest moved from none to dddddddddddd."),
    ],
)
def test_retrain_trains_only_on_moved_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, last: str | None, trained: list[str], message: str
):
    order: list[str] = []
    monkeypatch.setattr(data, "refresh", lambda stop: order.append("data"))
    monkeypatch.setattr(data, "digest", lambda: order.append("digest") or "d" * 64)
    monkeypatch.setattr(tracking, "last_pipeline_digest", {"r.yaml": last, "other.yaml": "d" * 64}.get)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").touch()
    monkeypatch.setattr(retrain, "pipeline", order.append)
    with disable_run_logger():
        state = retrain.retrain.fn("r.yaml")
    # the digest is read after the data is up to date
    assert order == ["data", "digest", *trained]
    assert state.is_completed() and state.message == message

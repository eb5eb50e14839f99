"""Any one source alone goes through the whole graph: what it does not have is empty, and no step needs another."""

import json
import logging
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from great_expectations.data_context import AbstractDataContext
from rich.console import Console

from components import params
from components.data import __main__ as data
from components.data.contracts import offline_docs
from components.data.statistics import corpus as statistics
from components.report import corpus, funnel, mixture
from components.world.__main__ import build
from tests.conftest import tiny_params

SHORT_TERM = {f"egore/qa/{name}" for name in ("action", "existence", "attribute", "interaction")}
GIVEN = {  # sources that are named together -> some of the `corpus/task/question type` that come out
    ("egoexo4d",): {"egoexoclip/caption/narration", "egoit/caption/narration"} | SHORT_TERM,
    ("epic100", "visor"): {"egore/ground_spatial/spatial_hand", "egore/ground_spatial/spatial_object"} | SHORT_TERM,
    ("ego4d",): SHORT_TERM,
    ("egoexolearn",): {"egoit/caption/interval", "egoit/qa/action", "egore/ground_temporal/temporal"},
    ("charades_ego",): {"egore/ground_temporal/temporal"},
    ("lemma",): {"egore/ground_temporal/temporal"},
    ("ssv2",): {"egoit/qa/action_open"},
    ("egtea",): {"egoit/qa/action_open"},
    ("egotimeqa",): {"egoit/qa/question_open"},
    ("openeqa",): {"egoit/qa/question_open"},
    ("webvid",): {"web/caption/caption"},
}


@pytest.fixture(autouse=True)
def without_pages(monkeypatch):
    """Judge the tables and draw no Data Docs: a third of the time, and the tests of the contracts have them."""
    monkeypatch.setattr(AbstractDataContext, "build_data_docs", lambda _self, **_: None)
    monkeypatch.setattr(offline_docs, "write", lambda *_: None)


def alone(root: Path, *names: str) -> params.Data:
    """Write a miniature world of some sources, and return the parameters that name them alone."""
    parameters = tiny_params(root)
    parameters = parameters.model_copy(
        update={
            "sources": params.Sources(**{name: root / "raw" / name for name in names}),
            "world": parameters.world.model_copy(update={"size_px": 64, "downscaled_takes": True}),
        }
    )
    build(parameters, root, console=Console(quiet=True))
    return parameters


def kinds_made(root: Path, names: tuple[str, ...]) -> set[str]:
    """Run every step with its contracts, and return the kinds of the samples whose frames are stored."""
    parameters, data_dir = alone(root, *names), root / "data"
    for step in data.STEPS:
        data.run(step, parameters, data_dir)
    found = statistics.read(parameters, data_dir) | {"egoit": mixture.read(data_dir)}
    corpus.build(found | {"funnel": funnel.read(parameters, data_dir)}, data_dir / "statistics")
    counted = json.loads((data_dir / "dataset/counts.json").read_text())
    assert counted["splits"]["train"]["samples"] > 0
    assert pq.read_metadata(data_dir / "frames/index.parquet").num_rows > 0
    return {f"{row['corpus']}/{row['task']}/{row['question_type']}" for row in counted["samples"]}


@pytest.mark.long
@pytest.mark.parametrize("names", GIVEN, ids="-".join)
def test_a_source_alone_goes_through_the_graph(tmp_path, names):
    assert kinds_made(tmp_path, names) >= GIVEN[names]


def test_a_graph_without_a_sample_says_so(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    parameters, data_dir = alone(tmp_path, "visor"), tmp_path / "data"
    with pytest.raises(ValueError, match="dataset: no source gives a sample"):
        for step in ("annotations", "media", "pretraining", "clips", "funnel", "egoit", "egore", "dataset"):
            data._run_of(step)(parameters, data_dir)
    assert "clips: no source has narrations" in caplog.text

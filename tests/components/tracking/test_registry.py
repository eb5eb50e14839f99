import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components import tracking
from components.evaluation import request_example
from components.tracking import registry
from components.tracking.store import ROOT, client

PRIMARY, GUARDRAIL = "ground_spatial/miou", "qa/accuracy"


def entry(value: float) -> dict:
    return {"value": value, "lo": value - 0.03, "hi": value + 0.03, "chance": 0.1, "n": 90,
            "controls": {}, "strongest": None, "learned": None}  # fmt: skip


EXAMPLE = [{"question": "What does C do?", "frames": [[[[0, 0, 0]]]]}]


def checkpoint_of(folder: Path, weights: str, **stage) -> Path:
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "config.json").write_text(json.dumps(weights))
    (folder / "stage.json").write_text(json.dumps({"params": stage}))
    return folder


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    return checkpoint_of(tmp_path / "sft-0123", str(tmp_path), guidance=True)


def register(run_id: str, checkpoint: Path, name: str) -> str:
    return tracking.register(run_id, checkpoint, name, example=EXAMPLE)


def trained(tmp_path, primary: float, guardrail: float = 0.7, digest: str = "data-1") -> str:
    """Give a finished run with an evaluation."""
    parent = tracking.open_pipeline_run("p", tags={})
    run_id = tracking.open_stage_run(parent, "grpo", params={}, tags={}, dataset_digest=digest)
    (tmp_path / "metrics.json").write_text(json.dumps({PRIMARY: entry(primary), GUARDRAIL: entry(guardrail)}))
    tracking.log_evaluation(run_id, tmp_path / "metrics.json")
    tracking.finish(run_id, "FINISHED")
    return run_id


def test_registering_keeps_weights_code_and_origin(tmp_path, checkpoint, store):
    run_id = trained(tmp_path, 0.5)
    ended = client().get_run(run_id).info.end_time
    version = register(run_id, checkpoint, "kept")
    found = client().get_model_version("kept", version)
    assert (found.run_id, found.tags["dataset_digest"], found.tags["checkpoint"]) == (run_id, "data-1", str(checkpoint))
    folder = store / "mlartifacts" / run_id / "artifacts" / "model"
    assert list(folder.rglob("config.json")) and list(folder.rglob("components/evaluation/serving.py"))
    assert not list(folder.rglob("*.pkl"))
    assert client().get_run(run_id).info.end_time == ended  # the wall time of the stage stays true


def versions(name: str) -> list[str]:
    return [str(found.version) for found in client().search_model_versions(f"name = '{name}'")]


def test_a_checkpoint_that_a_killed_run_left_behind_gets_no_second_version(tmp_path, checkpoint):
    first = register(trained(tmp_path, 0.5), checkpoint, "once")
    # the run of the stage was killed before it ended, so the next one has a run of its own, and it may lie elsewhere
    moved = checkpoint.rename(tmp_path / "sft-moved")
    assert register(trained(tmp_path, 0.5), moved, "once") == first
    assert versions("once") == [first]
    assert client().get_model_version("once", first).tags["checkpoint"] == str(moved)
    other = checkpoint_of(tmp_path / "other", "other weights", guidance=True)
    asked_otherwise = checkpoint_of(tmp_path / "asked otherwise", str(tmp_path), guidance=False)
    assert len({first, *(register(trained(tmp_path, 0.5), new, "once") for new in (other, asked_otherwise))}) == 3


def test_promotions_at_once_register_one_version(tmp_path, checkpoint):
    runs = [trained(tmp_path, 0.5) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(lambda run_id: register(run_id, checkpoint, "at once"), runs))) == 1
    assert len(versions("at once")) == 1


def test_a_version_that_another_host_made_meanwhile_is_kept_and_ours_is_not(tmp_path, checkpoint, monkeypatch):
    run_id, looked = trained(tmp_path, 0.5), []

    def versions_of(name: str, digest: str) -> list[str]:
        if not looked:  # they look before either has made one
            looked.append(name)
            client().create_registered_model(name)
            client().create_model_version(name, "runs:/theirs/model", tags={registry.DIGEST: digest})
            return []
        return real(name, digest)

    real = registry._versions
    monkeypatch.setattr(registry, "_versions", versions_of)
    assert register(run_id, checkpoint, "two hosts") == "1" and versions("two hosts") == ["1"]


def test_there_is_no_champion_of_an_unknown_model():
    assert tracking.champion("nobody") is None


def test_the_alias_moves_only_where_the_gate_says_so_and_every_version_tells_why(tmp_path):
    def decided(promoted: bool) -> str:
        run_id = trained(tmp_path, 0.5)
        version = register(run_id, checkpoint_of(tmp_path / run_id, run_id), "egoflow")
        numbers = {"ground_spatial/miou.value": 0.027, "ground_spatial/miou.p_above": 0.04}
        tracking.record_decision("egoflow", version, promoted=promoted, reason="because", numbers=numbers)
        tags = client().get_model_version("egoflow", version).tags
        assert (tags["gate"], tags["gate.ground_spatial/miou.p_above"]) == ("because", "0.04")
        return version

    decided(False)
    assert tracking.champion("egoflow") is None
    first = decided(True)
    decided(False)
    assert tracking.champion("egoflow").version == first
    second = decided(True)
    assert tracking.champion("egoflow").version == second


ASK = """
import json, sys
import mlflow, numpy as np
from fastapi.testclient import TestClient
from mlflow.pyfunc import scoring_server
model = mlflow.pyfunc.load_model("models:/served@champion")
rows = [{"question": "what does C do?", "frames": np.zeros((4, 64, 64, 3), np.uint8)}] * 2
rows.append({**rows[0], "view": "exo", "duration_s": 2.0, "choices": ["C washes", "the red cup"]})
sent = [{**row, "frames": row["frames"].tolist()} for row in rows]
server = TestClient(scoring_server.init(model))
answered = {"pyfunc": model.predict(rows), "example": model.predict(model.input_example)}
for name in ("inputs", "dataframe_records"):
    answered[name] = server.post("/invocations", json={name: sent}).json()["predictions"]
bare = server.post("/invocations", json={"inputs": sent[0]})
answered["bare"] = [bare.status_code, bare.json()["stack_trace"].splitlines()[-1]]  # `message` never says why
print(json.dumps(answered))
print(sys.modules["components.evaluation.serving"].__file__)
"""


@pytest.mark.slow
def test_a_version_answers_elsewhere_with_the_code_it_brought_along(tmp_path):
    from components.models.build import processor_for, tiny_config
    from components.models.modeling import EgoflowForConditionalGeneration
    from components.models.processing import build_tokenizer
    from components.params import Model

    tokenizer = build_tokenizer(["what does C do ?", "C washes the red cup ."])
    shape = {"image_px": 64, "patch_px": 8, "tubelet_frames": 2, "image_tokens": 16, "video_tokens": 8,
             "mapping_blocks": 1, "vision_width": 16, "vision_layers": 1, "vision_heads": 2,
             "text_width": 16, "text_layers": 1, "text_heads": 2}  # fmt: skip
    config = tiny_config(Model(**shape), tokenizer)
    config.guidance = True
    folder = tmp_path / "grpo-0123" / "model"
    EgoflowForConditionalGeneration(config).save_pretrained(folder)
    processor_for(config, tokenizer).save_pretrained(folder)
    stage = {"guidance": True, "reasoned": False, "max_frames": None, "max_new_tokens": 3, "grpo": None}
    (folder.parent / "stage.json").write_text(json.dumps({"params": stage}))

    example = request_example.example(folder.parent)
    version = tracking.register(trained(tmp_path, 0.5), folder.parent, "served", example=example)
    tracking.record_decision("served", version, promoted=True, reason="", numbers={})
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    shown = subprocess.run(
        [sys.executable, "-c", ASK], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=800
    )
    assert shown.returncode == 0, shown.stderr
    answers, file = shown.stdout.strip().splitlines()[-2:]
    answered = json.loads(answers)
    first, second, closed = answered["pyfunc"]
    assert isinstance(first, str) and first == second and isinstance(closed, str)
    assert answered["inputs"] == answered["dataframe_records"] == answered["pyfunc"]
    assert [type(answer) for answer in answered["example"]] == [str]
    status, reason = answered["bare"]
    assert status == 400 and "[(64, 64, 3)] came" in reason and "must come as a list of one row" in reason
    assert not file.startswith(str(ROOT)) and file.endswith("code/components/evaluation/serving.py")

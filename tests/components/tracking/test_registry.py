import json
import os
import subprocess
import sys

import pytest

from components import tracking
from components.tracking.runs import ROOT, client

PRIMARY, GUARDRAIL = "ground_spatial/miou", "qa/accuracy"


def entry(value: float) -> dict:
    return {"value": value, "lo": value - 0.03, "hi": value + 0.03, "chance": 0.1, "n": 90,
            "controls": {}, "strongest": None, "learned": None}  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "sft-0123" / "model").mkdir(parents=True)
    (tmp_path / "sft-0123" / "model" / "config.json").write_text("{}")
    (tmp_path / "sft-0123" / "stage.json").write_text(json.dumps({"params": {"guidance": True}}))
    return tmp_path / "sft-0123"


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
    version = tracking.register(run_id, checkpoint, "kept")
    found = client().get_model_version("kept", version)
    assert (found.run_id, found.tags["dataset_digest"], found.tags["checkpoint"]) == (run_id, "data-1", str(checkpoint))
    folder = store / "mlartifacts" / run_id / "artifacts" / "model"
    assert list(folder.rglob("config.json")) and list(folder.rglob("components/evaluation/serving.py"))
    assert not list(folder.rglob("*.pkl"))
    assert client().get_run(run_id).info.end_time == ended  # the wall time of the stage stays true


def test_registering_a_run_twice_gives_the_same_version(tmp_path, checkpoint):
    run_id = trained(tmp_path, 0.5)
    assert tracking.register(run_id, checkpoint, "twice") == tracking.register(run_id, checkpoint, "twice")


def test_there_is_no_champion_of_an_unknown_model():
    assert tracking.champion("nobody") is None


def test_the_alias_moves_only_where_the_gate_says_so_and_every_version_tells_why(tmp_path, checkpoint):
    def decided(promoted: bool) -> str:
        version = tracking.register(trained(tmp_path, 0.5), checkpoint, "egoflow")
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
model = mlflow.pyfunc.load_model("models:/served@champion")
rows = [{"question": "what does C do?", "frames": np.zeros((4, 64, 64, 3), np.uint8)}] * 2
rows.append({**rows[0], "view": "exo", "duration_s": 2.0, "choices": ["C washes", "the red cup"]})
print(json.dumps(model.predict(rows)))
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

    version = tracking.register(trained(tmp_path, 0.5), folder.parent, "served")
    tracking.record_decision("served", version, promoted=True, reason="", numbers={})
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    shown = subprocess.run(
        [sys.executable, "-c", ASK], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=800
    )
    assert shown.returncode == 0, shown.stderr
    answers, file = shown.stdout.strip().splitlines()[-2:]
    first, second, closed = json.loads(answers)
    assert isinstance(first, str) and first == second and isinstance(closed, str)
    assert not file.startswith(str(ROOT)) and file.endswith("code/components/evaluation/serving.py")

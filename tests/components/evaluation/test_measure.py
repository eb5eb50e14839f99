import json
import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from components import params, records
from components.data.frames.store import SamplingContractError
from components.evaluation.measure import blind, evaluate, select

CAPTION = "C washes the blue bowl with the left hand."


def sample(number: int, **changes) -> dict:
    plain = {
        "sample_id": f"s{number}", "take_id": f"take-{number % 3}", "task": "qa", "view": "ego", "frame_kind": "clip",
        "question_type": "object", "answer": "cup", "target": {"kind": "choice"},
    }  # fmt: skip
    return {**plain, **changes}


@pytest.fixture
def held_out() -> pa.Table:
    made = [sample(number) for number in range(40)]
    made += [sample(number, question_type="cot") for number in range(40, 50)]
    views = ("ego", "exo")
    made += [sample(n, task="caption", view=views[n % 2], answer=CAPTION) for n in range(50, 70)]
    made += [sample(n, task="caption", view=views[n % 2], answer="O looks at C.") for n in range(70, 80)]
    made += [sample(n, task="ground_spatial", frame_kind="image") for n in range(80, 90)]
    made += [sample(n, target={"kind": "text"}) for n in range(90, 95)]
    made += [sample(n, task="verify", view=("ego", "exo")[n % 2]) for n in range(100, 110)]
    return pa.Table.from_pylist(made)


def chosen(held_out: pa.Table, task: str, *, limit: int = 100, seed: int = 0) -> list[str]:
    return [one["sample_id"] for one in select(held_out, task, limit=limit, seed=seed)]


@pytest.mark.parametrize(
    ("task", "numbers"),
    [
        ("qa", range(40)),  # a chain of thought is no option, and an open question has none
        ("reasoning", range(40, 50)),
        ("caption_ego", range(50, 70, 2)),  # a sentence outside the grammar has no slots
        ("caption_exo", range(51, 70, 2)),
        ("ground_spatial", range(80, 90)),
        ("ground_temporal", ()),
        ("verify_ego", range(100, 110, 2)),
        ("verify_exo", range(101, 110, 2)),
    ],
)
def test_a_task_has_the_samples_of_its_kind_and_view(held_out, task, numbers):
    assert set(chosen(held_out, task)) == {f"s{number}" for number in numbers}


def test_every_checkpoint_is_asked_the_same_whatever_the_order_of_the_table(held_out):
    first = chosen(held_out, "qa", limit=12)
    assert len(first) == len(set(first)) == 12
    assert first == chosen(held_out.take(np.random.default_rng(3).permutation(len(held_out))), "qa", limit=12)
    assert first != chosen(held_out, "qa", limit=12, seed=1)
    # a larger limit only adds
    assert first == chosen(held_out, "qa", limit=20)[:12]


def test_the_blind_see_another_take_of_the_same_kind():
    samples = [sample(number, frame_kind=("clip", "window")[number % 2]) for number in range(60)]
    by_id = {one["sample_id"]: one for one in samples}
    shown = blind(samples, seed=0)
    assert shown == blind(samples, seed=0) != blind(samples, seed=1)
    for own, other in zip(samples, (by_id[name] for name in shown), strict=True):
        assert own["take_id"] != other["take_id"] and own["frame_kind"] == other["frame_kind"]


def test_one_take_cannot_be_blinded():
    with pytest.raises(ValueError, match=r"sample s0 has no other take .*world\.val_fraction"):
        blind([sample(0), sample(3)], seed=0)


LIMITS = {"caption_ego": 6, "caption_exo": 6, "qa": 6, "ground_spatial": 6, "ground_temporal": 6} | {
    "retrieval_oracle": 6,
    "caption_fx": 6,
    **dict.fromkeys(("ground_temporal_exo", "verify_ego", "verify_exo"), 6),
}
METRICS = {
    "caption_ego": {"verb", "colour", "type", "hand", "all"},
    "caption_fx": {"verb", "colour", "type", "hand", "all"},
    "retrieval_oracle": {"top1"},
    "qa": {"accuracy"},
    "ground_spatial": {"miou", "r1_50", "format"},
    "ground_temporal": {"miou", "r1_30", "r1_50", "format"},
    "ground_temporal_exo": {"miou", "r1_30", "r1_50", "format"},
    "verify_ego": {"accuracy", "said_yes"},
    "verify_exo": {"accuracy", "said_yes"},
}


@pytest.fixture(scope="module")
def settings() -> params.Eval:
    promotion = params.Promotion(model_name="tiny", primary_metric="qa/accuracy", guardrail_metrics=())
    sizes = {"per_device_eval_batch_size": 4, "max_new_tokens": 8}
    return params.Eval(seed=3, bootstrap_resamples=200, limits=LIMITS, promotion=promotion, **sizes)


@pytest.fixture
def checkpoint(model, processor, tiny_data, tmp_path):
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    digest = json.loads((tiny_data / "frames" / "contract.json").read_text())["digest"]
    (tmp_path / "stage.json").write_text(
        json.dumps({"params": {"guidance": False, "reasoned": False}, "frames_contract": digest})
    )
    return tmp_path


@pytest.mark.slow
def test_a_checkpoint_is_measured_beside_its_controls(checkpoint, tiny_data, settings):
    found = evaluate(checkpoint, tiny_data, settings, tasks=list(METRICS))
    assert found == json.loads((checkpoint / "evaluation" / "metrics.json").read_text())
    assert set(found) == {f"{task}/{metric}" for task, metrics in METRICS.items() for metric in metrics}
    for name, entry in found.items():
        assert set(entry) == {"value", "lo", "hi", "n", "blind", "chance", "difference_lo", "learned"}
        assert entry["lo"] <= entry["value"] <= entry["hi"] and 0 <= entry["value"] <= 1 and 0 <= entry["blind"] <= 1, (
            name
        )
        assert math.isfinite(entry["chance"]) and entry["learned"] == (entry["difference_lo"] > 0)
        assert 0 < entry["n"] <= 6
    table = records.read_table(checkpoint / "evaluation" / "predictions.parquet", records.PREDICTION).to_pandas()
    scored = table.dropna(subset="score").groupby(["task", "score_name", "condition"])["score"].mean()
    for (task, metric, condition), mean in scored.items():
        assert found[f"{task}/{metric}"]["value" if condition == "model" else "blind"] == pytest.approx(mean)
    samples = records.read_table(tiny_data / "dataset" / "samples.parquet", records.SAMPLE).to_pandas()
    test = samples[samples["split"] == "test"].set_index("sample_id")
    # every answer is to a held-out question, and an option is one of its options
    assert set(table["sample_id"]) <= set(test.index)
    for row in table[table["task"] == "qa"].itertuples():
        assert row.completion in test.loc[row.sample_id, "target"]["choices"]


def test_a_task_that_is_none_is_named(checkpoint, tiny_data, settings):
    with pytest.raises(ValueError, match=r"task 'caption' came, allowed are \['caption_ego', .*params/eval.yaml"):
        evaluate(checkpoint, tiny_data, settings, tasks=["caption"])


def test_a_model_without_the_mapping_is_not_asked_about_it(checkpoint, tiny_data, settings, monkeypatch):
    other = SimpleNamespace(rank=None, complete=None)
    monkeypatch.setattr("components.evaluation.measure.answerer_of", lambda *_, **__: other)
    with pytest.raises(
        ValueError, match=r"\['caption_fx', 'retrieval_oracle'\] came, but a Qwen model has no mapping F"
    ):
        evaluate(checkpoint, tiny_data, settings, tasks=["qa", "retrieval_oracle", "caption_fx"])


def test_frames_of_another_sampling_are_refused(checkpoint, tiny_data, settings):
    stage = json.loads((checkpoint / "stage.json").read_text())
    (checkpoint / "stage.json").write_text(json.dumps(stage | {"frames_contract": "0" * 64}))
    with pytest.raises(SamplingContractError, match="expected is 000000000000"):
        evaluate(checkpoint, tiny_data, settings, tasks=["qa"])


def test_an_evaluation_in_the_background_lets_others_go_first():
    # without the interpreter's own end, which takes long for one that stepped back on a busy machine
    told = (
        "import os; from components.evaluation.__main__ import lower_priority; lower_priority(); "
        "print(os.nice(0), flush=True); os._exit(0)"
    )
    # a session of its own, as a flow starts it: this test must not slow the others
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, start_new_session=True
    )
    assert done.stdout.split() == ["19"]

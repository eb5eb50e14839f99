"""A checkpoint is measured beside its controls, by any number of ranks, killed and continued: the numbers are equal."""

import json
import math
import subprocess
import sys
from types import SimpleNamespace

import pytest

from components import params, records
from components.data.frames.store import SamplingContractError
from components.evaluation import identity, mapping, measure
from components.evaluation.answer import Answerer
from components.evaluation.journal import Journal
from components.evaluation.measure import Asked, evaluate
from components.evaluation.ranks import Ranks

LIMITS = {"caption_ego": 6, "caption_exo": 6, "qa": 6, "ground_spatial": 6, "ground_temporal": 6} | {
    "retrieval_oracle": 6,
    "caption_fx": 6,
    **dict.fromkeys(("ground_temporal_exo", "verify_ego", "verify_exo"), 6),
}
CONTROLS = {"other_frames": 6, "grey": 3, "mean_frame": 2, "guesser": 9}
PER_TASK = 6 + 6 + 3 + 2  # answers of the model to six samples; the guesser costs none
CAPTION = {"meteor", "verb", "colour", "type", "hand", "all", "cut"}
INTERVAL = {"miou", "r1_30", "r1_50", "format", "cut"}
METRICS = {
    "caption_ego": CAPTION,
    "caption_fx": CAPTION,
    "retrieval_oracle": {"top1"},
    "qa": {"accuracy"},
    "ground_spatial": {"miou", "r1_50", "format", "cut"},
    "ground_temporal": INTERVAL,
    "ground_temporal_exo": INTERVAL,
    "verify_ego": {"accuracy", "said_yes"},
    "verify_exo": {"accuracy", "said_yes"},
}


def asked(*tasks: str, rank_options: bool = True, max_new_tokens: int = 32) -> Asked:
    return Asked(tasks, rank_options=rank_options, max_new_tokens=max_new_tokens, time_step_s=1.0)


@pytest.fixture(scope="module")
def settings() -> params.Eval:
    promotion = params.Promotion(model_name="tiny", primary_metric="qa/accuracy", guardrail_metrics={})
    sizes = {"max_batch_tokens": 600, "max_new_tokens": 32, "controls": CONTROLS}
    return params.Eval(seed=3, bootstrap_resamples=200, limits=LIMITS, promotion=promotion, **sizes)


@pytest.fixture
def checkpoint(model, processor, tiny_data, tmp_path):
    return write_checkpoint(tmp_path / "one", model, processor, tiny_data)


def write_checkpoint(folder, model, processor, data):
    model.config.guidance = True
    model.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    digest = json.loads((data / "frames" / "contract.json").read_text())["digest"]
    stage = {"params": {"guidance": True, "reasoned": False}, "frames_contract": digest}
    (folder / "stage.json").write_text(json.dumps(stage))
    return folder


def predictions(checkpoint) -> list[dict]:
    table = records.read_table(checkpoint / "evaluation" / "predictions.parquet", records.PREDICTION)
    return table.drop_columns(["seconds"]).to_pylist()


@pytest.mark.slow
def test_a_checkpoint_is_measured_beside_its_controls(checkpoint, tiny_data, settings):
    found = evaluate(checkpoint, tiny_data, settings, asked(*METRICS))
    assert found == json.loads((checkpoint / "evaluation" / "metrics.json").read_text())
    assert set(found) == {f"{task}/{metric}" for task, metrics in METRICS.items() for metric in metrics}
    for name, entry in found.items():
        assert 0 <= entry["value"] <= 1 and 0 < entry["n"] <= 6, name
        # with fewer items the nearest is easier to find, and no text tells it
        asked_of = dict.fromkeys(("other_frames", "grey", "mean_frame"), 6) if name.startswith("retr") else CONTROLS
        if name.endswith("/format"):  # what the guesser repeats can always be read
            asked_of = {control: limit for control, limit in CONTROLS.items() if control != "guesser"}
        assert entry["controls"].keys() == asked_of.keys(), name
        assert all(one["n"] <= asked_of[control] for control, one in entry["controls"].items())
        assert entry["lo"] is None or entry["lo"] <= entry["value"] <= entry["hi"], name
        if name.endswith(("/cut", "/said_yes", "/format")):
            assert entry["strongest"] is entry["learned"] is entry["reason"] is None
            continue
        leads = {control: one["difference"] for control, one in entry["controls"].items()}
        assert entry["strongest"] == min(leads, key=leads.get)
        lowest = entry["controls"][entry["strongest"]]["lo"]
        assert (entry["reason"] is None) == (lowest is not None) and math.isfinite(entry["chance"]), name
        assert entry["learned"] == (None if lowest is None else lowest > 0 and entry["lo"] > entry["chance"])
    table = records.read_table(checkpoint / "evaluation" / "predictions.parquet", records.PREDICTION).to_pandas()
    scored = table.dropna(subset="score").groupby(["task", "score_name", "condition"])["score"].mean()
    for (task, metric, condition), mean in scored.items():
        entry = found[f"{task}/{metric}"]
        measured = entry if condition == "model" else entry["controls"][condition]
        assert measured["value"] == pytest.approx(mean)
    samples = records.read_table(tiny_data / "dataset" / "samples.parquet", records.SAMPLE).to_pandas()
    test = samples[samples["split"] == "test"].set_index("sample_id")
    # every answer is to a held-out question, and an option is one of its options
    assert set(table["sample_id"]) <= set(test.index)
    for row in table[table["task"] == "qa"].itertuples():
        assert row.completion == row.parsed and row.completion in test.loc[row.sample_id, "target"]["choices"]
        assert (row.question, row.answer) == tuple(test.loc[row.sample_id, ["question", "answer"]])
        assert (row.tokens, row.is_cut) == (0, False)
    written = table[(table["score_name"] == "cut") & (table["condition"] != "guesser")]
    assert (written["is_cut"] == (written["score"] == 1)).all() and (written["tokens"] > 0).all()
    assert (written.loc[written["is_cut"], "tokens"] == 32).all()


class Counted(Answerer):
    """Counts the samples that it is asked."""

    asked = 0

    def complete(self, samples, frames_of):
        Counted.asked += len(samples)
        return super().complete(samples, frames_of)

    def rank(self, samples, frames_of):
        Counted.asked += len(samples)
        return super().rank(samples, frames_of)


@pytest.fixture
def counted(monkeypatch) -> type[Counted]:
    monkeypatch.setattr(Counted, "asked", 0)
    monkeypatch.setattr("components.evaluation.answer.Answerer", Counted)
    monkeypatch.setattr(measure, "ITEMS_AT_ONCE", 4)
    return Counted


def test_a_killed_evaluation_goes_on_and_answers_nothing_twice(
    checkpoint, model, processor, tiny_data, settings, tmp_path, counted, monkeypatch
):
    how = asked("qa", "ground_spatial")
    whole = write_checkpoint(tmp_path / "whole", model, processor, tiny_data)
    expected = evaluate(whole, tiny_data, settings, how)
    assert counted.asked == 2 * PER_TASK
    written = []

    def dies_after_three(journal, items, replies, **how):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.extend([len(replies)])
        write(journal, items, replies, **how)

    write, counted.asked = Journal.write, 0
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Journal, "write", dies_after_three)
        evaluate(checkpoint, tiny_data, settings, how)
    assert sum(written) == 10 and not (checkpoint / "evaluation" / "metrics.json").exists()
    [torn] = (checkpoint / "evaluation" / "items").rglob("*.jsonl")
    torn.write_text(torn.read_text() + '{"item": ["qa", "mod')
    counted.asked = 0
    assert evaluate(checkpoint, tiny_data, settings, how) == expected
    assert counted.asked == 2 * PER_TASK - 10 and predictions(checkpoint) == predictions(whole)
    # the same once more, and a part of it, ask nothing; other limits ask what is new
    counted.asked = 0
    assert evaluate(checkpoint, tiny_data, settings, how) == expected
    assert set(evaluate(checkpoint, tiny_data, settings, asked("qa"))) == {"qa/accuracy"} and counted.asked == 0
    evaluate(checkpoint, tiny_data, settings, asked("qa", rank_options=False))
    assert counted.asked == PER_TASK
    # a control that is named later asks for itself alone, also where no control was before
    few = settings.model_copy(update={"controls": {"guesser": 6}})
    assert set(evaluate(checkpoint, tiny_data, few, how)["qa/accuracy"]["controls"]) == {"guesser"}
    counted.asked = 0
    more = settings.model_copy(update={"controls": {"grey": 5, "guesser": 6}})
    assert set(evaluate(checkpoint, tiny_data, more, how)["qa/accuracy"]["controls"]) == {"grey", "guesser"}
    assert counted.asked == 2 * 5


def test_ranks_share_the_items_and_end_where_one_does(
    checkpoint, model, processor, tiny_data, settings, tmp_path, counted, monkeypatch
):
    how = asked("qa", "ground_spatial", "retrieval_oracle")
    whole = write_checkpoint(tmp_path / "whole", model, processor, tiny_data)
    expected = evaluate(whole, tiny_data, settings, how)
    monkeypatch.setattr(Ranks, "wait", lambda ranks: None)
    shares = []
    for rank in (1, 2, 0):
        counted.asked = 0
        found = evaluate(checkpoint, tiny_data, settings, how, ranks=Ranks(rank, 3))
        shares.append(counted.asked)
        assert found == ({} if rank else expected)
    assert sum(shares) == 2 * PER_TASK and min(shares) > 0 and predictions(checkpoint) == predictions(whole)


def test_an_evaluation_says_what_it_is(checkpoint, tiny_data, settings):
    def written(how: Asked, given: params.Eval = settings) -> dict:
        evaluate(checkpoint, tiny_data, given, how)
        return json.loads((checkpoint / "evaluation" / "identity.json").read_text())

    first = written(asked("qa"))
    assert first["tasks"] == ["qa"] and first["params"]["limits"]["qa"] == 6 and "promotion" not in first["params"]
    assert written(asked("qa", "verify_ego")) != first != written(asked("qa", rank_options=False))
    assert written(asked("qa"), settings.model_copy(update={"limits": LIMITS | {"qa": 3}})) != first
    assert written(asked("qa"), settings.model_copy(update={"controls": {"guesser": 3}})) != first
    stage = checkpoint / "stage.json"
    stage.write_text(stage.read_text() + " ")
    changed = {name for name, value in written(asked("qa")).items() if value != first[name]}
    assert changed == {"checkpoint"}
    assert len(list((checkpoint / "evaluation" / "items").iterdir())) == 1, "answers of another identity are deleted"


def test_a_task_without_a_sample_says_so_and_the_others_are_written(checkpoint, tiny_data, settings, monkeypatch):
    select = measure.select
    empty = {"caption_exo"}
    monkeypatch.setattr(
        measure, "select", lambda t, task, **k: select(t.slice(0, 0) if task in empty else t, task, **k)
    )
    found = evaluate(checkpoint, tiny_data, settings, asked("caption_exo", "qa"))
    assert set(found) == {"qa/accuracy"}
    [skipped] = json.loads((checkpoint / "evaluation" / "skipped.json").read_text())
    assert skipped == {"task": "caption_exo", "reason": "the data has no held-out sample of it", "samples": 0}
    empty.add("qa")
    with pytest.raises(ValueError, match=r"no task has a held-out sample .*caption_exo: .*; qa: .*dvc repro"):
        evaluate(checkpoint, tiny_data, settings, asked("caption_exo", "qa"))


def test_a_prompt_beyond_the_context_is_counted_and_not_scored(checkpoint, tiny_data, settings):
    config = checkpoint / "model" / "config.json"
    values = json.loads(config.read_text())
    values["text_config"]["max_position_embeddings"] = 90
    config.write_text(json.dumps(values))
    found = evaluate(checkpoint, tiny_data, settings, asked("ground_temporal", "ground_spatial"))
    assert {name.split("/")[0] for name in found} == {"ground_spatial"}
    [skipped] = json.loads((checkpoint / "evaluation" / "skipped.json").read_text())
    assert (skipped["task"], skipped["samples"]) == ("ground_temporal", 6) and "context" in skipped["reason"]


def test_a_budget_that_cuts_perfect_answers_is_refused(checkpoint, tiny_data, settings):
    with pytest.raises(ValueError, match=r"max_new_tokens 9 came.* ground_spatial: 100.0% of answers are longer"):
        evaluate(checkpoint, tiny_data, settings, asked("qa", "ground_spatial", max_new_tokens=9))


def test_a_view_without_a_mean_frame_is_refused_before_anything_is_answered(
    checkpoint, tiny_data, settings, counted, monkeypatch
):
    monkeypatch.setattr(mapping, "shown_view", lambda task, sample: "above")
    with pytest.raises(ValueError, match="no training sample of the view 'above' came"):
        evaluate(checkpoint, tiny_data, settings, asked("qa"))
    assert counted.asked == 0


def test_any_change_of_the_code_or_the_data_is_another_identity(checkpoint, tiny_data, tmp_path, monkeypatch):
    def now() -> dict:
        return identity.of_answers(checkpoint, tiny_data, rank_options=True, max_new_tokens=9)

    code = tmp_path / "components" / "evaluation" / "score.py"
    code.parent.mkdir(parents=True)
    code.write_text("a = 1\n")
    monkeypatch.setattr(identity, "ROOT", tmp_path)
    first = now()
    code.write_text("a = 2\n")
    assert {name for name, value in now().items() if value != first[name]} == {"code"}


def test_a_task_that_is_none_is_named(checkpoint, tiny_data, settings):
    with pytest.raises(ValueError, match=r"tasks \['caption'\] came, allowed are \['caption_ego', .*params/eval.yaml"):
        evaluate(checkpoint, tiny_data, settings, asked("caption"))


def test_a_model_without_the_mapping_is_not_asked_about_it(checkpoint, tiny_data, settings, monkeypatch):
    other = SimpleNamespace(rank=None, complete=None)
    monkeypatch.setattr(measure, "answerer_of", lambda *_, **__: other)
    with pytest.raises(
        ValueError, match=r"\['caption_fx', 'retrieval_oracle'\] came, but a Qwen model has no mapping F"
    ):
        evaluate(checkpoint, tiny_data, settings, asked("qa", "retrieval_oracle", "caption_fx"))


def test_frames_of_another_sampling_are_refused(checkpoint, tiny_data, settings):
    stage = json.loads((checkpoint / "stage.json").read_text())
    (checkpoint / "stage.json").write_text(json.dumps(stage | {"frames_contract": "0" * 64}))
    with pytest.raises(SamplingContractError, match="expected is 000000000000"):
        evaluate(checkpoint, tiny_data, settings, asked("qa"))


# the session that a container began with refuses a priority (EINVAL), and so does the second file any number above five
@pytest.mark.parametrize("group", ["/proc/self/autogroup", "/proc/self/clear_refs"])
def test_an_evaluation_in_the_background_lets_others_go_first(group):
    # without the interpreter's own end, which takes long for one that stepped back on a busy machine
    told = (
        "import os; from pathlib import Path; from components.evaluation.__main__ import lower_priority; "
        f"lower_priority(Path({group!r})); print(os.nice(0), flush=True); os._exit(0)"
    )
    # a session of its own, as a flow starts it: this test must not slow the others
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, start_new_session=True
    )
    assert done.stdout.split() == ["19"]

"""A full disk, too little memory, a loss that is no number, MLflow away: a clear message each, and no work lost."""

import re
from pathlib import Path

import pytest
import torch

from components import params, tracking
from components.tracking.store import client
from components.train import node_launcher, plan
from components.train.safety import errors, resumable
from tests.components.train.conftest import ROOT
from tests.components.train.survival.conftest import Proving, assert_the_same, curves
from tests.components.train.survival.forked import Mishap

STAGE = params.Stage(
    name="s",
    algorithm="supervised",
    max_steps=10,
    train_batch_size=8,
    warmup_ratio=0,
    weight_decay=0,
    save_steps=5,
    ranks=2,
)


def said(proving: Proving, output: Path) -> str:
    """Give the last words of a run, which is all that many a person reads."""
    return proving.log(output).read_text().strip().splitlines()[-1]


CASES = {
    # as it is written: weights (safetensors), optimiser (torch), the trainer's state and the curves (Python)
    "full": (Mishap("fill", "batch", 5), r"the disk took no more while .* was written, \d+ MiB are free"),
    "memory": (
        Mishap("memory", "batch", 5),
        r"ran out of memory .*`per_device_train_batch_size: 2` \(now 4\); `gradient_checkpointing: true`",
    ),
    "nan_loss": (
        Mishap("nan", "batch", 5),
        r"the loss of step 5 is nan, allowed are numbers; learning rate [\d.e-]+.*, last finite loss \d+\.\d+, sample "
        r"ids ([0-9a-f]{16}, )+[0-9a-f]{16}\. ",
    ),
    "inf_gradient": (Mishap("nan", "taken", 5), r"the gradient norm of step 5 is (nan|inf), allowed are numbers"),
}


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("case", CASES)
def test_a_mishap_says_what_and_the_run_goes_on_from_the_checkpoint_before(proving: Proving, case: str):
    mishap, words = CASES[case]
    output = proving.folder / case
    assert proving.run("supervised", output, mishap) == [1]
    last = said(proving, output)
    assert last.startswith("components.train.safety.errors.TrainingError: stage 'stage3'")
    assert re.search(words, last), last
    assert f"Kept is {output / 'trainer' / 'checkpoint-4'}" in last
    assert resumable.newest(output / "trainer").name == "checkpoint-4" and not plan.is_finished(output)
    assert proving.run("supervised", output) == [0]
    assert_the_same(output, proving.whole("supervised"))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_damaged_last_checkpoint_gives_way_to_the_one_before_and_the_run_ends_as_if_nothing_was(proving: Proving):
    output = proving.folder / "damaged"
    assert proving.run("supervised", output, Mishap("kill", "batch", 7)) == [-9]
    before, last = (output / "trainer" / f"checkpoint-{step}" for step in (4, 6))
    assert resumable.problem(before, whole=True) is resumable.problem(last, whole=True) is None
    states = next(last.glob("global_step6/*optim_states.pt"))
    states.write_bytes(states.read_bytes()[:-1000])
    assert proving.run("supervised", output) == [0]
    told = rf"stage 'stage3': checkpoint-6: .*{states.name} has .* bytes.*Removed; goes on from checkpoint-4"
    assert re.search(told, proving.log(output).read_text())
    assert_the_same(output, proving.whole("supervised"))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_policy_that_is_spoilt_stops_before_it_answers(proving: Proving):
    output = proving.folder / "spoilt"
    assert proving.run("grpo", output, Mishap("nan", "taken", 5)) == [1]
    assert "stage 'grpo': the gradient norm of step 5 is" in said(proving, output)
    assert resumable.newest(output / "trainer").name == "checkpoint-4"


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_curves_of_a_run_without_mlflow_arrive_when_it_is_asked_again(proving: Proving, monkeypatch):
    output = proving.whole("grpo")
    assert "the curves wait in" in proving.log(output).read_text()
    here = f"sqlite:///{proving.folder}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", here)
    run_id = tracking.open_pipeline_run("again", tags={})
    before = (output / "model" / "model.safetensors").stat().st_mtime_ns
    assert proving.run("grpo", output, run_id=run_id, env={"MLFLOW_TRACKING_URI": here}) == [0]
    assert (output / "model" / "model.safetensors").stat().st_mtime_ns == before, "trained again"
    arrived = [(metric.step, metric.value) for metric in client().get_metric_history(run_id, "loss")]
    assert arrived == [(row["step"], row["loss"]) for row in curves(output)]


def error_of(write) -> Exception:
    with pytest.raises(errors.EXPLAINED) as raised:
        write()
    return raised.value


FULL = Path("/dev/full")
# not safetensors: it writes beside its target and renames, which would put a file in the place of the device
WRITERS = {
    "python": lambda: FULL.write_text("x" * 100_000),
    "torch": lambda: torch.save(torch.zeros(100_000), FULL),
}
on_a_full_device = pytest.mark.skipif(not FULL.is_char_device(), reason="this system has no /dev/full")


@on_a_full_device
@pytest.mark.parametrize("by", WRITERS)
def test_a_full_disk_is_known_whoever_wrote(by: str, tmp_path: Path):
    with pytest.raises(errors.TrainingError, match=r"stage 's': the disk took no more .* starts at step 0\. Free some"):
        errors.reraise(error_of(WRITERS[by]), STAGE, tmp_path)


@on_a_full_device
def test_the_error_that_a_full_disk_leads_to_is_known_by_the_one_before(tmp_path: Path):
    try:
        try:
            FULL.write_text("x" * 100_000)
        except OSError as full:
            raise RuntimeError("checkpoint engine failed") from full
    except RuntimeError as later:
        with pytest.raises(errors.TrainingError, match="the disk took no more"):
            errors.reraise(later, STAGE, tmp_path)


def test_other_errors_are_left_as_they_are(tmp_path: Path):
    errors.reraise(ValueError("mixture names nothing"), STAGE, tmp_path)
    errors.reraise(FileNotFoundError(2, "No such file", "x"), STAGE, tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            "`per_device_train_batch_size: 2` (now 4); `gradient_checkpointing: true`; "
            "more `ranks` (now 2) with `zero_stage: 2` or more.",
        ),
        (
            {"per_device_train_batch_size": 1, "gradient_checkpointing": True, "zero_stage": 3},
            "in the recipe: more `ranks` (now 2) with `zero_stage: 3`",
        ),
        ({"algorithm": "contrastive"}, "in the recipe: a smaller `train_batch_size` (now 8)."),
    ],
)
def test_what_needs_less_memory_is_said_in_values_of_the_recipe(changes: dict, words: str):
    assert words in errors.less_memory(STAGE.model_copy(update=changes))


def test_a_stage_that_asks_a_teacher_keeps_its_answers_and_needs_less_by_smaller_batches(tmp_path: Path):
    asking = params.Stage(name="d", algorithm="distill", train_batch_size=8, ranks=2)
    (tmp_path / "answers-1.jsonl").touch()
    with pytest.raises(errors.TrainingError) as raised:
        errors.reraise(RuntimeError("CUDA out of memory. Tried"), asking, tmp_path)
    assert "a smaller `train_batch_size` (now 8)" in str(raised.value)
    assert f"Kept are the answers in {tmp_path / 'answers-1.jsonl'}." in str(raised.value)


def test_the_launcher_speaks_for_a_rank_that_the_kernel_ended(tmp_path: Path):
    for step, state in ((40, '{"global_step": 40}'), (60, '{"global_step": ')):  # the newer one is half written
        checkpoint = tmp_path / "trainer" / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        resumable.note_sizes(checkpoint)
        (checkpoint / "trainer_state.json").write_text(state)
    recipe = str(ROOT / "params/recipes/miniature.yaml")
    words = ["--world_info", "x", "--module", "components.train", "--recipe", recipe, "--stage", "sft"]
    text = node_launcher.killed([*words, "--output", str(tmp_path), "--run-id", "r"])
    assert text.startswith("stage 'sft': a rank was ended by SIGKILL. Where nobody did that by hand, the kernel did")
    assert "`gradient_checkpointing: true`" in text and "checkpoint-40" in text

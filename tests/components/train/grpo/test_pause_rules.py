"""The decision to pause, on curves made up for it."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import TrainerControl, TrainerState

from components import params
from components.train import plan
from components.train.grpo.pause_callback import PAUSED, PauseCallback, write
from components.train.grpo.pause_rules import broken_rule, repetition
from components.train.sample_order import Part
from flows import supervisor

LIMITS = params.PauseRules().model_dump(exclude={"max_repeated_share"})
ACCURACY, WEIGHTED = {"box_iou", "temporal_iou"}, {"box_iou", "format"}
JUDGED = {"accuracy": ACCURACY, "rewards": WEIGHTED}


def records(count: int = 40, **curves: np.ndarray | float) -> list[dict]:
    """What a healthy run logs, but for the given curves; `__` in a name stands for `/`."""
    healthy = {
        "rewards/format/mean": 1.0,
        "rewards/box_iou/mean": 0.5,
        "kl": 0.05,
        "completions/mean_length": 21.0,
        "completions/clipped_ratio": 0.0,
        "frac_reward_zero_std": 0.3,
    }
    given_curves = healthy | {name.replace("__", "/"): value for name, value in curves.items()}
    columns = {name: np.broadcast_to(value, count) for name, value in given_curves.items()}
    return [{"step": step + 1, **{name: float(c[step]) for name, c in columns.items()}} for step in range(count)]


def first_finding(rows: list[dict], **limits: float):
    """Judge a run as it goes on."""
    for count in range(1, len(rows) + 1):
        if found := broken_rule(rows[:count], **JUDGED, **(LIMITS | limits)):
            return found
    return None


ramp = np.linspace(0, 1, 40)


@pytest.mark.parametrize(
    ("limit", "curves"),
    [
        ("max_kl", {"kl": 0.01 * np.exp(8 * ramp)}),
        ("max_reward_trade", {"rewards__format__mean": ramp, "rewards__box_iou__mean": 0.9 - 0.9 * ramp}),
        ("min_length_share", {"completions__mean_length": 200 * (1 - ramp)}),
        ("max_truncated_share", {"completions__clipped_ratio": ramp**0.25}),
        ("max_equal_groups_share", {"frac_reward_zero_std": np.minimum(1, 0.5 + ramp)}),
    ],
)
def test_each_way_to_go_wrong_is_found_before_the_end_and_explained(limit, curves):
    finding = first_finding(records(**curves))
    assert finding.limit == limit and finding.step < 40
    message = finding.message("grpo")
    assert f"'grpo' paused itself at step {finding.step}" in message and f"`grpo.pause_rules.{limit}`" in message
    assert all(len(values) <= LIMITS["window_records"] for values in finding.numbers.values()) and finding.numbers


@given(st.integers(0, 1000), st.floats(0, 0.06), st.booleans())
def test_noise_about_a_healthy_run_pauses_nothing(seed, noise, learns):
    rng = np.random.default_rng(seed)
    rows = records(
        rewards__format__mean=np.clip(0.95 + rng.normal(0, noise, 40), 0, 1),
        rewards__box_iou__mean=0.5 + 0.2 * learns * ramp + rng.normal(0, noise, 40),
        kl=0.1 * ramp + np.abs(rng.normal(0, noise, 40)),
        completions__mean_length=100 + rng.normal(0, 100 * noise, 40),
        completions__clipped_ratio=np.clip(rng.normal(0, noise, 40), 0, 1),
    )
    assert first_finding(rows) is None


def test_better_form_with_better_answers_is_learning():
    assert first_finding(records(rewards__format__mean=ramp, rewards__box_iou__mean=0.9 * ramp)) is None


def test_worse_answers_in_the_same_form_are_no_trade():
    assert first_finding(records(rewards__box_iou__mean=0.9 - 0.9 * ramp)) is None


def test_a_reward_that_is_no_accuracy_may_fall():
    curves = {"rewards__format__mean": ramp, "rewards__key_frames_cite__mean": 1 - ramp}
    assert first_finding(records(**curves)) is None


def test_one_spike_of_the_kl_is_no_explosion():
    kl = np.full(40, 0.05)
    kl[20] = 1e6
    assert first_finding(records(kl=kl)) is None
    kl[21] = 1e6
    assert first_finding(records(kl=kl)).step == 22


@given(st.lists(st.floats(0, 5), min_size=1, max_size=30), st.floats(0, 5), st.floats(0, 5))
def test_a_raised_limit_never_pauses_earlier(kls, low, high):
    low, high = min(low, high), max(low, high)
    rows = records(len(kls), kl=np.array(kls))
    sooner, later = first_finding(rows, max_kl=low), first_finding(rows, max_kl=high)
    assert later is None or sooner is not None and sooner.step <= later.step


@given(st.integers(0, 9))
def test_before_a_window_is_full_only_the_kl_speaks(count):
    rows = records(count, rewards__format__mean=np.arange(count), rewards__box_iou__mean=-np.arange(count))
    rows = [row | {"completions/clipped_ratio": 1.0} for row in rows]
    assert broken_rule(rows, **JUDGED, **LIMITS) is None


def test_a_curve_that_is_not_there_is_not_judged():
    rewards = {f"rewards/{name}/mean": 0.5 for name in WEIGHTED}
    rows = [{"step": step, **rewards, "kl": None} for step in range(1, 41)]
    assert first_finding(rows) is None


def without(name: str, rows: list[dict]) -> list[dict]:
    """Records as TRL logs them where a reward applies to no completion."""
    return [row | {f"rewards/{name}/mean": None} for row in rows]


def test_a_reward_that_never_applies_stops_the_run():
    finding = first_finding(without("box_iou", records()))
    assert (finding.limit, finding.step) == ("max_unapplied_records", LIMITS["max_unapplied_records"] + 1)
    assert "6 records in which box_iou applied to no completion; allowed is 5 at most" in finding.message("grpo")
    both = first_finding(without("format", without("box_iou", records())), max_unapplied_records=4)
    assert both.step == 5 and "box_iou and format applied to no completion" in both.came


def test_a_reward_may_wait_and_one_that_is_not_missed_may_stay_away():
    rows = [row if row["step"] % 6 == 0 else without("box_iou", [row])[0] for row in records()]
    assert first_finding(rows) is None
    never = [{name: value for name, value in row.items() if "box_iou" not in name} for row in records()]
    rare = {**JUDGED, "rewards": {"format"}}
    assert broken_rule(never, **rare, **LIMITS) is None


def test_one_record_in_which_groups_differ_keeps_a_run_going():
    shares = np.ones(40)
    shares[::10] = 0.98
    assert first_finding(records(frac_reward_zero_std=shares)) is None
    shares[10] = 0.99
    finding = first_finding(records(frac_reward_zero_std=shares))
    assert finding.step == 11 and "0.990 of the prompts or more" in finding.came


def test_a_part_that_repeats_within_its_batches_is_named():
    rare = Part("egore/ground_temporal/ego", samples=5, shown=40, repeated=0.375)
    often = Part("egore/ground_spatial/ego", samples=900, shown=400, repeated=0.25)
    why = repetition([rare, often], max_repeated_share=0.25)
    assert "38% of those of egore/ground_temporal/ego (of which the data has 5)" in why
    assert "ground_spatial" not in why and "`grpo.pause_rules.max_repeated_share`" in why
    assert repetition([rare, often], max_repeated_share=0.375) is None


def control_after(kl: float) -> tuple[PauseCallback, TrainerControl]:
    watch, control = PauseCallback(ACCURACY, WEIGHTED, LIMITS), TrainerControl()
    state = TrainerState(log_history=records(3, kl=kl))
    watch.on_log(None, state, control, logs={"loss": 0.0})
    return watch, control


def test_a_finding_saves_and_stops():
    watch, control = control_after(kl=2.0)
    assert control.should_save and control.should_training_stop and watch.finding.limit == "max_kl"
    watch, control = control_after(kl=0.5)
    assert not control.should_save and not control.should_training_stop and watch.finding is None


def test_the_launcher_knows_the_exit_code_of_a_pause():
    assert PAUSED == supervisor.PAUSED


def test_the_evidence_is_left_in_the_folder(tmp_path):
    finding = first_finding(records(kl=2.0))
    write(tmp_path, finding, "grpo")
    assert plan.pause_of(tmp_path) == finding.message("grpo")
    evidence = json.loads((tmp_path / "paused.json").read_text())
    assert evidence["limit"] == "max_kl" and evidence["step"] == finding.step
    assert evidence["numbers"]["kl"] == [2.0] * len(evidence["numbers"]["kl"])

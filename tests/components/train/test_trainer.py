"""What a stage of a recipe says to the trainers."""

import pytest

from components import params
from components.train import algorithms, trainer

STAGE = {
    "name": "s", "algorithm": "supervised", "max_steps": 10, "train_batch_size": 32, "warmup_ratio": 0.1,
    "weight_decay": 0.0, "save_steps": 5,
}  # fmt: skip


def stage(**changes) -> params.Stage:
    return params.Stage(**{**STAGE, **changes})


@pytest.mark.parametrize(
    ("ranks", "micro_batch", "at_once", "times"), [(1, None, 32, 1), (4, None, 8, 1), (1, 8, 8, 4), (2, 4, 4, 4)]
)
def test_micro_batches_of_all_ranks_make_the_batch(tmp_path, ranks, micro_batch, at_once, times):
    values = trainer.arguments(stage(ranks=ranks, per_device_train_batch_size=micro_batch), tmp_path)
    assert (values["per_device_train_batch_size"], values["gradient_accumulation_steps"]) == (at_once, times)


@pytest.mark.parametrize(("ranks", "micro_batch"), [(3, None), (1, 5), (2, 32)])
def test_a_batch_that_does_not_divide_is_refused(tmp_path, ranks, micro_batch):
    with pytest.raises(ValueError, match=f"train_batch_size 32 must be a multiple of ranks {ranks} times per_device"):
        trainer.arguments(stage(ranks=ranks, per_device_train_batch_size=micro_batch), tmp_path)


def test_checkpointing_is_the_kind_that_passes_frozen_embeddings(tmp_path):
    plain, again = (trainer.arguments(stage(gradient_checkpointing=value), tmp_path) for value in (False, True))
    assert (plain["gradient_checkpointing"], plain["gradient_checkpointing_kwargs"]) == (False, None)
    assert (again["gradient_checkpointing"], again["gradient_checkpointing_kwargs"]) == (True, {"use_reentrant": False})


def test_counted_epochs_are_steps():
    class Counted:
        steps = 7

    by_epochs = algorithms.counted(stage(max_steps=None, num_train_epochs=2), Counted())
    assert (by_epochs.max_steps, by_epochs.num_train_epochs) == (7, None)
    assert algorithms.counted(stage(), Counted()) == stage()


@pytest.mark.parametrize("length", [{"max_steps": None}, {"max_steps": 10, "num_train_epochs": 1}])
def test_exactly_one_length_is_given(length):
    with pytest.raises(ValueError, match="'s': max_steps .*, num_train_epochs .*; give exactly one of them"):
        stage(**length)


@pytest.mark.parametrize("algorithm", ["text", "contrastive"])
def test_a_stage_that_makes_its_samples_has_no_epochs(algorithm):
    with pytest.raises(ValueError, match="makes its own samples without end; give `max_steps`"):
        stage(algorithm=algorithm, max_steps=None, num_train_epochs=1)

"""What a frozen tower gives is computed once: which items read it, and that what is read is what was computed."""

import errno
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components import params
from components.models.processing import normalise
from components.train import feature_cache, supervised
from components.train.dataset import Collate
from components.train.feature_cache import AHEAD, FeatureCache, collate, open_cache, plan_cache
from components.train.safety import resumable
from tests.benchmarks import training
from tests.components.train.conftest import ROOT, shrunk_recipe


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 6), st.integers(0, 30), st.integers(0, 3))
def test_an_item_reads_what_an_earlier_step_kept(shown, batch, most, seed):
    shown = np.array(shown)
    counts = np.random.default_rng(seed).integers(1, 4, 10)[shown]
    step = np.arange(len(shown)) // batch
    made = plan_cache(shown, counts, batch=batch, most=most)
    kept = {shown[index]: index for index in np.flatnonzero(made.keeps)}
    assert len(kept) == made.keeps.sum() and made.grids <= most
    for index in np.flatnonzero(made.reads):
        first = kept[shown[index]]
        assert step[index] - step[first] >= AHEAD and made.slots[index] == made.slots[first]
    # no place is given twice, and each is read at least once
    places = [place for index in kept.values() for place in range(made.slots[index], made.slots[index] + counts[index])]
    assert sorted(places) == list(range(made.grids))
    assert set(kept) == set(shown[made.reads])
    with_room = plan_cache(shown, counts, batch=batch, most=1000)
    seen_before = [(shown[: max(0, (step[index] - AHEAD + 1) * batch)] == of).any() for index, of in enumerate(shown)]
    assert with_room.reads.tolist() == seen_before


@pytest.fixture
def opened(tmp_path):
    """Two items of two grids and their return, batch by batch, in a file of grids of 4 x 4 patches of width 8."""
    made = plan_cache(np.array([0, 1, 2, 0, 1]), np.full(5, 2), batch=1, most=99)
    return lambda dtype=torch.float32: FeatureCache(tmp_path / "f", made, patches=16, width=8, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_read_is_what_was_kept_to_the_bit(opened, dtype):
    first, grids = opened(dtype), torch.randn(4, 8, 4, 4).to(dtype)
    slots = torch.cat([first.item(0)["slots"], torch.tensor([-1, -1])])
    assert slots.tolist() == [0, 1, -1, -1] and first.item(2) == {}
    first.keep(slots, grids)
    again = opened(dtype)  # as a resumed run, or another rank, opens it
    found = again.item(3)["paired_grids"]
    assert found.dtype == dtype and torch.equal(found.mT.unflatten(2, (4, 4)), grids[:2])


def test_a_grid_that_is_not_whole_is_computed_again(opened):
    kept = opened()
    assert set(kept.item(3)) == {"slots"}  # the file is empty
    kept.keep(torch.tensor([0, 1, 2, 3]), torch.randn(4, 8, 4, 4))
    with kept.path.open("r+b") as file:
        file.seek(700)  # in the second grid of the first item
        file.write(b"\xff\x00\xff")
    assert kept.item(3)["slots"].tolist() == [0, 1] and set(kept.item(4)) == {"paired_grids"}


def test_a_full_disk_says_what_is_needed(opened, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(feature_cache.os, "pwrite", full)
    with pytest.raises(OSError, match="No space left.*2064 bytes.*lower `feature_cache_gib`"):
        opened().keep(torch.tensor([0]), torch.randn(1, 8, 4, 4))


def items(count: int) -> list[dict]:
    rng = np.random.default_rng(0)
    return [
        {
            "view": "ego", "turns": [("what does C do?", "C picks up the red cup")],
            "frames": rng.integers(0, 255, (4, 64, 64, 3), dtype=np.uint8),
            "paired_frames": rng.integers(0, 255, (4, 64, 64, 3), dtype=np.uint8),
        }
        for _ in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("known", [{0, 1, 2}, {1}], ids=["all", "some"])
def test_losses_are_the_same_with_features_that_were_read(model, processor, known):
    model.model.exo_encoder.requires_grad_(False)
    model.config.guidance = True
    compute = supervised.losses({"vtg": 1.0, "ccl": 1.0, "kl": 1.0})
    plain = items(3)
    whole = Collate(model.config, processor)(plain)
    expected = compute(model, dict(whole))
    read = [dict(item) for item in plain]
    for place in known:
        frames = normalise(read[place].pop("paired_frames"))
        read[place]["paired_grids"] = model.model.encode(frames, "exo").flatten(2).mT
    found = compute(model, Collate(model.config, processor)(read))
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("word", "passes"), [("kl", (1, 0)), ("ccl_forward", (1, 1)), ("ccl", (2, 2))], ids=["kl", "forward", "both"]
)
def test_no_mapping_is_run_for_a_grid_that_no_loss_reads(model, processor, word, passes):
    runs = {model.model.mapping_f: 0, model.model.mapping_g: 0}

    def count(module, *_) -> None:
        runs[module] += 1

    for module in runs:
        module.register_forward_hook(count)
    supervised.losses({"vtg": 1.0, word: 1.0})(model, Collate(model.config, processor)(items(2)))
    assert tuple(runs.values()) == passes


def test_a_batch_says_which_steps_are_known_and_which_are_kept():
    shown = np.zeros((4, 64, 64, 3), np.uint8)
    kept = {"paired_frames": shown, "slots": torch.tensor([4, 5])}
    batch = collate([{"paired_frames": shown}, {"paired_grids": torch.ones(1, 16, 8)}, kept], tubelet_frames=2)
    is_known, grids = batch["paired_grids"]
    assert is_known.tolist() == [False, False, True, False, False] and grids.shape == (1, 16, 8)
    assert batch["paired_slots"].tolist() == [-1, -1, -1, 4, 5] and len(batch["paired_pixel_values"]) == 8
    assert set(collate([{"paired_frames": shown}], tubelet_frames=2)) == {"paired_pixel_values"}


def kept_of(model, folder, items: int, *, room_gib: float = 1):
    """Open what a stage keeps that shows two clips in turn."""
    shown = np.array(["clip a", "clip b"] * (items // 2), dtype=object)
    counts = np.full(items, 2)
    return open_cache(model, folder, shown=shown, counts=counts, batch=1, contract="d", room_gib=room_gib)


def test_features_are_kept_only_of_a_frozen_tower_whose_frames_come_again(model, tmp_path):
    tower = model.model.exo_encoder
    assert kept_of(model, tmp_path, 6) is None  # it learns
    tower.requires_grad_(False)
    assert kept_of(model, tmp_path, 2) is None  # one pass
    assert kept_of(model, tmp_path, 6, room_gib=0) is None  # no room
    kept = kept_of(model, tmp_path, 6)
    assert kept.plan.reads.tolist() == [False, False, True, True, True, True] and kept.plan.grids == 4
    assert kept_of(model, tmp_path, 6).path == kept.path
    with torch.no_grad():
        next(tower.parameters()).add_(1)
    assert kept_of(model, tmp_path, 6).path != kept.path


def stop(step: int):
    """Make a callback that ends the training after a step, as a kill would."""
    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **_) -> None:
            if state.global_step == step:
                raise InterruptedError

    return Stop()


def train_stage2(data: Path, folder: Path) -> dict[str, tuple]:
    """Train a small Stage 2, two passes for each of two exo views: kept, without room, and stopped and resumed."""
    training.rank()
    recipe = shrunk_recipe(folder / "recipe.yaml")
    stage = next(stage for stage in recipe.stages if stage.name == "stage2")
    stage = stage.model_copy(update={"max_steps": None, "num_train_epochs": 4, "save_steps": 8})
    given = params.load(ROOT / "params/data.yaml", params.Data)
    done = {}
    for name, gib, stopped in (("kept", 1, None), ("again", 0, None), ("resumed", 1, 13), ("resumed", 1, None)):
        changed = stage.model_copy(update={"feature_cache_gib": gib})
        trainer, losses = training.trainer(recipe, changed, given, data, folder / name)
        if stopped:
            trainer.add_callback(stop(stopped))
        resume = resumable.newest(folder / name / "trainer")
        try:
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        except InterruptedError:
            continue
        kept = trainer.train_dataset.features
        weights = {part: value.clone() for part, value in trainer.model.state_dict().items()}
        done[name] = int(kept.plan.reads.sum()) if kept else 0, len(losses), weights
    return done


@pytest.mark.long
def test_weights_are_the_same_with_kept_features_and_after_a_resume(tiny_data, tmp_path):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        done = alone.submit(train_stage2, tiny_data, tmp_path).result()
    reads, steps, expected = done["kept"]
    assert reads > 4 * steps // 3 and done["again"][0] == 0
    assert done["resumed"][:2] == (reads, steps - 8)
    for name in ("again", "resumed"):
        assert all(torch.equal(value, done[name][2][part]) for part, value in expected.items())

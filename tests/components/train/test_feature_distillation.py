"""The loss that draws features of exo clips to those that the model had of the ego clips before the stage."""

import numpy as np
import pytest
import torch

from components.models import build
from components.models.clip_features import FrozenFeatures, pooled, steps_of
from components.models.processing import normalise
from components.train import supervised
from components.train.dataset import Collate

TURNS = [("what does C do?", "C picks up the red cup")]
WEIGHTS = {"vtg": 1.0, "feature_mse": 0.5}


def frames(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (count, 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def items() -> list[dict]:
    """Clips of unlike lengths, each with the ego frames of the same moment."""
    shown = [(0, 4), (1, 2), (2, 8)]
    return [{"view": "exo", "frames": frames(seed, n), "ego_frames": frames(9 + seed, n), "turns": TURNS}
            for seed, n in shown]  # fmt: skip


@pytest.fixture
def batch(model, processor, items) -> dict:
    return Collate(model.config, processor)(items)


def test_the_features_of_a_clip_are_the_mean_of_the_tokens_that_stand_in_its_prompt(model, processor, items):
    collate = Collate(model.config, processor)
    together = collate(items)
    steps = steps_of(model.config, together["input_ids"], "exo")
    assert steps == [2, 1, 4]
    output = model(**{name: value for name, value in together.items() if name != "ego_pixel_values"}, exo_features=True)
    for item, found in zip(items, output.features, strict=True):
        alone = model.model.encode(normalise(item["frames"]), "exo")
        count = len(alone)
        tokens = model.model.exo_connector(alone, [model.config.grid(count)] * count)
        assert torch.allclose(found, tokens.mean(0), atol=1e-6)


def test_of_the_same_frames_and_weights_nothing_is_left_to_learn(model, batch):
    own = FrozenFeatures(model.model, "exo")
    same = dict(batch) | {"ego_pixel_values": batch["pixel_values"]}
    assert supervised.losses(WEIGHTS, teacher=own)(model, same)["feature_mse"].item() == pytest.approx(0.0, abs=1e-10)
    parts = supervised.losses(WEIGHTS, teacher=FrozenFeatures(model.model, "ego"))(model, dict(batch))
    assert parts["feature_mse"].item() > 0
    assert parts["total"].item() == pytest.approx(parts["vtg"].item() + 0.5 * parts["feature_mse"].item())


def test_without_the_loss_a_batch_is_learned_as_before_to_the_bit(model, batch):
    shown = {name: value for name, value in batch.items() if name != "ego_pixel_values"}
    plain = supervised.losses({"vtg": 1.0})(model, dict(shown))["total"]
    silent = supervised.losses(WEIGHTS | {"feature_mse": 0.0}, teacher=FrozenFeatures(model.model, "ego"))
    assert torch.equal(plain, silent(model, dict(batch))["total"])


def test_the_exo_branch_learns_and_the_teacher_stays_what_the_model_was(model, batch):
    teacher = FrozenFeatures(model.model, "ego")
    loss = supervised.losses({"feature_mse": 1.0}, teacher=teacher)
    before = loss(model, dict(batch))["total"]
    before.backward()
    learned = {name.split(".")[1] for name, value in model.named_parameters() if value.grad is not None}
    assert learned == {"exo_encoder", "exo_connector"}
    with torch.no_grad():
        for value in model.model.ego_connector.parameters():
            value.add_(1.0)
        for value in model.parameters():
            value.sub_(1e-2 * value.grad if value.grad is not None else 0.0)
    assert loss(model, dict(batch))["total"] < before
    [one] = {value.requires_grad for part in (teacher.tower, teacher.connector) for value in part.parameters()}
    assert not one


def test_a_copy_of_spread_weights_is_refused(model):
    model.model.ego_connector.marker.ds_id = 0
    with pytest.raises(ValueError, match="allowed is `zero_stage` 0 to 2"):
        FrozenFeatures(model.model, "ego")


def test_the_connector_of_clips_sees_each_alone(model):
    grids = torch.randn(5, 32, model.config.vision_grid, model.config.vision_grid)
    whole = pooled(model.model.exo_connector, model.config, grids, [2, 3])
    assert torch.allclose(whole[1], pooled(model.model.exo_connector, model.config, grids[2:], [3])[0], atol=1e-6)


@pytest.fixture
def tokened(model, processor) -> tuple:
    told = build.processor_for(build.config_of(processor), processor.tokenizer)
    build.renew_ego_tokens(model, told, 3, seed=0)
    return model, Collate(model.config, told)


def test_the_token_features_of_a_clip_are_the_mean_of_its_ego_adaptive_tokens(tokened, items):
    model, collate = tokened
    made = []
    model.model.ego_tokens.register_forward_hook(lambda module, inputs, output: made.append(output))
    shown = {name: value for name, value in collate(items).items() if name != "ego_pixel_values"}
    output = model(**shown, exo_features=True)
    assert torch.equal(output.token_features, made[0].unflatten(0, (3, 3)).mean(1))
    assert output.token_features.shape == output.features.shape


def test_tokens_learn_from_the_distance_of_their_mean_to_the_ego_clip_and_the_tower_does_not(tokened, items):
    model, collate = tokened
    batch = collate(items)
    model.requires_grad_(False)
    model.model.ego_tokens.requires_grad_(True)
    teacher = FrozenFeatures(model.model, "ego")
    loss = supervised.losses({"vtg": 0.0, "token_mse": 1.0}, teacher=teacher)
    parts = loss(model, dict(batch))
    frames_NCHW = batch["ego_pixel_values"]
    of_ego = teacher.of(frames_NCHW, steps_of(model.config, batch["input_ids"], "exo"))
    shown = {name: value for name, value in batch.items() if name != "ego_pixel_values"}
    distance = model(**shown, exo_features=True).token_features - of_ego
    assert parts["total"].item() == pytest.approx(distance.square().mean().item(), rel=1e-5)
    parts["total"].backward()
    assert model.model.ego_tokens.queries.grad.any()
    optimiser = torch.optim.SGD(model.model.ego_tokens.parameters(), lr=1e-2)
    optimiser.step()
    assert loss(model, dict(batch))["token_mse"] < parts["token_mse"]

"""The STC connector: how many tokens, of which frames, and the model around it."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn import functional

from components import params
from components.models import build, hub_configs
from components.models.backbone import part_of
from components.models.configuration import EgoflowConfig
from components.models.parts import connector_of
from components.models.processing import layout, normalise
from components.models.stc_connector import STCConnector
from components.train.dry_run import connector_profile
from tests.components.models.test_hub_configs import egoflow

pytestmark = pytest.mark.usefixtures("one_thread")
videos = st.lists(st.integers(1, 7), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def connector() -> STCConnector:
    torch.manual_seed(0)
    return connector_of("stc", 6, 8).eval()


@pytest.fixture
def stc_model(processor):
    values = build.config_of(processor).to_dict() | {"connector": "stc", "time_token_ids": []}
    return build.assemble(EgoflowConfig(**values), {}, seed=0).eval()


def tokens_of(steps: int, side: int) -> int:
    return (steps // 2 + 1) * (side // 2 + 1) ** 2


@settings(max_examples=10)
@given(videos, st.integers(2, 9))
def test_every_axis_is_halved_and_one_is_added(connector, steps, side):
    grids = torch.zeros(sum(steps), 6, side, side)
    assert connector(grids, steps).shape == (sum(tokens_of(each, side) for each in steps), 8)


@settings(max_examples=25)
@given(st.integers(1, 64), st.sampled_from([4, 8, 24]))
def test_the_layout_marks_every_step_and_holds_every_token(steps, side):
    config = EgoflowConfig({"image_size": 14 * side, "patch_size": 14}, connector="stc")
    text = layout(config, "ego", steps, guidance=True)
    for view in ("ego", "guide"):
        assert text.count(f"<{view}>") == sum(config.markers(steps)) == steps
        assert text.count(f"<{view}_patch>") == tokens_of(steps, side)
    assert len(config.markers(steps)) == steps // 2 + 1


def test_sixteen_grids_of_24_are_the_published_1521_tokens():
    config = hub_configs.config_of(egoflow(connector="stc", image_tokens=None, video_tokens=None))
    assert layout(config, "exo", 16).count("<exo_patch>") == 9 * 13 * 13 == 1521
    assert layout(config, "exo", 1).count("<exo_patch>") == 13 * 13
    with torch.device("meta"):
        large = STCConnector(1024, 4096)
        assert large(torch.empty(32, 1024, 24, 24), [16, 16]).shape == (2 * 1521, 4096)
    profile = connector_profile.connector(hub_configs.skeleton(config), config, 16)
    assert 0 < profile.checkpointed < profile.activations / 2


@settings(max_examples=10)
@given(videos, st.integers(0, 2**31))
def test_a_video_gives_among_others_what_it_gives_alone_through_a_padded_convolution(connector, steps, seed):
    # float32 sums in another order differ by 1.6e-5 (LayerNorm over 8 channels enlarges it), float64 by 1.4e-14
    connector = copy.deepcopy(connector).double()
    grids = torch.randn(sum(steps), 6, 4, 4, generator=torch.Generator().manual_seed(seed)).double()
    alone = []
    with torch.no_grad():
        for video in grids.split(steps):
            volume = connector.before(video).movedim(0, 1).unsqueeze(0)
            halved = functional.conv3d(volume, connector.halve.weight, connector.halve.bias, stride=2, padding=1)
            after = connector.after(functional.silu(halved).squeeze(0).movedim(1, 0))
            alone.append(connector.project(after.flatten(2).transpose(1, 2).flatten(0, 1)))
        together = connector(grids, steps)
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-11, rtol=1e-11)


@pytest.mark.parametrize("changed", range(6))
def test_a_frame_moves_the_tokens_that_its_marker_stands_before(connector, changed):
    config = EgoflowConfig(connector="stc")
    grids = torch.randn(6, 6, 4, 4, generator=torch.Generator().manual_seed(0))
    other = grids.clone()
    other[changed] += 1
    with torch.no_grad():
        moved = (connector(grids, [6]) - connector(other, [6])).abs().unflatten(0, (4, 9)).amax((1, 2)) > 1e-5
    group_of = [group for group, count in enumerate(config.markers(6)) for _ in range(count)]
    assert moved.nonzero()[:, 0].tolist() == [group_of[changed]]


def test_every_parameter_gets_a_gradient(connector):
    connector(torch.randn(5, 6, 4, 4), [2, 3]).square().mean().backward()
    still = {name for name, value in connector.named_parameters() if value.grad is None or not value.grad.any()}
    assert still == {"marker"}, "the marker is a token's, not the grid's"


def encode(processor, texts):
    return processor.tokenizer(texts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt")


def frames(count: int, seed: int) -> torch.Tensor:
    return normalise(np.random.default_rng(seed).integers(0, 255, (count, 64, 64, 3), dtype=np.uint8))


def test_videos_of_unlike_lengths_images_and_text_do_not_disturb_one_another(stc_model, processor):
    kinds = [("ego", 2, False), ("ego", 8, True), ("exo", 6, False), ("ego", 16, False), ("ego", 0, False)]
    visuals = [layout(stc_model.config, view, n, guidance=guided) for view, n, guided in kinds]
    texts = [f"<bos>{visual}<user>what does C do?<assistant>" for visual in visuals]
    pixels = [frames(n, seed) for seed, (_, n, _) in enumerate(kinds)]
    with torch.no_grad():
        together = stc_model(**encode(processor, texts), pixel_values=torch.cat(pixels)).logits[:, -1]
        for number, text in enumerate(texts):
            shown = pixels[number] if len(pixels[number]) else None
            alone = stc_model(**encode(processor, [text]), pixel_values=shown).logits[0, -1]
            torch.testing.assert_close(together[number], alone, atol=1e-4, rtol=1e-4)


def test_checkpointing_changes_no_gradient(stc_model, processor):
    text = encode(processor, [f"<bos>{layout(stc_model.config, 'ego', 4, guidance=True)}<user>what<assistant>C"])
    gradients = []
    for again in (False, True):
        stc_model.train().zero_grad()
        if again:
            stc_model.activation_checkpointing_enable({"use_reentrant": False})
            assert stc_model.model.ego_connector.before.blocks[0].gradient_checkpointing
        stc_model(**text, pixel_values=frames(4, 0), labels=text["input_ids"]).loss.backward()
        gradients.append({name: p.grad.clone() for name, p in stc_model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert {"ego_connector", "exo_connector"} <= {part_of(name) for name in gradients[0]}
    assert all(torch.equal(value, gradients[1][name]) for name, value in gradients[0].items())


def test_the_recipe_says_which_connector_and_its_limits():
    assert isinstance(connector_of("stc", 4, 4), STCConnector)
    with pytest.raises(ValueError, match="connector 'linear' came, allowed are 'pool', 'stc' and 'mlp'"):
        connector_of("linear", 4, 4)
    with pytest.raises(ValidationError, match="`pool` needs both limits, others take none"):
        egoflow(connector="stc")
    with pytest.raises(ValidationError, match="`pool` needs both limits"):
        params.Egoflow.model_validate(egoflow().model_dump() | {"image_tokens": None})

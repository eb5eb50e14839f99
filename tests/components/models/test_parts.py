"""The mappings between the views: shapes, what a patch sees, gradients; and the switch of the recipe."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from components.models import build, parts
from components.models.backbone import part_of
from components.models.mappings import mapping_of
from components.models.parts import connector_of
from tests.components.conftest import TINY

KINDS = ["resnet", "fc"]


def moved_mapping(kind: str) -> nn.Module:
    """Return a mapping away from the identity that it begins as."""
    torch.manual_seed(0)
    mapping = mapping_of(kind, 8, blocks=1)
    for parameter in mapping.parameters():
        nn.init.normal_(parameter, std=0.3)
    return mapping


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [8, 24])
def test_a_mapping_keeps_the_shape(kind, side):
    grid = torch.randn(3, 8, side, side)
    assert mapping_of(kind, 8, blocks=1)(grid).shape == grid.shape


@pytest.mark.parametrize("kind", KINDS)
def test_a_mapping_begins_as_the_identity(kind):
    grid = torch.randn(2, 8, 8, 8)
    assert torch.equal(mapping_of(kind, 8, blocks=1)(grid), grid)


@pytest.mark.parametrize(("kind", "alone"), [("resnet", False), ("fc", True)])
def test_only_the_resnet_lets_a_patch_see_its_neighbours(kind, alone):
    mapping, grid = moved_mapping(kind), torch.randn(1, 8, 8, 8)
    other = grid.clone()
    other[:, :, 0, 0] += 1
    moved = (mapping(grid) - mapping(other)).abs().amax((0, 1)) > 1e-7
    assert moved[0, 0]
    assert (moved.sum() == 1) == alone


def test_fc_commutes_with_a_permutation_of_patches():
    mapping, grid = moved_mapping("fc"), torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(mapping(grid.flip(2).transpose(2, 3)), mapping(grid).flip(2).transpose(2, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_of_f_and_g_gets_a_gradient(processor, kind):
    config = build.config_of(processor)
    config.mapping = kind
    model = build.assemble(config, {}, seed=0)
    for mapping in (model.model.mapping_f.mapping, model.model.mapping_g):
        last = mapping.leave if kind == "resnet" else mapping.layers[-1]
        nn.init.normal_(last.weight)  # it begins at 0, and what is before it gets no gradient in the first step
    x = torch.randn(2, config.vision_config.hidden_size, 8, 8)
    fx = model.model.mapping_f(x)
    ((model.model.mapping_g(fx) - x).abs().mean() + fx.square().mean()).backward()
    still = {
        name
        for name, parameter in model.named_parameters()
        if part_of(name) in ("mapping_f", "mapping_g") and (parameter.grad is None or not parameter.grad.any())
    }
    assert still == {"model.mapping_f.marker"}, "the marker is a token's, not the grid's"


def test_the_recipe_switches_the_mapping_and_nothing_else(processor):
    shapes = {}
    for kind in KINDS:
        config = build.tiny_config(TINY.model_copy(update={"mapping": kind}), processor.tokenizer)
        model = build.assemble(config, {}, seed=0)
        shapes[kind] = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    changed = {name for name, _ in shapes["resnet"].items() ^ shapes["fc"].items()}
    assert {part_of(name) for name in changed} == {"mapping_f", "mapping_g"}


def test_another_word_is_refused():
    with pytest.raises(ValueError, match="mapping 'attention' came, allowed are 'resnet' and 'fc'"):
        mapping_of("attention", 8, blocks=1)
    with pytest.raises(ValidationError, match="'resnet' or 'fc'"):
        type(TINY).model_validate(TINY.model_dump() | {"mapping": "attention"})


def test_grids_of_unlike_sides_come_out_in_order_by_one_call_of_each_module_or_by_several(monkeypatch):
    torch.manual_seed(0)
    connector, sides = connector_of("pool", 8, 6), [2, 4, 1, 4, 2]
    grids = torch.randn(5, 8, 8, 8)
    alone = torch.cat([connector(grid.unsqueeze(0), [side]) for grid, side in zip(grids, sides, strict=True)])
    assert alone.shape == (sum(side * side for side in sides), 6)
    torch.testing.assert_close(connector(grids, sides), alone)
    calls = []
    connector.value.register_forward_hook(lambda *_: calls.append(1))
    monkeypatch.setattr(parts, "several_ranks", lambda: True)
    torch.testing.assert_close(connector(grids, sides), alone)
    assert len(calls) == 1

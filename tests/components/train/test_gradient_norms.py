"""Norms by part: those of the gradients that the step really had."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from components.models.backbone import PARTS
from components.train.gradient_norms import GradientNorms


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.pretext = nn.Linear(2, 1)
        self.model = nn.ModuleDict({"mapping_f": nn.Linear(2, 2), "mapping_g": nn.Linear(2, 2)})
        self.model["mapping_g"].requires_grad_(False)


def backward(model: Model) -> dict[str, float]:
    """Give the norm of each part's whole gradient after a backward pass."""
    model.zero_grad()
    x = torch.ones(3, 2)
    (model.pretext(model.model["mapping_g"](model.model["mapping_f"](x))) ** 2).sum().backward()
    norms = {"pretext": model.pretext, "mapping_f": model.model["mapping_f"]}
    return {
        f"grad_norm/{part}": torch.cat([p.grad.flatten() for p in module.parameters()]).norm().item()
        for part, module in norms.items()
    }


@pytest.fixture
def listening() -> tuple[Model, GradientNorms]:
    torch.manual_seed(0)
    model, norms = Model(), GradientNorms(PARTS)
    norms.on_train_begin(None, None, None, model=model)
    return model, norms


def step(norms: GradientNorms, number: int, every: int) -> None:
    norms.on_step_begin(SimpleNamespace(logging_steps=every), SimpleNamespace(global_step=number), None)


def logged(norms: GradientNorms, **logs: float) -> dict[str, float]:
    norms.on_log(None, None, None, logs=logs)
    return logs


def test_a_logged_step_tells_the_norm_of_each_trained_part(listening):
    model, norms = listening
    step(norms, 3, every=4)
    expected = backward(model)
    found = logged(norms, loss=1.0)
    assert found.pop("loss") == 1.0 and found == pytest.approx(expected)


def test_steps_that_are_not_logged_leave_nothing(listening):
    model, norms = listening
    step(norms, 2, every=4)
    backward(model)
    assert logged(norms, loss=1.0) == {"loss": 1.0}
    step(norms, 3, every=4)
    expected = backward(model)
    assert logged(norms, loss=1.0) == pytest.approx({"loss": 1.0, **expected})


def test_the_totals_at_the_end_get_no_norms(listening):
    model, norms = listening
    step(norms, 0, every=1)
    backward(model)
    assert logged(norms, train_runtime=1.0) == {"train_runtime": 1.0}

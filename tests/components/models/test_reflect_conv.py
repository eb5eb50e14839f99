import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from components.models import reflect_conv
from components.models.reflect_conv import ReflectConv, by_waves


def results(conv: ReflectConv, forward, x: torch.Tensor) -> list[torch.Tensor]:
    """Give the output and the gradients of input, kernel and bias."""
    conv.zero_grad()
    x = x.detach().requires_grad_()
    y = forward(conv, x)
    (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum().backward()
    return [y.detach(), x.grad, conv.weight.grad.clone(), conv.bias.grad.clone()]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([1, 3, 5, 7]), st.integers(0, 5), st.integers(0, 5), st.integers(1, 3), st.integers(0, 99))
def test_waves_give_what_a_padded_convolution_gives(kernel, taller, wider, count, seed):
    torch.manual_seed(seed)
    least = max(2, kernel // 2 + 1)
    conv = ReflectConv(5, 4, kernel)
    x = torch.randn(count, 5, least + taller, least + wider)
    waves, plain = (results(conv, forward, x) for forward in (ReflectConv.forward, nn.Conv2d.forward))
    for ours, expected in zip(waves, plain, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


def test_waves_round_no_more_than_the_convolution_does():
    torch.manual_seed(0)
    conv, x = ReflectConv(128, 32, 7), torch.randn(8, 128, 8, 8)
    exact = nn.Conv2d(128, 32, 7, padding=3, padding_mode="reflect").double()
    exact.load_state_dict(conv.state_dict())
    with torch.no_grad():
        truth = exact(x.double())
        ours, plain = ((forward(conv, x) - truth).abs().max() for forward in (ReflectConv.forward, nn.Conv2d.forward))
    assert 0 < ours < 2 * plain


def test_the_memory_order_of_the_input_changes_nothing():
    conv, x = ReflectConv(8, 8, 3), torch.randn(4, 8, 8, 8)
    assert torch.equal(conv(x), conv(x.contiguous(memory_format=torch.channels_last)))


def test_other_numbers_than_float32_are_convolved_by_torch(monkeypatch):
    def refused(*_):
        raise AssertionError

    monkeypatch.setattr(reflect_conv, "by_waves", refused)
    conv, x = ReflectConv(8, 8, 3), torch.randn(4, 8, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert conv(x).dtype == torch.bfloat16
    assert conv.double()(x.double()).dtype == torch.float64
    assert conv.to("meta")(x.double().to("meta")).shape == x.shape


def test_a_grid_that_cannot_be_mirrored_is_refused():
    with pytest.raises(RuntimeError, match="Padding size should be less"):
        ReflectConv(8, 8, 7)(torch.randn(1, 8, 3, 8))


def test_waves_first_used_without_gradients_serve_training_too():
    reflect_conv._waves.cache_clear()
    x, kernel, bias = torch.randn(2, 3, 4, 4), torch.randn(3, 3, 3, 3, requires_grad=True), torch.zeros(3)
    with torch.inference_mode():
        by_waves(x, kernel, bias)
    by_waves(x, kernel, bias).sum().backward()
    assert kernel.grad.isfinite().all()

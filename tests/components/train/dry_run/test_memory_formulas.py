"""Formulas of memory and work, against the papers' examples and against what transformers really keeps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModel, CLIPVisionConfig, CLIPVisionModel, MistralConfig

from components.train.dry_run import memory_formulas

GPUS = st.sampled_from([1, 2, 4, 8, 64])
COUNTS = st.integers(1_000, 10**11)


@pytest.mark.parametrize(("zero", "gb"), [(0, 120.0), (1, 31.4), (2, 16.6), (3, 1.9)])
def test_states_are_those_of_the_zero_paper(zero, gb):
    """Its figure 1: 7.5 billion parameters on 64 GPUs."""
    count = 7_500_000_000
    assert memory_formulas.states(count, count, zero=zero, gpus=64).total / 1e9 == pytest.approx(gb, abs=0.05)


def test_states_with_frozen_parameters_by_hand():
    """1000 parameters, 100 of them trained, 4 GPUs."""
    by_stage = [memory_formulas.states(1000, 100, zero=zero, gpus=4) for zero in range(4)]
    assert [(one.weights, one.gradients, one.optimiser) for one in by_stage] == [
        (2000, 200, 1200), (2000, 200, 300), (2000, 50, 300), (500, 50, 300),
    ]  # fmt: skip


@given(COUNTS, st.floats(0, 1), GPUS)
def test_a_higher_stage_never_needs_more(count, share, gpus):
    totals = [memory_formulas.states(count, int(share * count), zero=zero, gpus=gpus).total for zero in range(4)]
    assert totals == sorted(totals, reverse=True)
    if gpus == 1:
        assert len(set(totals)) == 1


@given(COUNTS, st.floats(0, 1), st.integers(0, 3))
def test_more_gpus_never_need_more_each_and_never_less_in_all(count, share, zero):
    totals = [memory_formulas.states(count, int(share * count), zero=zero, gpus=gpus).total for gpus in (1, 2, 4, 8)]
    assert totals == sorted(totals, reverse=True)
    together = [gpus * total for gpus, total in zip((1, 2, 4, 8), totals, strict=True)]
    assert all(later >= earlier * (1 - 1e-9) for earlier, later in zip(together, together[1:], strict=False))


shapes = st.builds(
    memory_formulas.Transformer,
    layers=st.integers(1, 80), width=st.integers(64, 8192), query_width=st.integers(64, 8192),
    kv_width=st.integers(64, 1024), inner_width=st.integers(64, 30_000), gated=st.booleans(),
)  # fmt: skip


@settings(max_examples=50)
@given(shapes, st.integers(1, 10_000))
def test_checkpointing_keeps_less_where_there_is_more_than_one_layer(shape, tokens):
    plain, again = (memory_formulas.activations(shape, tokens, checkpointing=value) for value in (False, True))
    # of one layer the input is kept beside what is computed again
    assert again < plain or shape.layers == 1
    assert memory_formulas.activations(shape, 2 * tokens, checkpointing=True) == 2 * again


def kept_by(model: torch.nn.Module, inputs: dict) -> int:
    """Bytes that a forward keeps for the backward pass, each storage once, without the parameters."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    sizes: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model(**inputs).last_hidden_state
    assert output.requires_grad
    return sum(sizes.values())


def mistral(layers: int) -> int:
    config = MistralConfig(
        hidden_size=256, intermediate_size=896, num_hidden_layers=layers, num_attention_heads=8, num_key_value_heads=2,
        vocab_size=100,
    )  # fmt: skip
    model = AutoModel.from_config(config, attn_implementation="sdpa", dtype=torch.bfloat16)
    embeds = torch.randn(2, 256, 256, dtype=torch.bfloat16, requires_grad=True)
    return kept_by(model, {"inputs_embeds": embeds, "use_cache": False})


def clip(layers: int) -> int:
    config = CLIPVisionConfig(
        hidden_size=256, intermediate_size=1024, num_hidden_layers=layers, num_attention_heads=4, image_size=56,
        patch_size=14,
    )  # fmt: skip
    model = CLIPVisionModel._from_config(config, attn_implementation="sdpa", dtype=torch.bfloat16)
    return kept_by(model, {"pixel_values": torch.randn(8, 3, 56, 56, dtype=torch.bfloat16)})


@pytest.mark.parametrize(
    ("measure", "shape", "tokens"),
    [
        (mistral, memory_formulas.Transformer(1, 256, 256, 64, 896, gated=True), 2 * 256),
        (clip, memory_formulas.Transformer(1, 256, 256, 256, 1024, gated=False), 8 * 17),
    ],
    ids=["mistral", "clip"],
)
def test_a_layer_keeps_what_the_formula_says(measure, shape, tokens):
    assert measure(3) - measure(2) == pytest.approx(memory_formulas.layer_activations(shape, tokens), rel=0.03)

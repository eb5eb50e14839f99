"""How much memory and work a training step needs, by formula; no torch. Bytes unless a name says otherwise.

Precision is what training uses on GPUs: bfloat16 weights, gradients and activations, AdamW in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

WEIGHT, GRADIENT = 2, 2
ADAM = 12  # float32 copy of the weight, momentum, variance: K of the ZeRO paper


@dataclass(frozen=True)
class Transformer:
    """The sizes that memory and work of a stack of transformer layers depend on.

    Args:
        layers: layers that run.
        width: of the residual stream.
        query_width, kv_width: of the queries, and of the keys (and of the values) of all heads together.
        inner_width: of the feed-forward block.
        gated: whether that block multiplies by a gate (SwiGLU), so that it has two inner projections.
    """

    layers: int
    width: int
    query_width: int
    kv_width: int
    inner_width: int
    gated: bool


@dataclass(frozen=True)
class States:
    """What one GPU keeps between steps, bytes."""

    weights: float
    gradients: float
    optimiser: float

    @property
    def total(self) -> float:
        """Weights, gradients and optimiser states together."""
        return self.weights + self.gradients + self.optimiser


def states(parameters: int, trained: int, *, zero: int, gpus: int) -> States:
    """Return the model states of one GPU (ZeRO, Rajbhandari et al. 2020, arXiv 1910.02054, figure 1).

    With P parameters, T of them trained and N GPUs: 2P + 2T + 12T; stage 1 divides the 12T by N, stage 2 also the
    gradients, stage 3 also the weights. The paper has P = T.

    Args:
        parameters: of the model, P.
        trained: of these, T.
        zero: ZeRO stage, 0 to 3.
        gpus: N.

    >>> round(states(7_500_000_000, 7_500_000_000, zero=1, gpus=64).total / 1e9, 1)  # the paper's example
    31.4
    """
    return States(
        weights=WEIGHT * parameters / (gpus if zero >= 3 else 1),
        gradients=GRADIENT * trained / (gpus if zero >= 2 else 1),
        optimiser=ADAM * trained / (gpus if zero >= 1 else 1),
    )


def layer_activations(shape: Transformer, tokens: int) -> int:
    """Return what one layer keeps for its backward pass.

    Per token 2 (8h + 2q + 2k + 2i) bytes for widths h, q (query), k (key) and i (inner), 4i where it is gated. This is
    Korthikanti et al. 2022 (arXiv 2205.05198, equation 1: sbh (34 + 5as/h)) without dropout masks (2h), without
    attention scores, which fused attention never writes (5as), with grouped keys and gates written out, and with 3h
    for the float32 copies of transformers' norms (measured on its Mistral and CLIP layers, within 3 %).
    """
    inner = (4 if shape.gated else 2) * shape.inner_width
    return 2 * tokens * (8 * shape.width + 2 * shape.query_width + 2 * shape.kv_width + inner)


def activations(shape: Transformer, tokens: int, *, checkpointing: bool) -> int:
    """Return what a stack keeps: every layer's activations, or its input and the one layer that is computed again.

    2h bytes per token and layer is Korthikanti et al.'s full recomputation (their section 5: 2sbhL).

    Args:
        shape: of the stack.
        tokens: that pass through it at once.
        checkpointing: whether activations are computed again in the backward pass.
    """
    if not checkpointing:
        return shape.layers * layer_activations(shape, tokens)
    return shape.layers * 2 * tokens * shape.width + layer_activations(shape, tokens)


def logits(vocabulary: int, positions: int) -> int:
    """Return the peak of the token loss: bfloat16 scores, their float32 log-probabilities and the gradient of these."""
    return (2 + 4 + 4) * vocabulary * positions


def cache(shape: Transformer, tokens: int) -> int:
    """Return the keys and values of a generation in bfloat16."""
    return 2 * 2 * shape.layers * shape.kv_width * tokens


def attention_flops(shape: Transformer, tokens: int, length: int) -> int:
    """Return the forward FLOPs of attention scores and their use: 4 q per token pair and layer (PaLM, appendix B).

    Args:
        shape: of the stack.
        tokens: of all sequences together.
        length: tokens of a sequence, each of which looks at all of them.
    """
    return 4 * shape.layers * shape.query_width * tokens * length


def linear_flops(parameters: int, tokens: int) -> int:
    """Return the forward work of matrices: two operations per parameter and token (Kaplan et al. 2020, section 2.1)."""
    return 2 * parameters * tokens

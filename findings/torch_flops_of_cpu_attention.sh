#!/usr/bin/env bash
# torch 2.13.0, torch.utils.flop_counter on a CPU: the work of attention is counted as nothing.
# One would expect that FlopCounterMode counts a model alike wherever it runs, so that the budget of a training step can be
# counted on a machine without GPU. scaled_dot_product_attention becomes another operator on a CPU, for which the counter
# has no formula; it says nothing and adds 0. The longer the video, the more is missing. With the counter's own formula,
# `sdpa_flop_count`, given as custom_mapping, it counts what two matrix products take.
# Seen: 0 without the mapping, 16,777,216 with it, which is 4 * batch * heads * tokens^2 * width of a head.
# Fails when the counter counts it by itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

batch, heads, tokens, width = 1, 4, 256, 16
query, key, value = (torch.rand(batch, heads, tokens, width) for _ in range(3))


def counted(**how) -> int:
    with FlopCounterMode(display=False, **how) as counter:
        scaled_dot_product_attention(query, key, value)
    return counter.get_total_flops()


operator = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
mapping = {operator: lambda q, k, v, *more, out_shape=None, **named: sdpa_flop_count(q, k, v)}
without, with_mapping = counted(), counted(custom_mapping=mapping)
print(torch.__version__, without, with_mapping)
assert without == 0 and with_mapping == 4 * batch * heads * tokens**2 * width, "the counter counts it now"
PYTHON

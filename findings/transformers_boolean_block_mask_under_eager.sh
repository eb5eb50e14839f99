#!/usr/bin/env bash
# transformers 5.23.0 with torch 2.13.0: a boolean block mask packs two documents into one row under sdpa, and does not
# under eager attention, without an error. A 4-D mask is taken as it is: scaled_dot_product_attention reads True as
# "may look", eager attention adds the mask to the scores, so that True is +1 and False is 0, and every token sees all
# others, also those behind it. One would expect the same function from both, or a refusal. Who packs short questions about
# videos into a row, tests with sdpa and trains with eager (on a CPU in bfloat16, or to read attention maps) learns from
# leaked answers.
# Seen: the second document's logits are off by 0.000000 under sdpa and by 0.226782 under eager; with a mask of
# floats (0 and the least float) by 0.000000 under both.
# Fails when the boolean mask is obeyed or refused under eager attention.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 transformers==5.23.0
cat > "$folder/mask.py" <<'PYTHON'
import sys

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

torch.manual_seed(0)
config = Qwen2Config(
    vocab_size=32, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4
)
model = Qwen2ForCausalLM(config).eval()
ids, document = torch.arange(3, 11)[None], torch.tensor([0, 0, 0, 1, 1, 1, 1, 1])
positions = torch.tensor([[0, 1, 2, 0, 1, 2, 3, 4]])
boolean = ((document[:, None] == document[None]) & torch.ones(8, 8, dtype=torch.bool).tril())[None, None]
floats = torch.zeros(1, 1, 8, 8).masked_fill(~boolean, torch.finfo(torch.float32).min)
with torch.no_grad():
    alone = model(ids[:, 3:]).logits
    for attention in ("sdpa", "eager"):
        model.set_attn_implementation(attention)
        for kind, mask in (("boolean", boolean), ("floats", floats)):
            packed = model(ids, attention_mask=mask, position_ids=positions).logits[:, 3:]
            off = (packed - alone).abs().max().item()
            sys.stdout.write(f"{attention} {kind} {'the same' if off < 1e-5 else 'another'} {off:.6f}\n")
PYTHON
seen=$("$folder/venv/bin/python" "$folder/mask.py" 2>/dev/null)
printf '%s\n' "$seen"
[ "$(cut -d' ' -f1-3 <<<"$seen")" = $'sdpa boolean the\nsdpa floats the\neager boolean another\neager floats the' ] ||
    { echo "a boolean mask means something else now"; exit 1; }

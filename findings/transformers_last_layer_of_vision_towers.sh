#!/usr/bin/env bash
# transformers 5.23.0 with torch 2.13.0: "the last layer" of a vision tower, `hidden_states[-1]`, is its `last_hidden_state` for
# CLIP, and for SigLIP and DINOv2 it is another tensor: the state before the tower's last norm, which `last_hidden_state`
# has behind it. LLaVA's `vision_feature_layer=-1` reads `hidden_states[-1]`, so who puts a SigLIP tower where a CLIP tower
# was trains a projector on features that were never normed: SigLIP's post_layernorm, which its pretraining always used,
# stands idle and gets no gradient, where features of the tower called by itself (`last_hidden_state`, as feature stores
# keep them) have passed it. Shapes agree, nothing warns, and a store of the one fed to the projector of the other is wrong.
# Seen: largest difference of both tensors CLIP 0, SigLIP and DINOv2 above 1 (their norms weighted .5 to 1.5); of LLaVA with a
# SigLIP tower no gradient in post_layernorm.
# Fails when one of these is otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 transformers==5.23.0
cat > "$folder/towers.py" <<'PYTHON'
import sys

import torch
from transformers import (
    CLIPVisionConfig, CLIPVisionModel, Dinov2Config, Dinov2Model, LlavaConfig, LlavaForConditionalGeneration, Qwen2Config,
    SiglipVisionConfig, SiglipVisionModel,
)

torch.manual_seed(0)
SIZES = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "image_size": 16, "patch_size": 8}
image = torch.randn(1, 3, 16, 16)
for name, tower in (
    ("clip", CLIPVisionModel(CLIPVisionConfig(**SIZES, intermediate_size=64))),
    ("siglip", SiglipVisionModel(SiglipVisionConfig(**SIZES, intermediate_size=64))),
    ("dinov2", Dinov2Model(Dinov2Config(**SIZES))),
):
    for key, weight in tower.named_parameters():
        if "norm" in key and key.endswith("weight"):
            torch.nn.init.uniform_(weight, 0.5, 1.5)
    with torch.no_grad():
        seen = tower.eval()(pixel_values=image, output_hidden_states=True)
    far = (seen.hidden_states[-1] - seen.last_hidden_state).abs().max().item()
    sys.stderr.write(f"{name}: largest difference {far:.3f}\n")
    print(name, "same" if far == 0 else "before the norm" if far > 1 else "other")

text = Qwen2Config(
    vocab_size=64, hidden_size=32, intermediate_size=64, num_attention_heads=4, num_hidden_layers=1, num_key_value_heads=4
)
config = LlavaConfig(
    vision_config=SiglipVisionConfig(**SIZES, intermediate_size=64), text_config=text, image_token_index=63,
    vision_feature_layer=-1, vision_feature_select_strategy="full",
)
llava = LlavaForConditionalGeneration(config)
ids = torch.tensor([[1, 63, 63, 63, 63, 2, 3]])
llava(input_ids=ids, pixel_values=image, labels=ids.masked_fill(ids == 63, -100)).loss.backward()
weights = dict(llava.named_parameters())
norm, layer = weights["model.vision_tower.post_layernorm.weight"], "model.vision_tower.encoder.layers.1.mlp.fc2.weight"
print("llava", "norm idle" if norm.grad is None and weights[layer].grad.abs().sum() > 0 else "other")
PYTHON
seen=$("$folder/venv/bin/python" "$folder/towers.py" 2> "$folder/log") || { cat "$folder/log"; exit 1; }
grep "difference" "$folder/log"
printf '%s\n' "$seen"
[ "$seen" = $'clip same\nsiglip before the norm\ndinov2 before the norm\nllava norm idle' ] \
    || { echo "the last layers of the towers are otherwise now"; exit 1; }

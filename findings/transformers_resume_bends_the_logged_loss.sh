#!/usr/bin/env bash
# transformers 5.23.0 with torch 2.13.0: a run that is resumed from a checkpoint between two log records logs another loss than
# the run that nobody stopped, with the same weights at every step. A record is the mean of the losses since the last record.
# One would expect a resumed run to repeat the curve, as data order, optimiser and random states are all restored; what was
# summed since the last record is in no checkpoint, so the first record after the resume is the mean of the steps behind
# it alone, and nothing says so. Who saves every 4th step and logs every 3rd, or is preempted anywhere, meets it: curves of
# killed and of quiet runs of one recipe differ, and two arms of a comparison may.
# Seen: losses of the steps 4 to 6 as logged one by one 2.703, 2.532, 2.460; logged every third step 2.565 at step 6, their
# mean; resumed from the checkpoint of step 4, 2.496 at step 6, the mean of 5 and 6; weights at step 6 equal to the bit.
# Fails when the resumed run logs what the quiet one logs, or when its weights differ.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 transformers==5.23.0 accelerate==1.15.0
cat > "$folder/resume.py" <<'PYTHON'
import sys

import torch
from transformers import PrinterCallback, Qwen2Config, Qwen2ForCausalLM, Trainer, TrainingArguments, set_seed

folder = sys.argv[1]
rows = [{"input_ids": (ids := (n + torch.arange(12)) % 32), "labels": ids} for n in range(64)]


def run(name, every, resume=None):
    set_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 4}
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=32, num_hidden_layers=2, **sizes))
    arguments = TrainingArguments(
        f"{folder}/{name}", max_steps=6, per_device_train_batch_size=8, learning_rate=0.01, logging_steps=every, save_steps=4,
        use_cpu=True, report_to="none", disable_tqdm=True,
    )
    trainer = Trainer(model, arguments, train_dataset=rows)
    trainer.remove_callback(PrinterCallback)  # it prints every record
    trainer.train(resume_from_checkpoint=resume)
    losses = {record["step"]: round(float(record["loss"]), 3) for record in trainer.state.log_history if "loss" in record}
    return losses, torch.cat([weight.flatten() for weight in model.parameters()])


single, _ = run("single", 1)
quiet, weights = run("quiet", 3)
resumed, same = run("resumed", 3, f"{folder}/quiet/checkpoint-4")
sys.stderr.write(f"one by one {single}\nquiet {quiet}\nresumed {resumed}\n")
mean = lambda *steps: sum(single[step] for step in steps) / len(steps)
near = lambda one, other: abs(one - other) < 2e-3
print("quiet", "4-6" if near(quiet[6], mean(4, 5, 6)) else "other")
print("resumed", "5-6" if near(resumed[6], mean(5, 6)) else "4-6" if near(resumed[6], mean(4, 5, 6)) else "other")
print("weights", "equal" if torch.equal(weights, same) else "other")
PYTHON
seen=$("$folder/venv/bin/python" "$folder/resume.py" "$folder/runs" 2> "$folder/log") || { cat "$folder/log"; exit 1; }
grep -E "^(one|quiet|resumed)" "$folder/log"
printf '%s\n' "$seen"
[ "$seen" = $'quiet 4-6\nresumed 5-6\nweights equal' ] || { echo "a resumed run logs something else now"; exit 1; }

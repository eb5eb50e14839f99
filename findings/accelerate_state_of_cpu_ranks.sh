#!/usr/bin/env bash
# accelerate 1.15.0 with torch 2.13.0: two ranks of torchrun on a machine without GPU each believe that they are alone.
# One would expect PartialState() to read RANK and WORLD_SIZE, which the launcher has set, and to share the work between
# the ranks, as it does with GPUs. Without cpu=True it ends in DistributedType.NO: every rank is process 0 of 1, and says
# nothing. A program that gives each rank its share of a list, such as one that lets a model answer questions about video
# clips, then answers all of them on every rank, and all write into the file of rank 0.
# Seen: "NO 0 of 1" twice without cpu=True; "MULTI_CPU 0 of 2" and "MULTI_CPU 1 of 2" with it.
# Fails when the ranks are found without being told, or no longer with it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 accelerate==1.15.0
cat > "$folder/state.py" <<'PYTHON'
import sys

from accelerate import PartialState

state = PartialState(cpu=True) if sys.argv[1] == "told" else PartialState()
sys.stdout.write(f"{state.distributed_type.value} {state.process_index} of {state.num_processes}\n")
PYTHON
ranks() { CUDA_VISIBLE_DEVICES='' "$folder/venv/bin/torchrun" --standalone --nproc-per-node 2 "$folder/state.py" "$1" 2>/dev/null | sort; }
untold=$(ranks untold)
told=$(ranks told)
printf '%s\n--\n%s\n' "$untold" "$told"
[ "$untold" = $'NO 0 of 1\nNO 0 of 1' ] || { echo "the ranks are found without cpu=True now"; exit 1; }
[ "$told" = $'MULTI_CPU 0 of 2\nMULTI_CPU 1 of 2' ] || { echo "the ranks are no longer found with cpu=True"; exit 1; }

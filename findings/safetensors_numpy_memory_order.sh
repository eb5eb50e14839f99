#!/usr/bin/env bash
# safetensors 0.8.0, numpy half: save_file writes an array in Fortran order as it lies in memory, under its shape, and
# load_file reads it in C order. The values come back in other places, without an error or a warning: any array that is a
# transpose (a projection matrix, frames moved from THWC to CTHW) is scrambled. The torch half raises for such tensors.
# Seen: [[0, 2, 4], [1, 3, 5]], a transpose, comes back as [[0, 1, 2], [3, 4, 5]].
# Fails when it comes back right, or is refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder/weights.safetensors" <<'PY'
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

weights = np.arange(6, dtype=np.float32).reshape(3, 2).T  # what a transpose is: no copy, Fortran order
save_file({"weights": weights}, sys.argv[1])
back = load_file(sys.argv[1])["weights"]
print(f"saved {weights.tolist()}, loaded {back.tolist()}")
sys.exit(0 if back.shape == weights.shape and not np.array_equal(back, weights) else "it behaves otherwise now")
PY

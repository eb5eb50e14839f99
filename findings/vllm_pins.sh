#!/usr/bin/env bash
# vLLM 0.30.0 beside Prefect 3.8.8, NumPy and transformers, resolved for Linux x86-64 and Python 3.11 without installing.
# One would expect that `pip install trl[vllm] prefect` finds versions that agree. It does not:
#   vLLM 0.23 to 0.31 want fastapi < 0.137, Prefect 3.8.8 (and 3.9.1) wants fastapi >= 0.139;
#   vLLM 0.27 to 0.31 want, through mistral-common, numpy < 2.4;
#   vLLM 0.31.0, which TRL 1.16.0's extra allows, wants transformers < 5.18;
#   vLLM up to 0.26 wants torch 2.11.
# Seen: the first four are refused; trl[vllm]==1.16.0 with torch 2.13.0 and transformers 5.23.0 gets vLLM 0.30.0.
# Fails when one of the four resolves, or the fifth no longer does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uv==0.13.9

resolve() {
    printf '%s\n' "$@" > "$folder/wanted.in"
    "$folder/venv/bin/uv" pip compile --quiet --no-config --no-header --no-annotate --python-version 3.11 \
        --python-platform x86_64-manylinux_2_28 "$folder/wanted.in" > "$folder/pins" 2> "$folder/why"
}

refused() {
    local because=$1
    shift
    if resolve "$@"; then echo "resolves now: $*"; exit 1; fi
    tr -s ' \n' ' ' < "$folder/why" | grep -oE "No solution found.*$because" > /dev/null || { cat "$folder/why"; exit 1; }
    echo "refused, for $because: $*"
}

refused fastapi vllm==0.30.0 prefect==3.8.8
refused numpy vllm==0.30.0 'numpy>=2.4'
refused transformers vllm==0.31.0 'transformers>=5.23'
refused torch vllm==0.26.0 torch==2.13.0
resolve 'trl[vllm]==1.16.0' torch==2.13.0 transformers==5.23.0 || { cat "$folder/why"; exit 1; }
grep -E '^(vllm|torch|transformers|numpy|fastapi)==' "$folder/pins"
grep -q '^vllm==0.30.0$' "$folder/pins"

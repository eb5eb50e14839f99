#!/usr/bin/env bash
# dvc 3.67.1: one output with `persist: true` takes its whole stage out of the run cache.
# One would expect persist to say only that DVC leaves the output in place before the command, as its help does, so that a
# step of video decoding that was killed can go on. But a stage that has such an output is never found again: set a
# parameter to what it was yesterday, and the step runs anew, for hours, although its outputs lie in the cache; every other
# stage of the graph says "is cached - skipping run". Nothing is printed about it.
# Seen: of the same command and values, "plain" is restored without a run, "kept" runs again (3 runs against 2).
# Fails when both are restored, or neither.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
dvc() { DVC_NO_ANALYTICS=1 DO_NOT_TRACK=1 "$folder/venv/bin/python" -m dvc "$@"; }
mkdir "$folder/project"
cd "$folder/project"
dvc init --no-scm --quiet
cat > dvc.yaml <<'YAML'
stages:
  plain:
    cmd: mkdir -p frames && cp params.yaml frames/made_by && echo plain >> ../runs
    params: [fps]
    outs: [frames]
  kept:
    cmd: mkdir -p shards && cp params.yaml shards/made_by && echo kept >> ../runs
    params: [fps]
    outs:
      - shards: {persist: true}
YAML
for fps in 8 4 8; do
  echo "fps: $fps" > params.yaml
  told=$(dvc repro)
done
echo "$told"
plain=$(grep -c plain ../runs)
kept=$(grep -c kept ../runs)
echo "runs: plain $plain, kept $kept"
[ "$plain" = 2 ] || { echo "the stage without persist is not restored from the run cache"; exit 1; }
[ "$kept" = 3 ] || { echo "the stage with persist is restored from the run cache now"; exit 1; }
cmp -s frames/made_by params.yaml && cmp -s shards/made_by params.yaml || { echo "an output is not of these values"; exit 1; }

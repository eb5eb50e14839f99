#!/usr/bin/env bash
# DVC 3.67.1 hashes a stage's inputs for dvc.lock after its command has ended. An input that changes while the command
# runs (somebody edits a parameter or the code during an hour of frame extraction) is recorded as what the output was
# made from: `dvc status` says "up to date" for an output of the old input, and `dvc push` shares the wrong pair.
# Seen: the input says "new", the output "old", and nothing would rerun. Fails when status notices.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
export DVC_NO_ANALYTICS=1 PATH="$folder/venv/bin:$PATH"
mkdir "$folder/project"
cd "$folder/project"
git init --quiet
dvc init --quiet
echo old > input.txt
cat > dvc.yaml <<'YAML'
stages:
  copy:
    cmd: cp input.txt output.txt && sleep 3
    deps: [input.txt]
    outs: [output.txt]
YAML
dvc repro --quiet &
while [ ! -s output.txt ]; do sleep 0.05; done
echo new > input.txt
wait $!
status=$(dvc status)
echo "input: $(cat input.txt), output: $(cat output.txt), status: $status"
[ "$(cat input.txt)" = new ] && [ "$(cat output.txt)" = old ] && grep --quiet "up to date" <<< "$status"

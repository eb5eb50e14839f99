#!/usr/bin/env bash
# mlflow 3.17.2: processes that open one new SQLite store at the same time spoil each other's creation of its tables.
# A sweep, or the stages of a pipeline that train beside one another, begin at once; one would expect the first to make
# the tables and the others to wait, as SQLite's lock lets writers do. Each runs all migrations instead, one transaction
# a migration, and meets the tables of the other: most of them end in an error of SQLAlchemy or Alembic before they have
# logged anything, and at times none succeeds and no later process can open the file either, until it is deleted.
# Seen, of three rounds of four processes: 3, 4 and 4 failed, and where all did, the file could not be opened any more. On
# a store that one process had opened before, 0 of 4 fail.
# Fails when all processes of all rounds succeed, or when one fails on tables that are there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
cat > opens.py <<'PYTHON'
import sys
import time
from pathlib import Path

from mlflow import MlflowClient

Path(f"ready-{sys.argv[2]}").touch()
while not Path("go").exists():
    time.sleep(0.001)
MlflowClient(f"sqlite:///{sys.argv[1]}.db").search_experiments()
PYTHON
at_once() {
  rm -f ready-* go
  local waiting=() failed=0 number
  for number in 1 2 3 4; do
    venv/bin/python opens.py "$1" "$number" 2>> errors &
    waiting+=($!)
  done
  until [ "$(find . -maxdepth 1 -name 'ready-*' | wc -l)" = 4 ]; do sleep 0.05; done
  touch go
  for number in "${waiting[@]}"; do wait "$number" || failed=$((failed + 1)); done
  echo "$failed"
}
new=()
for round in 1 2 3; do new+=("$(at_once "new$round")"); done
touch go
venv/bin/python opens.py made alone 2>> errors
made=$(at_once made)
grep -hoE "^[a-z.]*(OperationalError|CommandError|IntegrityError|ProgrammingError)" errors | sort | uniq -c || true
for round in 1 2 3; do venv/bin/python opens.py "new$round" again 2>> errors || echo "new$round.db cannot be opened any more"; done
echo "failed of 4 on a new store: ${new[*]}; on one with tables: $made"
[ "$(( ${new[0]} + ${new[1]} + ${new[2]} ))" -gt 0 ] || { echo "all succeed on a new store now"; exit 1; }
[ "$made" = 0 ] || { echo "processes fail on a store that has its tables, too"; exit 1; }

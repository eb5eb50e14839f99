#!/usr/bin/env bash
# pyarrow 25.0.1 writes a column of lists of fixed length that holds a null (a sample without a box: the usual form of
# detection labels, box_xyxy as list<double>[4]) to Parquet without complaint and cannot read its own file back:
# "Expected all lists to be of size=4 but index 2 had size=0". The same column as a list of any length is read.
# Found where a training table is written first and read hours later. Fails when the file can be read.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==25.0.1
"$folder/venv/bin/python" - "$folder/boxes.parquet" <<'PY'
import sys

import pyarrow as pa
import pyarrow.parquet as pq

boxes = [[0.0, 0.0, 50.0, 50.0], None, [10.0, 10.0, 20.0, 20.0]]
pq.write_table(pa.table({"box_xyxy": pa.array(boxes, pa.list_(pa.float64()))}), sys.argv[1])
assert pq.read_table(sys.argv[1])["box_xyxy"].to_pylist() == boxes
pq.write_table(pa.table({"box_xyxy": pa.array(boxes, pa.list_(pa.float64(), 4))}), sys.argv[1])
try:
    pq.read_table(sys.argv[1])
except pa.ArrowInvalid as error:
    print(f"fixed length 4, one null: written, and then ArrowInvalid: {error}")
else:
    sys.exit("the file can be read now")
PY

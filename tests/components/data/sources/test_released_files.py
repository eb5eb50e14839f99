"""Rows in are rows out and rejects on every released file that lies beside the project, through the whole step."""

import shutil

import pyarrow.parquet as pq
import pytest

from components import params
from components.data import annotations
from components.data.sources import egoexolearn, epic100, openeqa
from tests.components.data.sources.written import RELEASED, lines

# file, source, where the source looks for it, files that it asks for beside it, rows, rejects by reason
FILES = [
    ("open-eqa-v0.json", "openeqa", openeqa.FILE, {}, 1636, {}),
    (
        "egoexolearn_fine_annotation_test.csv",
        "egoexolearn",
        egoexolearn.TEST_FILE,
        {egoexolearn.FILE: ",".join(egoexolearn.COLUMNS)},
        23_174,
        {"egoexolearn/no_narration": 23_174},
    ),
    (
        "benchmarks/epic100_retrieval_test.csv",
        "epic100",
        "EPIC_100_validation.csv",
        {"EPIC_100_train.csv": ",".join(epic100.COLUMNS)},
        138 + 9668,  # videos that the lines name, and lines
        {"epic100/file_missing": 138, "epic100/no_video": 9668},
    ),
]


@pytest.mark.parametrize("file, source, place, beside, rows, reasons", FILES, ids=[file for file, *_ in FILES])
def test_every_row_goes_out_or_is_a_reject(tiny_world, tmp_path, file, source, place, beside, rows, reasons):
    if not (RELEASED / file).is_file():
        pytest.skip(f"{RELEASED / file} is not there")
    root = tmp_path / source
    for name, header in beside.items():
        lines(root / name, [header])
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(RELEASED / file, root / place)
    parameters = tiny_world.params.model_copy(update={"sources": params.Sources(**{source: root})})
    made = annotations.run(parameters, tmp_path / "data")
    assert made["row_counts"] == [(source, rows, rows - sum(reasons.values()), sum(reasons.values()))]
    assert made["counts"]["reasons"] == reasons
    stored = {
        name: pq.read_metadata(tmp_path / f"data/annotations/{name}.parquet").num_rows for name in annotations.IDS
    }
    assert sum(stored.values()) == rows - sum(reasons.values())

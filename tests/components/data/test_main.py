"""The command of one data step: rows accounted for, tables judged, a clean message and a failing exit."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components import records
from components.data import __main__ as command
from components.data.clips import step as clips
from tests.components.data.conftest import changed


def test_a_step_writes_judges_and_counts(annotated, data_params):
    counts = command.run("clips", data_params, annotated)
    assert counts["clips"] == {"ego": 90, "exo": 180}
    assert (annotated / "gx/uncommitted/data_docs/local_site/expectations/clips/clips.html").is_file()


def test_rows_that_vanish_are_told(annotated, data_params, monkeypatch):
    monkeypatch.setattr(clips, "run", lambda *_: {"counts": {}, "row_counts": [("narrations", 90, 80, 7)]})
    with pytest.raises(ValueError, match="clips.*narrations: 90 rows came in.*3 are not accounted for"):
        command.run("clips", data_params, annotated)


def test_a_broken_table_ends_the_command(annotated, monkeypatch, caplog):
    original = clips.run

    def overlong(parameters, data_dir):
        made = original(parameters, data_dir)
        path = data_dir / "clips/clips.parquet"
        rows = records.read_table(path, records.CLIP).to_pylist()
        rows[0]["end_s"] = 99.0
        records.write_table(path, rows, records.CLIP)
        return made

    monkeypatch.setattr(clips, "run", overlong)
    monkeypatch.setattr(sys, "argv", ["data", "clips", "--params", str(Path("params/data.yaml").resolve())])
    monkeypatch.chdir(annotated.parent)
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 1
    message = "clips.clips: expect_column_values_to_be_in_set(ends inside its video) failed on 1 of 270 rows"
    assert message in caplog.text
    assert "Traceback" not in caplog.text


def test_a_step_before_its_input_says_what_to_run(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(sys, "argv", ["data", "clips", "--params", str(Path("params/data.yaml").resolve())])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 1
    assert "data/annotations/rejects.parquet is missing: run `dvc repro clips`" in caplog.text
    assert "Traceback" not in caplog.text


def test_the_inputs_of_steps_are_those_of_the_graph():
    stages = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
    for step in command.STEPS:
        folders = {Path(path).parts[1] for path in stages[step]["deps"] if path.startswith("data/")}
        assert folders - {"raw", "parameters.txt"} == set(command.INPUTS[step]), step


def test_a_wrong_parameter_ends_the_command_before_any_table(annotated, data_params):
    clips.run(data_params, annotated)
    with pytest.raises(ValueError, match="instructions_per_dataset is 40"):
        command.run("egoit", changed(data_params, "egoit", instructions_per_dataset=40), annotated)
    assert not (annotated / "egoit").exists()


def test_help_loads_nothing_heavy():
    code = (
        "import sys, runpy; sys.argv = ['data', '--help']\n"
        "try: runpy.run_module('components.data', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "assert not {'pandas', 'pyarrow', 'great_expectations', 'torch'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    steps = "annotations,media,pretraining,clips,funnel,egoit,egore,egoexo_con,dataset,frames"
    assert steps in done.stdout.replace("\n", "").replace(" ", "")

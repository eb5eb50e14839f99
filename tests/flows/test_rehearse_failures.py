"""What a rehearsal says, and its exit code, where something fails; nothing is trained here."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.train.rehearsal.outcome import Outcome
from flows import rehearse, supervisor


@pytest.fixture
def rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Rehearses a recipe of one stage whose programs are stand-ins; returns the exit code and what was written."""
    checkpoint = tmp_path / "checkpoints" / "sft-0"
    job = SimpleNamespace(root=tmp_path, recipe_path=Path("params/recipes/r.yaml"))

    def write(whole, project: Path, scale) -> Outcome:
        project.mkdir(parents=True)
        return Outcome("r", "world", stages=(), missing=["sft"], bases=[], smaller=[])

    def supervise(command: list[str], env: dict[str, str], **more: object) -> None:
        output = Path(command[command.index("--output") + 1])
        output.mkdir(parents=True)
        (output / "model.safetensors").touch()

    def run(measured) -> tuple[int, dict]:
        monkeypatch.setattr(rehearse, "_measured", measured)
        finished = SimpleNamespace(
            stages=[SimpleNamespace(checkpoint=checkpoint)], decision=SimpleNamespace(reason="promoted")
        )
        code = rehearse.rehearse(lambda *words, **more: finished, "r", rehearse.Scale())
        written = tmp_path / "rehearsals/world/tables/r/rehearsal.json"
        return code, json.loads(written.read_text())

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rehearse.tasks, "open_job", lambda *words, **more: job)
    monkeypatch.setattr(rehearse, "_write", write)
    monkeypatch.setattr(supervisor, "supervise", supervise)
    return run


def test_stages_that_cannot_be_measured_leave_the_other_tables(rehearsal, capsys):
    def measured(whole, name: str, known: Outcome, project: Path) -> Outcome:
        raise supervisor.StageFailed("no chat template")

    code, told = rehearsal(measured)
    assert code == 1 and told["error"] == "no chat template" and told["missing"] == ["sft"]
    assert told["decision"] == "promoted" and told["exported"] == ["model.safetensors"]
    printed = capsys.readouterr()
    assert "no chat template" in printed.err and "not finished: sft" in printed.out


@pytest.mark.parametrize(("missing", "code"), [(["sft"], 1), ([], 0)])
def test_a_stage_that_is_missing_is_a_failure(rehearsal, missing, code):
    def measured(whole, name: str, known: Outcome, project: Path) -> Outcome:
        return Outcome("r", "world", stages=(), missing=missing, bases=[], smaller=[])

    found, told = rehearsal(measured)
    assert found == code and told["error"] is None

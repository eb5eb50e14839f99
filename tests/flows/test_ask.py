"""The command `ask`: whom it asks, what it prints, and how it refuses; the answers: tests/components/evaluation."""

import json
from pathlib import Path

import pytest

from components import params
from components.evaluation.ask import Answer
from flows import ask

ROOT = Path(__file__).parents[2]
QUESTION = "what does C do?"


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_the_champion_is_asked_and_its_answer_printed(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    asked = []

    def answered(path: Path, question: str, checkpoint: Path, data: params.Data, **options: object) -> Answer:
        asked.append((path, question, checkpoint, options))
        return Answer(question, "a cup", str(checkpoint), "ego", [1, 3], [0.5, 1.5])

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(ask, "ask", answered)
    monkeypatch.setattr(ask, "champion_of", lambda name: tmp_path / name)
    monkeypatch.setattr("sys.argv", ["ask", "film.mp4", QUESTION, *words])
    assert ask.main() == 0
    settings = params.load(Path("params/eval.yaml"), params.Eval)
    options = {"view": "ego", "max_new_tokens": settings.max_new_tokens}
    assert asked == [(Path("film.mp4"), QUESTION, tmp_path / settings.promotion.model_name, options)]
    printed = capsys.readouterr().out
    if words:
        assert json.loads(printed) == {
            "question": QUESTION, "answer": "a cup", "checkpoint": str(asked[0][2]), "view": "ego",
            "frames": [1, 3], "times_s": [0.5, 1.5],
        }  # fmt: skip
    else:
        assert printed == "a cup\n"


def test_a_folder_that_is_no_checkpoint_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["ask", "film.mp4", QUESTION, "--checkpoint", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        ask.main()
    assert end.value.code == 2 and "holds no whole model; allowed are" in capsys.readouterr().err


def test_without_a_champion_the_command_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ask.tracking, "champion", lambda name: None)
    with pytest.raises(ValueError, match="no champion of 'm' yet; name a folder by --checkpoint"):
        ask.champion_of("m")

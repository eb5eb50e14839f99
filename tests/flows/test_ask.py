"""The command `ask`: whom it asks, what it prints, and how it refuses; the answers: tests/components/evaluation."""

import json
from pathlib import Path

import numpy as np
import pytest

from components import params
from components.evaluation.ask import Model
from components.evaluation.film import Film
from components.evaluation.film_answer import read_reply
from flows import ask

ROOT = Path(__file__).parents[2]
QUESTION = "what does C do?"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What comes to the model, which is not loaded and finds the cup everywhere in the same place."""
    calls = []
    monkeypatch.chdir(ROOT)

    def open_model(checkpoint: Path, data: params.Data, *, max_new_tokens: int) -> Model:
        calls.append((checkpoint, max_new_tokens))
        return Model(checkpoint, ("ego", "exo"), data, max_new_tokens, made=None)

    def answered(model: Model, path: Path, question: str, *, view: str, **how: object):
        calls.append((path, question, view, how))
        shown = Film(path, None, "image", np.array([4, 4]), np.array([0.5, 0.5]), 0.5, 0.625)
        said = "<think>there</think><answer>[0, 4, 8, 12]</answer>"
        return read_reply(said, shown, view=view, target_kind="box", data=model.data), shown

    monkeypatch.setattr(ask, "open_model", open_model)
    monkeypatch.setattr(ask, "ask", answered)
    monkeypatch.setattr(ask, "champion_of", lambda name: tmp_path / name)
    return calls


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["ask", *words])
    return ask.main()


HOW = {"target_kind": None, "start_s": None, "end_s": None}


def test_the_champion_is_asked_and_its_answer_printed(asked, tmp_path: Path, monkeypatch, capsys):
    assert run(monkeypatch, "film.mp4", QUESTION) == 0
    settings = params.load(Path("params/eval.yaml"), params.Eval)
    assert asked == [
        (tmp_path / settings.promotion.model_name, settings.max_new_tokens),
        (Path("film.mp4"), QUESTION, "ego", HOW),
    ]
    assert capsys.readouterr().out == "<think>there</think><answer>[0, 4, 8, 12]</answer>\n"


def test_json_has_all_of_both_views_and_the_picture(asked, tmp_path: Path, monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr(ask, "draw", lambda *given: drawn.append(given))
    picture = tmp_path / "answer.png"
    words = ["film.mp4", QUESTION, "--exo", "outside.mp4", "--json", "--picture", str(picture), "--start", "0.5"]
    assert run(monkeypatch, *words) == 0
    assert [call[2] for call in asked[1:]] == ["ego", "exo"] and asked[1][3] == HOW | {"start_s": 0.5}
    printed = json.loads(capsys.readouterr().out)
    assert (printed["question"], printed["picture"]) == (QUESTION, str(picture))
    assert [(one["view"], one["film"]) for one in printed["answers"]] == [("ego", "film.mp4"), ("exo", "outside.mp4")]
    ego = printed["answers"][0]
    assert (ego["box_xyxy"], ego["thought"], ego["times_s"]) == ([0, 4, 8, 12], "there", [0.5, 0.5])
    [(question, answers, output)] = drawn
    assert (question, len(answers), output) == (QUESTION, 2, picture)


@pytest.mark.parametrize("words", [["film.mp4"], ["film.mp4", QUESTION, "--page"], []])
def test_a_film_without_a_question_is_refused(words, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, *words)
    assert "give a VIDEO and a question, or --page without them" in capsys.readouterr().err


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

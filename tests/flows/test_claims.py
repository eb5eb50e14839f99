"""The command that judges published signs: from kept scores to a file, and what it would run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from components.evaluation import claims as judging
from components.evaluation import comparison_scores
from components.params import claims as registry
from components.params.comparison import Comparison
from flows import arms, claims, compare, data
from tests.components.evaluation.test_claims import scores
from tests.flows import stand_in

COMPARISON = {
    "name": "tiny",
    "recipe": stand_in.RECIPE,
    "at": "last",
    "against": "full",
    "reseed": [],
    "measures": {"QA": ["qa/accuracy"]},
    "arms": {"full": {}, "late": {"published": {"QA": 1.5}}, "early": {}},
}
LOCK = {
    "schema": "2.0",
    "stages": {name: {"outs": [{"path": f"data/{name}", "md5": "0" * 32}]} for name in ("dataset", "frames")},
}
CLAIM = {"says": "s", "source": "Paper, §1.5", "expected": "higher"}
CLAIMS = {
    "X1 late": CLAIM | {"experiment": {"comparison": "tiny", "arm": "late", "measure": "QA"}},
    "X1 later": CLAIM | {"experiment": {"comparison": "tiny", "arm": "late", "against": "early", "measure": "QA"}},
    "X2 other": CLAIM,
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three claims and a comparison that was run with five seeds of two of its arms."""
    stand_in.write_yaml(tmp_path / "params/claims.yaml", {"seeds": 5, "claims": CLAIMS})
    stand_in.write_yaml(tmp_path / "params/ablations/tiny.yaml", COMPARISON)
    for name in ("data", "eval"):
        shutil.copy(stand_in.ROOT / f"params/{name}.yaml", tmp_path / "params")
    stand_in.recipe(tmp_path, stand_in.RECIPE, [{**stand_in.SEEN, "name": "last"}])
    stand_in.write_yaml(tmp_path / "dvc.lock", LOCK)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/claims.json").write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    ran(COMPARISON)
    return tmp_path


def ran(comparison: dict) -> None:
    """Write what `flows.compare` leaves."""
    of = Comparison.model_validate(comparison)
    rng = np.random.default_rng(0)
    found = {(arm, seed): scores(rng.random(40) + (arm == "late")) for arm in ("full", "late") for seed in range(5)}
    folder = compare.folder_of(of)
    folder.mkdir(parents=True, exist_ok=True)
    comparison_scores.write(folder / comparison_scores.FILE, found, {arm: of.places(arm) for arm in of.arms})
    table = {"comparison": of.model_dump(mode="json"), "recorded_in": "c0ffee0", "stages_s": 5400.0}
    table |= {"made_of": arms.made_of(of)}
    (folder / "table.json").write_text(json.dumps(table))


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["claims", *words])
    return claims.main()


def test_kept_scores_decide_a_sign_and_nothing_is_trained(project: Path, monkeypatch, capsys):
    assert command(monkeypatch) == 0
    [(name, record)] = judging.read(Path("results/claims.json")).items()
    assert (name, record.seeds, record.recorded_in, record.hours) == ("X1 late", 5, "c0ffee0", 1.5)
    assert record.difference == pytest.approx(1.0, abs=0.1) and record.tested["against"] == "full"
    printed = capsys.readouterr().out
    assert [line.split()[-2] for line in printed.splitlines() if line.startswith("│ X")] == ["holds", "run", "run"]


def test_a_comparison_that_changed_since_it_ran_is_no_answer(project: Path, monkeypatch):
    arms = COMPARISON["arms"] | {"late": {"published": {"QA": 1.5}, "changes": {"last.seed": 3}}}
    stand_in.write_yaml(project / "params/ablations/tiny.yaml", COMPARISON | {"arms": arms})
    assert command(monkeypatch) == 0 and judging.read(Path("results/claims.json")) == {}
    # what a claim is not about may change
    arms = COMPARISON["arms"] | {"early": {"changes": {"last.seed": 3}}, "new": {}}
    stand_in.write_yaml(project / "params/ablations/tiny.yaml", COMPARISON | {"arms": arms})
    assert command(monkeypatch) == 0 and list(judging.read(Path("results/claims.json"))) == ["X1 late"]


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new", "is_answer"),
    [
        (stand_in.RECIPE, "weight_decay: 0", "weight_decay: 1", False),
        ("params/eval.yaml", "qa: 400", "qa: 300", False),
        ("params/eval.yaml", "model_name: egoflow", "model_name: other", True),
        ("params/data.yaml", "seed: ", "seed: 1", False),
        ("dvc.lock", "0" * 32, "1" * 32, False),
        ("reports/compare-tiny/table.json", "made_of", "other", False),
    ],
)
def test_scores_of_another_recipe_rule_or_data_are_no_answer(project: Path, monkeypatch, file, old, new, is_answer):
    change(project / file, old, new)
    assert command(monkeypatch) == 0 and bool(judging.read(Path("results/claims.json"))) is is_answer


def test_what_is_missing_is_run_and_judged(project: Path, monkeypatch):
    asked = []

    def compared(comparison: str, seeds: int, only: list[str]) -> None:
        asked.append((comparison, seeds, only))

    monkeypatch.setattr(compare, "compare", compared)
    assert command(monkeypatch, "--run", "--comparisons", "tiny") == 0
    assert asked == [("params/ablations/tiny.yaml", 5, ["late", "early"])]
    assert command(monkeypatch, "--run", "--comparisons", "tyni") == 1 and len(asked) == 1


def test_a_plan_says_what_is_missing_and_writes_nothing(tmp_path: Path, monkeypatch, capsys):
    for name in ("params", "results"):
        shutil.copytree(stand_in.ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "stale", lambda: ["world"])
    before = (tmp_path / "results/claims.json").read_text()
    found, comparisons = registry.load()
    wanted = claims.missing(found, comparisons, judging.judge(found.claims, {}, seeds=5))
    assert {"full", "no KL", "no LoRA"} <= set(wanted["exo2ego"])
    assert command(monkeypatch, "--dry-run", "--comparisons", "grpo_sft") == 0
    printed = capsys.readouterr().out
    assert "grpo_sft" in printed and "not known" in printed and "have no experiment: X3 two encoders" in printed
    assert (tmp_path / "results/claims.json").read_text() == before

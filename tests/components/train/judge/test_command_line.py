"""`python -m components.train --dry-run` of wrong recipes: exit code 1, all mistakes, no traceback, and no torch."""

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components.train.__main__ import main
from tests.components.train.judge.spoilt import GONE, RECIPES, ROOT, changed


def planned(recipe: dict, folder: Path) -> subprocess.CompletedProcess:
    path = folder / "wrong.yaml"
    with path.open("w") as file:
        YAML(typ="safe").dump(recipe, file)
    command = [sys.executable, "-X", "importtime", "-m", "components.train", "--recipe", str(path), "--dry-run"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("recipe", "changes", "keys"),
    [
        ("egothinker", {"sft.dataset_samples": GONE, "grpo.max_pixels": GONE, "sft.ranks": 7}, 3),
        ("miniature", {"sft.lora": {"r": 0}, "sft.warmup_ratio": 1.5, "sft.seeds": 3, "model.patch_px": "8 px"}, 7),
    ],
)
def test_the_dry_run_names_every_mistake_and_loads_nothing(recipe, changes, keys, tmp_path):
    done = planned(changed(RECIPES[recipe], changes), tmp_path)
    told = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == 1 and done.stdout == "" and not any("Traceback" in line for line in told)
    assert len([line for line in told if line.startswith("- ")]) == keys, told
    assert "Mend" in told[-1]
    assert not any(line.split("|")[-1].strip() == "torch" for line in done.stderr.splitlines())


@pytest.mark.parametrize("half", ["--rollouts-only", "--train-only"])
def test_a_stage_that_samples_by_vllm_takes_no_halves(half, tmp_path, monkeypatch, capsys):
    path = tmp_path / "recipe.yaml"
    with path.open("w") as file:
        YAML(typ="safe").dump(changed(RECIPES["egovlm"], {"grpo.grpo.vllm": {"mode": "colocate"}}), file)
    words = ["--recipe", path, "--stage", "grpo", "--data", tmp_path, "--output", tmp_path / "out", "--run-id", "0"]
    monkeypatch.setattr(sys, "argv", ["train", *map(str, words), half])
    with pytest.raises(SystemExit):
        main()
    assert "'grpo' samples by vLLM, whose probabilities the rollouts do not keep" in capsys.readouterr().err


@pytest.mark.slow
def test_weights_that_nobody_knows_are_no_traceback_either(tmp_path):
    done = planned(changed(RECIPES["egovlm"], {"model.base": "Qwen/Qwen9"}), tmp_path)
    assert (
        done.returncode == 1 and "Traceback" not in done.stderr and "base 'Qwen/Qwen9' came, allowed are" in done.stderr
    )

import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components.tracking.code import code_of, other_code
from components.train import provenance

ROOT = Path(__file__).parents[3]
OLD = {"code_digest": "a", "git_commit": "1" * 40}
NEW = {"code_digest": "b", "git_commit": "2" * 40 + "-dirty"}


def test_a_stage_that_other_code_began_says_so(tmp_path: Path):
    def begins(code: dict[str, str]) -> list[dict] | None:
        return provenance.of_training(tmp_path / "trainer", code | {"stage_key": "k"}).get("code_before")

    assert begins(OLD) is None and begins(OLD) is None, "a retry is of the same code"
    assert begins(NEW) == [OLD]
    assert begins(OLD) == [NEW], "it trains now, and so it is no code of before"


def test_what_a_run_writes_leaves_a_clone_clean(tmp_path: Path):
    def git(*words: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True)

    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"].values()
    # an out with options that DVC does not cache is git's
    outs = [
        out if isinstance(out, str) else next(iter(out)) for stage in stages for out in stage["outs"] if cached(out)
    ]
    shutil.copy(ROOT / ".gitignore", tmp_path)
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "all")
    clean = provenance.git_commit(tmp_path)
    assert len(clean) == 40 and "data/dataset" in outs
    for name in (
        *outs,
        "checkpoints/a",
        "reports/a",
        "rehearsals/a",
        "mlartifacts/a",
        "mlflow.db",
        ".cache/logs/a.log",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert provenance.git_commit(tmp_path) == clean
    (tmp_path / "new.py").touch()
    assert provenance.git_commit(tmp_path) == f"{clean}-dirty"


def cached(out: str | dict) -> str | None:
    """Give the path of an out that DVC keeps; those that it does not cache are git's."""
    [(name, options)] = {out: {}}.items() if isinstance(out, str) else out.items()
    return name if options.get("cache", True) else None


def test_the_libraries_that_trained_are_on_record(tmp_path: Path):
    found = provenance.of_training(tmp_path, OLD)["libraries"]
    assert found["torch"] == metadata.version("torch") and found["numpy"] == metadata.version("numpy")
    assert "vllm" not in found or metadata.version("vllm")


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (OLD, "trained by code of 111111111111"),
        (NEW, ""),
        (NEW | {"code_digest": "c"}, "trained by code of 222222222222-dirty"),
        ({"code_digest": "c", "git_commit": "none"}, "trained by other code"),
        ({}, ""),
    ],
)
def test_whose_code_trained_is_told_where_it_is_another(made: dict[str, str], told: str):
    assert other_code(made, "b") == told
    assert code_of(made | {"stage": "s"}) == made

"""House rules that a machine can check."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST_FILE = 300
TOP_LEVEL = {
    ".ci", ".dvc", ".dvcignore", ".gitignore", ".pre-commit-config.yaml", "CHANGELOG.md", "CITATION.cff",
    "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "components",
    "data",  # data/review alone: what people decided
    "docs", "dvc.lock", "dvc.yaml", "findings", "flows", "infra", "mkdocs.yml", "params", "pyproject.toml",
    "requirements.lock", "results", "tests",
}  # fmt: skip


def tracked(pattern: str = "*") -> list[Path]:
    names = subprocess.run(["git", "ls-files", "--", pattern], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in names.stdout.splitlines()]


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check"),
        ("ruff", "format", "--check"),
        ("importlinter.cli", "lint"),
        ("ty", "check", "--python", sys.prefix, "components", "flows"),
    ],
    ids=["ruff check", "ruff format", "import contracts", "types"],
)
def test_linters_are_content(command):
    run = {"importlinter.cli": ["-c", "from importlinter.cli import lint_imports_command as l; l()"]}
    arguments = run.get(command[0], ["-m", *command])
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_longer_than_a_person_holds():
    long = {
        str(p.relative_to(ROOT)): n for p in tracked("*.py") if (n := len(p.read_text().splitlines())) > LONGEST_FILE
    }
    assert not long


def test_the_top_level_is_fixed():
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP_LEVEL


# the file or folder that alone imports a tool, so that another tool could take its place
DOORS = {
    "daft": "components/data/partition/executor.py",
    "decord": "components/video",
    "fsspec": "components/storage.py",
    "great_expectations": "components/data/contracts/validate.py",
    "httpx": "components/llm/endpoint.py",
    "mlflow": "components/tracking",
    "ray": "components/data/partition/executor.py",
}


def test_tools_have_one_door_each():
    assert not [door for door in DOORS.values() if not (ROOT / door).exists()]
    for tool, door in DOORS.items():
        users = {
            str(path.relative_to(ROOT))
            for folder in ("components", "flows")
            for path in tracked(f"{folder}/*.py")
            for line in path.read_text().splitlines()
            if line.strip().startswith((f"import {tool}", f"from {tool}"))
        }
        assert users, f"nothing uses {tool}"
        assert all(user == door or user.startswith(f"{door}/") for user in users), (tool, users)

"""Locks fit pyproject.toml; a dependency that is added, or a range that is moved, needs `make lock`."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / "infra/environments"
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# file -> the extras that it holds beside what every environment needs
EXTRAS = {
    ROOT / "requirements.lock": ("orchestration", "training", "s3", "servers", "docs", "dev"),
    ENVIRONMENTS / "orchestration.txt": ("orchestration",),
    ENVIRONMENTS / "training.txt": ("training",),
    ENVIRONMENTS / "gpu-vllm.txt": ("training", "vllm"),
}
OFFLINE = (
    "Connect",
    "dns error",
    "error sending request",
    "timed out",
    "network was disabled",
)  # how uv says that no index answers


def pinned(file: Path) -> dict[str, str]:
    pins = re.findall(r"^([\w.-]+)==(\S+)", file.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


def declared(*extras: str) -> list[Requirement]:
    groups = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    return [one for group in groups for one in map(Requirement, group) if one.name != "egoflow"]


@pytest.mark.parametrize("file", EXTRAS, ids=lambda file: file.name)
def test_every_dependency_is_locked_at_a_version_that_it_allows(file):
    pins = pinned(file)
    # each machine has a torch of its own (Makefile); vLLM alone wants the CUDA build of an index
    pins |= {} if file.name == "gpu-vllm.txt" else {"torch": "2.13.0"}
    wrong = [
        f"{one}: {pins.get(canonicalize_name(one.name), 'not in the lock')}"
        for one in declared(*EXTRAS[file])
        if not one.specifier.contains(pins.get(canonicalize_name(one.name), "0"), prereleases=True)
    ]
    assert not wrong, "run `make lock`"


def test_every_locked_package_has_a_hash_and_none_an_address():
    pins = pinned(ROOT / "requirements.lock")
    assert len(re.findall(r"^[\w.-]+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", LOCK, re.MULTILINE)) == len(pins) > 200
    assert not {name for name in pins if name.startswith(("torch", "nvidia-", "triton"))}
    for text in (file.read_text() for file in EXTRAS):
        assert "://" not in text and "index-url" not in text


def test_two_environments_have_the_versions_of_the_one():
    one = pinned(ROOT / "requirements.lock")
    orchestration, training = (pinned(ENVIRONMENTS / f"{name}.txt") for name in ("orchestration", "training"))
    assert orchestration.items() <= one.items() and training.items() <= one.items()
    assert not {"prefect", "dvc", "great-expectations", "daft", "ray", "mlflow"} & training.keys()
    assert not {"accelerate", "datasets", "deepspeed", "peft", "trl"} & orchestration.keys()


@pytest.mark.long
def test_the_environment_with_vllm_resolves_to_what_its_file_says(tmp_path):
    shutil.copy(ENVIRONMENTS / "gpu-vllm.txt", tmp_path)
    command = ["make", "--silent", "gpu-vllm", f"ENVIRONMENTS={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=800)
    if done.returncode != 0 and any(word in done.stderr for word in OFFLINE):
        pytest.skip(f"no package index answers: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "gpu-vllm.txt").read_text() == (ENVIRONMENTS / "gpu-vllm.txt").read_text()


def test_the_tools_that_build_from_source_are_those_of_the_lock():
    makefile, pins = (ROOT / "Makefile").read_text(), pinned(ROOT / "requirements.lock")
    for tool in ("setuptools", "wheel", "ninja"):
        assert f"{tool}=={pins[tool]} " in makefile or f"{tool}=={pins[tool]}\n" in makefile
    [torch] = [requirement for requirement in declared() if requirement.name == "torch"]
    assert f"torch{torch.specifier} " in makefile

"""requirements.lock fits pyproject.toml; a dependency that is added, or a range that is moved, needs `make lock`."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text()
PINNED = {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE)}
NOT_LOCKED = {"torch", "egoflow"}  # each machine has a torch of its own (Makefile); the project itself


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [Requirement(text) for text in [*project["dependencies"], *extras["dev"], *extras["docs"], *extras["s3"]]]


def test_every_dependency_is_locked_at_a_version_that_it_allows():
    wrong = [
        f"{requirement}: {PINNED.get(canonicalize_name(requirement.name), 'not in the lock')}"
        for requirement in declared()
        if requirement.name not in NOT_LOCKED
        and not requirement.specifier.contains(PINNED.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ]
    assert not wrong, "run `make lock`"


def test_every_locked_package_has_a_hash_and_none_an_address():
    assert len(re.findall(r"^[\w.-]+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", LOCK, re.MULTILINE)) == len(PINNED) > 200
    assert "://" not in LOCK and "index-url" not in LOCK
    assert not {name for name in PINNED if name.startswith(("torch", "nvidia-", "triton"))}


def test_the_tools_that_build_from_source_are_those_of_the_lock():
    makefile = (ROOT / "Makefile").read_text()
    for tool in ("setuptools", "wheel", "ninja"):
        assert f"{tool}=={PINNED[tool]} " in makefile or f"{tool}=={PINNED[tool]}\n" in makefile
    [torch] = [requirement for requirement in declared() if requirement.name == "torch"]
    assert f"torch{torch.specifier} " in makefile

from importlib import metadata
from pathlib import Path

import pytest

from components.tracking.code import code_of, other_code
from components.train import provenance

OLD = {"code_digest": "a", "git_commit": "1" * 40}
NEW = {"code_digest": "b", "git_commit": "2" * 40 + "-dirty"}


def test_a_stage_that_other_code_began_says_so(tmp_path: Path):
    def begins(code: dict[str, str]) -> list[dict] | None:
        return provenance.of_training(tmp_path / "trainer", code | {"stage_key": "k"}).get("code_before")

    assert begins(OLD) is None and begins(OLD) is None, "a retry is of the same code"
    assert begins(NEW) == [OLD]
    assert begins(OLD) == [NEW], "it trains now, and so it is no code of before"


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

"""What the parts of training do is what was recorded of them: a change of behaviour has a version of its own."""

import pytest
import torch

from components.train import versions
from tests.components.train.golden import cases, fixed, footage, recorded, runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = footage.write(tmp_path_factory.mktemp("golden"))
    return folder, runs.make_starts(folder)


@pytest.fixture
def known() -> dict[str, dict]:
    return recorded.read()


@pytest.mark.parametrize("part", fixed.FIXED)
def test_a_part_does_what_is_recorded(made, known, part: str):
    used = {part: max(versions.VERSIONS[part])}
    complaint = recorded.complaint(part, used, fixed.FIXED[part](*made), known.get(part))
    assert complaint is None, complaint


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="the random numbers were drawn by MKL")
@pytest.mark.parametrize("case", cases.CASES)
def test_a_stage_does_what_is_recorded(made, known, case: str):
    used, values = runs.run(case, *made)
    complaint = recorded.complaint(f"stage {case}", used, values, known.get(f"stage {case}"))
    assert complaint is None, complaint


def test_every_part_has_a_case_or_a_reason(known):
    assert cases.tested([set(case["versions"]) for case in known.values()]) == set()
    assert known.keys() == {*fixed.FIXED, *(f"stage {case}" for case in cases.CASES)}


def test_what_moved_is_named_with_what_to_do():
    before = {"versions": {"lora": 1}, "values": {"step 1 loss": 2.0, "samples": "a"}}
    assert recorded.complaint("c", {"lora": 1}, {"step 1 loss": 2.001, "samples": "a"}, before) is None, "rounding"
    told = recorded.complaint("c", {"lora": 1}, {"step 1 loss": 2.1, "samples": "a"}, before)
    for words in ("behaviour of lora moved", "step 1 loss: was 2.0, is 2.1", recorded.VERSIONS_FILE, recorded.COMMAND):
        assert words in told
    assert "samples: was a, is b" in recorded.complaint("c", {"lora": 1}, {"step 1 loss": 2.0, "samples": "b"}, before)
    assert "lora 1 -> 2" in recorded.complaint("c", {"lora": 2}, before["values"], before)
    assert recorded.COMMAND in recorded.complaint("c", {"lora": 1}, {}, None)


def test_values_that_moved_are_recorded_under_a_raised_version_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "FILE", tmp_path / "values.json")

    def record(found: dict) -> list[str]:
        return recorded.record(found, ["c", "d"])

    assert record({"c": ({"lora": 1}, {"loss": 2.0})}) == []
    [why] = record({"c": ({"lora": 1}, {"loss": 3.0})})
    assert "raise the version" in why and recorded.read()["c"]["values"] == {"loss": 2.0}
    assert record({"c": ({"lora": 1}, {"loss": 2.0001})}) == []
    assert recorded.read()["c"]["values"] == {"loss": 2.0}, "another processor rewrites nothing"
    assert record({"c": ({"lora": 2}, {"loss": 3.0})}) == []
    assert record({"d": ({"lora": 2}, {})}) == []
    assert recorded.read()["c"] == {"versions": {"lora": 2}, "values": {"loss": 3.0}}, "one case at a time"
    assert recorded.record({}, ["d"]) == [] and recorded.read().keys() == {"d"}

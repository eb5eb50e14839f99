"""The list of published signs: complete, and every name in it known."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from components.params import claims
from components.params.claims import Claim

ROOT = Path(__file__).parents[3]
ARM = {"says": "s", "source": "Paper, §1.5", "expected": "lower"}
COMPARISON = {
    "name": "tiny",
    "recipe": "r.yaml",
    "at": "a",
    "against": "full",
    "reseed": [],
    "measures": {"QA": ["qa/accuracy"], "verb": ["caption_ego/verb"]},
    "arms": {"full": {}, "late": {"published": {"QA": -1.5}}, "early": {}},
}


def project(folder: Path, **of_claims: dict) -> Path:
    files = {"params/claims.yaml": {"seeds": 5, "claims": of_claims}, "params/ablations/tiny.yaml": COMPARISON}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("w") as file:
            YAML().dump(content, file)
    return folder


def experiment(**changes: str) -> dict:
    return {"experiment": {"comparison": "tiny", "arm": "late", "measure": "QA"} | changes}


def test_every_published_sign_has_a_claim_and_every_row_of_the_page_too():
    found, comparisons = claims.load(ROOT)  # a sign without a claim would be refused
    assert sum(len(arm.published) for of in comparisons.values() for arm in of.arms.values()) >= 11
    rows = re.findall(r"^\| ([A-Z]\d) \|", (ROOT / "docs/systems.md").read_text(), re.MULTILINE)
    assert list(dict.fromkeys(name.split()[0] for name in found.claims)) == rows
    sections = set(re.findall(r"^##+ (\d+(?:\.\d+)?)", (ROOT / "docs/systems.md").read_text(), re.MULTILINE))
    assert {claim.source.rpartition(", §")[2] for claim in found.claims.values()} <= sections


def test_a_published_difference_comes_from_its_arm_or_from_the_claim(tmp_path):
    other = ARM | {"published": -9.0} | experiment(arm="early", against="late")
    found, comparisons = claims.load(project(tmp_path, a=ARM | experiment(), b=other))
    assert [claims.published(claim, comparisons) for claim in found.claims.values()] == [-1.5, -9.0]
    assert claims.questions(found, comparisons)["a"] == {
        "comparison": "tiny", "arm": "late", "against": "full", "measure": "QA", "expected": "lower", "margin": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (experiment(comparison="tinny"), r"claim 'b': comparison 'tinny' is unknown \(did you mean tiny\?\), allowed"),
        (experiment(arm="latte"), r"arm 'latte' is unknown \(did you mean late\?\), allowed are full, late, early"),
        (experiment(against="ful"), r"arm 'ful' is unknown \(did you mean full\?\)"),
        (experiment(measure="verbs"), r"measure 'verbs' is unknown \(did you mean verb\?\)"),
        (experiment() | {"published": -1.5}, "`published` stands here and in tiny.yaml"),
        (experiment() | {"expected": "higher"}, "-1.5 is published in tiny.yaml, which is not higher"),
    ],
)
def test_a_wrong_name_or_number_is_told(tmp_path, claim, words):
    with pytest.raises(ValueError, match=words):
        claims.load(project(tmp_path, a=ARM | experiment(), b=ARM | claim))


def test_a_published_sign_without_a_claim_is_told(tmp_path):
    elsewhere = {"a": ARM, "b": ARM | experiment(against="early"), "c": ARM | experiment(measure="verb")}
    with pytest.raises(ValueError, match="tiny.yaml publishes 'QA' of arm 'late', and no claim names it"):
        claims.load(project(tmp_path, **elsewhere))


@pytest.mark.parametrize(
    ("expected", "margin", "region"),
    [
        ("higher", None, (0, math.inf)), ("lower", None, (-math.inf, 0)), ("alike", 2.0, (-2, 2)),
        ("not lower", 2.0, (-2, math.inf)),
    ],
)  # fmt: skip
def test_a_claim_is_a_region(expected, margin, region):
    assert Claim.model_validate(ARM | {"expected": expected, "margin": margin}).region == region


@pytest.mark.parametrize(
    "changes",
    [{"margin": 1.0}, {"expected": "alike"}, {"published": 1.0}, {"expected": "alike", "margin": 1.0, "published": 2}],
)
def test_a_claim_that_contradicts_itself_is_refused(changes):
    with pytest.raises(ValidationError, match="margin|published"):
        Claim.model_validate(ARM | changes)

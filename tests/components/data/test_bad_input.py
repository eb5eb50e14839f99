"""The bad input corpus: each case ends in named rejects or in one clear error, and no row is lost."""

import re
import shutil

import pytest

from tests.components.data.bad_input.case import Case
from tests.components.data.bad_input.running import CASES, Good, good, run


@pytest.fixture(scope="module")
def of_good(tiny_world, tmp_path_factory) -> Good:
    return good(tiny_world, tmp_path_factory.mktemp("good_input") / "good")


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "spoilt"
    shutil.rmtree(tmp_path / "spoilt")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_bad_input_ends_in_named_rejects_or_in_one_clear_error(case: Case, of_good, folder):
    outcome = run(case, of_good, folder)
    if case.error:
        assert re.search(case.error, str(outcome.error), re.DOTALL), outcome
        return
    assert outcome.error is None, outcome
    assert outcome.rows_in == outcome.rows_out + outcome.rows_rejected
    if case.steps[-1] == "clips":  # a narration more or less also moves the windows of its neighbours
        assert {reason: outcome.rejects.get(reason, 0) for reason in case.rejects} == case.rejects
        return
    assert outcome.rejects == case.rejects and outcome.rows == case.rows


def test_no_two_cases_have_one_name():
    assert len({case.name for case in CASES}) == len(CASES) >= 40

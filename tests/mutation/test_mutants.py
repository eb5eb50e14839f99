"""The changes that the mutation check tries, and what it makes of tests that notice and tests that do not."""

from pathlib import Path

import pytest
from cosmic_ray.mutating import mutate_code

from tests.mutation.__main__ import mutants_of, survivors_of
from tests.mutation.operators import operators

CODE = """\
def checked(value: int, *, most: int = 2) -> int:
    if value > most:
        raise ValueError(value)
    return value
"""


@pytest.mark.parametrize("operator", operators()[:2], ids=lambda operator: type(operator).__name__)
def test_our_operators_do_what_their_examples_say(operator):
    for example in operator.examples():
        assert mutate_code(example.pre_mutation_code, operator, 0) == example.post_mutation_code
        assert mutate_code(example.pre_mutation_code, operator, 1) is None


def test_every_change_is_one_line_and_tried_once():
    found = [(mutant.before, mutant.after) for mutant in mutants_of("a.py", CODE)]
    assert len(set(found)) == len(found)
    assert ("raise ValueError(value)", "pass") in found
    assert {after for before, after in found if before == "if value > most:"} == {
        *("if not value > most:", "if value >= most:", "if value < most:")
    }
    assert not [after for _, after in found if "/," in after]


def test_what_no_test_notices_survives(tmp_path):
    (tmp_path / "checked.py").write_text(CODE)
    (tmp_path / "test_checked.py").write_text(
        "import pytest\nfrom checked import checked\n"
        "def test_checked():\n    assert checked(2) == 2\n    pytest.raises(ValueError, checked, 4)\n"
    )
    count, survived = survivors_of(tmp_path, "checked.py", ["test_checked.py"])
    assert count == 6
    assert [mutant.after.split("most")[1:] for mutant in survived] == [[": int = 3) -> int:"]]
    assert Path(tmp_path / "checked.py").read_text() == CODE

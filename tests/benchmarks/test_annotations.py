"""All sides of the benchmark of `annotations` give the same rows, so that their times may be compared."""

import pytest

from tests.benchmarks import annotations


@pytest.mark.parametrize("name", annotations.CORPORA)
def test_all_sides_agree_on_a_small_corpus(name):
    told = annotations.compare(name, 2000)
    assert min(told["s"], told["plain_s"], told["read_s"], told["peak_mb"]) > 0

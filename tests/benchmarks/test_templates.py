"""Both sides of the benchmark of EgoRe's questions give the same rows, so that their times may be compared."""

from tests.benchmarks import templates


def test_both_sides_agree_on_a_few_takes():
    both = templates.compare(1000, takes=20)
    assert both["rows"] >= 1000 and min(both["ours"], both["peer"]) > 0

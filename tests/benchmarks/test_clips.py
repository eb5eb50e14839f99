"""Both sides of the clip benchmark give the same rows, so that their times may be compared."""

from tests.benchmarks import clips


def test_both_sides_agree_on_a_small_corpus():
    spans, step = clips.compare_spans(3000), clips.compare_step(3000)
    assert 3000 * 4 < spans["exo"] < 3000 * 5
    assert min(spans["ours"], spans["peer"], step["ours"], step["peer"]) > 0

"""Both sides of the fetch benchmark give the same frames, so that their times may be compared."""

from tests.benchmarks import fetch


def test_both_sides_agree_on_a_small_film(tmp_path):
    small = fetch.Case(64, 64, 250, 32, n_frames=2, clip_s=1.0, films=1)
    told = fetch.compare(tmp_path, small)
    assert 0 < told["second"] < told["first"]

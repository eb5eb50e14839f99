"""Both sides of the benchmark of EgoRe's questions give the same rows, so that their times may be compared."""

from tests.benchmarks import templates


def test_both_sides_agree_on_a_few_takes():
    both = templates.compare(1000, takes=20)
    assert both["rows"] >= 1000 and min(both["ours"], both["peer"]) > 0


def test_both_sides_agree_where_narrations_are_dense(monkeypatch):
    # ninety narrations in half a minute: windows hold many of them, some of one event, and clips overlap
    monkeypatch.setattr(templates, "TAKE_S", 30.0)
    assert templates.compare(1000, takes=20)["rows"] >= 1000

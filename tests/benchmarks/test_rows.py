"""The file that the benchmarks share keeps what the others wrote."""

import json

from tests.benchmarks import rows


def test_rows_are_merged_by_name(tmp_path):
    path = tmp_path / "results/bench_data.json"
    rows.write([rows.row("b", 2.0, 10.0, unit="s"), rows.row("a", 1.0, unit="GB")], path)
    rows.write([rows.row("b", 4.0, 10.0, unit="s"), rows.row("c", 3.0, unit="s")], path)
    assert json.loads(path.read_text()) == [
        {"name": "a", "ours": 1.0, "peer": None, "ratio": None, "unit": "GB"},
        {"name": "b", "ours": 4.0, "peer": 10.0, "ratio": 2.5, "unit": "s"},
        {"name": "c", "ours": 3.0, "peer": None, "ratio": None, "unit": "s"},
    ]


def test_the_table_shows_both_sides():
    shown = rows.show([rows.row("spans", 0.125, 5.0, unit="s"), rows.row("memory", 1.5, unit="GB")]).splitlines()
    assert shown[0].split() == ["name", "ours", "peer", "ratio", "unit"]
    assert shown[1].split() == ["spans", "0.125", "5", "40", "s"]
    assert shown[2].split() == ["memory", "1.5", "–", "–", "GB"]

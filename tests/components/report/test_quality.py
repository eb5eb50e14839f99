"""The table of question quality: shares in percent with their intervals, dashes for what nobody measured."""

from components.data.contracts.quality import TYPES
from components.records import write_table
from components.report.quality import HEADER, read_quality

ROW = {"corpus": "egore", "task": "qa", "question_type": "count", "samples": 1200, "checked": 100, "right": 95}
ROW |= {"share_right": 0.95, "chance": 0.25, "blind_asked": 40, "blind_accuracy": 0.4, "blind_lift": 0.2}
ROW |= {"blind_lift_low": 0.02, "position_sigma": -1.26, "near_duplicates": 3, "duplicate_share": 0.0025}
ROW |= {"contaminated": 0}


def cells(row: dict) -> dict[str, str]:
    return dict(zip(HEADER, (text for text, _ in row), strict=True))


def test_what_was_measured_is_in_percent_and_what_was_not_is_a_dash(tmp_path):
    unknown = ROW | {"checked": 0, "right": 0, "share_right": None, "chance": None, "position_sigma": None}
    write_table(
        tmp_path / "quality/types.parquet", [ROW, unknown | {"blind_accuracy": None, "blind_lift": None}], TYPES
    )
    table = read_quality(tmp_path)
    assert "95 % that EgoThinker found" in table.title
    known, dashes = map(cells, table.rows)
    assert (known["type"], known["samples"], known["right"]) == ("egore · qa · count", "1,200", "95.0")
    assert (known["95 % interval"], known["blind lift"], known["worst position, σ"]) == ("88.8 to 97.8", "20.0", "-1.3")
    assert [name for name, text in dashes.items() if text == "–"] == [
        *("right", "95 % interval", "chance", "blind", "blind lift", "worst position, σ")
    ]


def test_no_table_no_section(tmp_path):
    assert read_quality(tmp_path) is None

"""What result tables and the reference of parameters say."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import Field
from ruamel.yaml import YAML

from components import params
from components.evaluation import claims, promotion_gate
from components.params.strict import Strict
from docs import claim_tables, parameters, simulated, tables

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        ("the same", "the same"),
        ({"score": 29.0, "interval": [22.3, 35.8], "blind": 10.5}, "29.0 [22.3, 35.8] / 10.5"),
        ({"score": 50.0, "control": 37.1, "control_name": "guesser", "learned": True}, "50.0 / 37.1 guesser"),
        (
            {"score": 50.0, "scores": [48.0, 52.0], "control": 37.1, "learned_in": 1},
            "50.0 (48.0 to 52.0) / 37.1 *learned in 1 of 2*",
        ),
        ({"score": 22.0, "blind": 20.5, "learned": False}, "22.0 / 20.5 *not learned*"),
        ({"score": 13.5, "difference": -4.6, "difference_interval": [-9.0, 0.0]}, "13.5, −4.6 [−9.0, 0.0]"),
        ({"score": 59.6, "blind": 27.2, "difference": 2.2, "difference_interval": [0.7, 3.7]},
         "59.6 / 27.2, +2.2 [+0.7, +3.7]"),
    ],
)  # fmt: skip
def test_a_cell_says_everything_it_holds(value, text):
    assert tables.cell(value).replace(tables.GLUE, " ") == text


# the others hold measurements and simulations
TABLES = [path for path in sorted(tables.RESULTS.glob("*.json")) if "rows" in json.loads(path.read_text())]


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_file_of_results_is_whole(path):
    result = json.loads(path.read_text())
    assert all(len(row["cells"]) == len(result["columns"]) for row in result["rows"])
    assert all(re.fullmatch(r"[0-9a-f]{7,40}", row["recorded_in"]) for row in result["rows"])
    assert result["command"] and result["seeds"] and result["predictions"]
    for cell in (cell for row in result["rows"] for cell in row["cells"] if isinstance(cell, dict)):
        for value, ends in (("score", "interval"), ("difference", "difference_interval")):
            assert ends not in cell or cell[ends][0] <= cell[value] <= cell[ends][1]


def test_a_table_ends_with_where_its_figures_come_from():
    table = tables.results_table("grpo_sft")
    assert table.endswith(
        "*Command: `python -m flows.compare --comparison params/ablations/grpo_sft.yaml --seeds 3`. Seeds: 3. "
        "Recorded in `f825157`, `272ff4b`. The predictions of these runs are not in the repository; the command makes "
        "them again.*"
    )


def test_benchmarks_have_a_row_a_measurement():
    measured = json.loads((tables.RESULTS / "bench_train.json").read_text())
    assert len(tables.bench_table("bench_train").splitlines()) == len(measured) + 2


class _Inner(Strict):
    """An inner block."""

    share: float = Field(default=0.5, gt=0, le=1, description="of a | b")


class _Outer(Strict):
    """An outer block."""

    names: tuple[str, ...]
    inner: _Inner | None = None
    losses: dict[str, float] = {"vtg": 1.0}
    tasks: tuple[str, ...] = ("qa", "caption")
    guided: bool = False


def test_the_reference_says_type_bounds_default_and_meaning(monkeypatch):
    monkeypatch.setattr(parameters, "FILES", {"params/some.yaml": _Outer})
    text = parameters.reference()
    assert "| `names` | list of text | required | – |" in text
    assert "| `inner` | [_Inner](#_inner) or null | `null` | An inner block. |" in text
    assert "| `losses` | map of text to number | `{vtg: 1.0}` | – |" in text
    assert "| `tasks` | list of text | `[qa, caption]` | – |" in text
    assert "| `guided` | true or false | `false` | – |" in text
    assert "### _Inner\n\nAn inner block.\n" in text
    assert "| `share` | number, > 0, ≤ 1 | `0.5` | of a \\| b |" in text


def test_every_key_of_the_schema_is_in_the_reference():
    keys = {
        name
        for schema in parameters.FILES.values()
        for block in parameters.blocks(schema)
        for name in block.model_fields
    }
    assert keys == set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/params.md").read_text(), re.MULTILINE))


EARLIER = {"grpo_sft": "grpo_sft"}  # comparison -> file of results


def test_what_was_recorded_under_the_old_rule_is_what_the_result_tables_say():
    records = claims.read(tables.RESULTS / "claims.json")
    for record in (record for record in records.values() if record.p_holds is None):
        result = json.loads((tables.RESULTS / f"{EARLIER[record.tested['comparison']]}.json").read_text())
        arm = {"GRPO": "GRPO, 60 steps"}.get(record.tested["arm"], record.tested["arm"])
        [row] = [row for row in result["rows"] if row["label"] == arm]
        cell = row["cells"][result["columns"].index(record.tested["measure"])]
        assert [100 * end for end in record.interval] == pytest.approx(cell["difference_interval"])
        assert 100 * record.difference == pytest.approx(cell["difference"])
        assert (record.recorded_in, str(record.seeds)) == (row["recorded_in"], result["seeds"])


def test_a_sign_is_decided_on_the_page_only_where_it_was_measured_by_the_rule():
    rows = [line for line in claim_tables.whole().splitlines() if line.startswith("| **")]
    assert len(rows) > 45
    for row in rows:
        seeds, here, verdict = (row.split(" | ")[place] for place in (4, 5, 8))
        assert ("holds" in verdict or "contradicted" in verdict) <= (
            int(seeds.replace("–", "0")) >= 5 and ", p " in here
        )
    by_row = [line.strip("| ").split(" | ") for line in claim_tables.short().splitlines()[2:]]
    assert sum(int(cells[2]) for cells in by_row) == len(rows)


def test_the_newest_release_is_the_cited_one_and_has_its_notes():
    """The package itself takes its version from the git tag."""
    cited = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text())["version"]
    released = re.findall(r"^## \[(\d.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == cited
    assert "version" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dynamic"]


def test_the_gate_in_words_is_the_gate_of_the_code():
    rule = params.load(ROOT / "params/eval.yaml", params.Eval).promotion
    told = " ".join(simulated.gate().split())
    assert f"better in `{rule.primary_metric}` than" in told
    for metric, margin in rule.guardrail_metrics.items():
        assert f"`{metric}` ({100 * margin:g} points)" in told
    assert (
        f"test at {100 * promotion_gate.ALPHA:g} %" in told
        and f"ruled out at {100 - 100 * promotion_gate.ALPHA:g} %" in told
    )

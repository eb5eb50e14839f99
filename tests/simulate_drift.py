"""How often `egoflow drift` calls data drift where nothing moved: takes of one dataset, dealt at random into two.

Run as: python -m tests.simulate_drift      (five minutes of one core; reads data/, writes results/drift.json)
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components import params
from components.data.drift import profile
from components.data.drift.compare import Change, compare
from components.params.drift import FILE

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results/drift.json"
LIMITS = params.load(ROOT / FILE, params.Drift).model_dump()
DEALS = 150
TAKES = (None,)  # of each dataset; None for half of all


def deal(whole: pa.Table, takes: int | None, rng: np.random.Generator) -> list[pa.Table]:
    """Return the profiles of two datasets of so many takes each, or of half of all; no take is in both.

    Args:
        whole: profile of a dataset of at most `profile.MOST_TAKES` takes.
        takes: of each of the two.
        rng: deals them.
    """
    of = whole.filter(pc.equal(whole["feature"], profile.MIXTURE)).group_by("take_id").aggregate([("count", "sum")])
    samples = dict(zip(*of.to_pydict().values(), strict=True))  # take id -> how many
    dealt, each = rng.permutation(sorted(samples)), takes or len(samples) // 2
    parts = []
    for drawn in (dealt[:each], dealt[each : 2 * each]):
        totals = {"takes": f"{each}", "samples": f"{sum(samples[take] for take in drawn)}"}
        rows = whole.filter(pc.is_in(whole["take_id"], pa.array(drawn.tolist())))
        parts.append(rows.replace_schema_metadata({"format": profile.FORMAT} | totals))
    return parts


def alarms(changes: list[Change]) -> dict[str, bool]:
    """Return which alarms a comparison raises."""
    return {
        "by_counts": any(one.drifted for one in changes if one.p is None),
        "by_tests": any(one.drifted for one in changes if one.p is not None),
        "by_tests_whatever_the_effect": any(one.p <= LIMITS["alpha"] for one in changes if one.p is not None),
    }


def shares(whole: pa.Table, takes: int | None, *, deals: int, seed: int = 0) -> dict[str, object]:
    """Return how often each alarm is raised, and by which features."""
    raised, by = Counter[str](), Counter[str]()
    for number in range(deals):
        found = compare(*deal(whole, takes, np.random.default_rng((seed, number))), **LIMITS)
        raised += Counter({name: 1 for name, is_raised in alarms(found).items() if is_raised})
        by += Counter(one.feature for one in found if one.drifted)
    names = alarms([])
    return {name: raised[name] / deals for name in names} | {"features": dict(by.most_common(5))}


def main() -> None:
    """Deal the takes at hand, compare, print and write."""
    with tempfile.TemporaryDirectory() as folder:
        whole = profile.write(ROOT / "data", Path(folder, "profile.parquet"))
    told = {"limits": LIMITS, "deals": DEALS, "of": profile.totals(whole), "alarms": {}}
    for takes in TAKES:
        told["alarms"][takes or told["of"]["takes"] // 2] = shares(whole, takes, deals=DEALS)
        print(told["alarms"], flush=True)
    RESULTS.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()

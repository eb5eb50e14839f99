"""The contract of data/quality: how good the questions of each type must be."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from components.data.contracts.rules import Rule, among, between
from components.data.contracts.sample import MAX_SIGMA

KEYS = ("corpus", "task", "question_type")
TYPES = pa.schema(
    [
        *((name, pa.string()) for name in KEYS),
        ("samples", pa.int64()),
        ("checked", pa.int64()),  # by the oracle; 0 with real data
        ("right", pa.int64()),
        ("share_right", pa.float64()),  # null where nothing was checked
        ("chance", pa.float64()),  # mean of 1 / options; null without options, as the shares below and the position
        ("blind_asked", pa.int64()),  # held-out questions that the blind baseline answered
        ("blind_accuracy", pa.float64()),
        ("blind_lift", pa.float64()),  # (blind accuracy - chance) / (1 - chance)
        ("blind_lift_low", pa.float64()),  # the lift at the lower end of the 95 % Wilson interval
        ("position_sigma", pa.float64()),  # of the worst answer position
        ("near_duplicates", pa.int64()),
        ("duplicate_share", pa.float64()),
        ("contaminated", pa.int64()),  # training samples of a benchmark's videos
    ]
)
NULLABLE = frozenset(
    {"share_right", "chance", "blind_accuracy", "blind_lift", "blind_lift_low", "position_sigma", "duplicate_share"}
)
# the paper samples 95 %; what rules write from annotations can only be wrong where an annotator was
MIN_RIGHT = 0.98
# measured within 0.1 of chance, but for counting (0.52: small numbers are common); a question whose words tell the
# answer comes to 1
MAX_BLIND_LIFT = 0.2
MAX_GUESSABLE_LIFT = 0.5
GUESSABLE = ("counting",)
# measured 0; annotators who say the same at one moment make some, and more of them would weigh that moment up
MAX_DUPLICATES = 0.02


def rules(table: pa.Table) -> tuple[pd.DataFrame, list[Rule]]:
    """Lay the table out by `type`, and return it with the rules that must hold of each type.

    A null passes: what could not be checked cannot fail. Of the blind lift the lower bound counts, so that a type with
    few held-out questions does not fail by chance.
    """
    frame = table.to_pandas()
    frame.insert(0, "type", frame[list(KEYS)].agg("/".join, axis=1))
    guessable = frame["question_type"].isin(GUESSABLE)
    limit = pd.Series(MAX_BLIND_LIFT, index=frame.index).mask(guessable, MAX_GUESSABLE_LIFT)
    frame["blind_lift_over_limit"] = frame["blind_lift_low"] - limit
    return frame, [
        *between("samples", 1, None),
        *between("share_right", MIN_RIGHT, 1),
        *between("blind_lift_over_limit", None, 0),
        *between("position_sigma", -MAX_SIGMA, MAX_SIGMA),
        *between("duplicate_share", 0, MAX_DUPLICATES),
        *among(contaminated=[0]),
    ]

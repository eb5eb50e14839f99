"""The recorded golden values: read, compared with what a part does now, and recorded anew."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path

from components.train import versions

FILE = Path(__file__).with_name("values.json")
VERSIONS_FILE = "components/train/versions.py"
COMMAND = "python -m tests.components.train.golden"
# Processors and threads add in other orders. A few steps of AdamW magnify that most in how far weights move, for it
# takes the sign of gradients that are next to nothing; what is meant to be other moves numbers by far more.
TOLERANCES = {"moved": 0.02, "grad_norm": 0.02, "kl": 0.02}
TOLERANCE, LEAST = 2e-3, 1e-6

Values = Mapping[str, float | str]


def read() -> dict[str, dict]:
    """Return case -> `versions` of the parts that it uses, and `values`."""
    return json.loads(FILE.read_text()) if FILE.is_file() else {}


def write(cases: Mapping[str, dict]) -> None:
    """Write the cases, in the order of their names."""
    FILE.write_text(json.dumps(cases, indent=1, sort_keys=True) + "\n")


def differences(was: Values, now: Values) -> list[str]:
    """Return what differs beyond rounding, a line for each value: "name: was A, is B"."""
    return [
        f"{name}: was {was.get(name)}, is {now.get(name)}"
        for name in dict.fromkeys([*was, *now])
        if not _alike(name, was.get(name), now.get(name))
    ]


def _alike(name: str, was: float | str | None, now: float | str | None) -> bool:
    if isinstance(was, str) or isinstance(now, str) or was is None or now is None:
        return was == now
    within = next((tolerance for word, tolerance in TOLERANCES.items() if word in name), TOLERANCE)
    return math.isclose(was, now, rel_tol=within, abs_tol=LEAST)


def complaint(case: str, used: Mapping[str, int], values: Values, known: dict | None) -> str | None:
    """Say what is wrong with a case; None where it does what is recorded.

    Args:
        case: its name.
        used: parts -> version of today.
        values: what it does now.
        known: what `read` has of it.
    """
    if known is None:
        return f"nothing is recorded of case {case!r}: {COMMAND}"
    raised = versions.moved(known["versions"], used)
    if raised:
        told = ", ".join(f"{part} {was} -> {now}" for part, (was, now) in raised.items())
        return f"case {case!r} is recorded for other versions ({told}). Record its values: {COMMAND}"
    if not (moved := differences(known["values"], values)):
        return None
    lines = "\n  ".join(moved[:12] + [f"and {len(moved) - 12} more"] * (len(moved) > 12))
    return (
        f"the behaviour of {', '.join(used)} moved, or of one of them (case {case!r}):\n  {lines}\n"
        f"If this is meant, raise the version of the part that moved in {VERSIONS_FILE}: all stages that use it "
        f"then train anew. Then record the new values: {COMMAND}\nIf it is not meant, mend the code."
    )


def record(found: Mapping[str, tuple[Mapping[str, int], Values]], names: Collection[str]) -> list[str]:
    """Record what cases do now; return why some were not, for their version stays what it was.

    Args:
        found: case -> parts with versions, and values.
        names: of all cases that there are; what is recorded of others goes.
    """
    kept = {name: case for name, case in read().items() if name in names}
    refused = []
    for case, (used, values) in found.items():
        before = kept.get(case)
        if before is None or versions.moved(before["versions"], used):
            kept[case] = {"versions": dict(used), "values": dict(values)}
        # within rounding it stays as it is: another processor changes no line of the file
        elif (why := complaint(case, used, values, before)) is not None:
            refused.append(why)
    write(kept)
    return refused

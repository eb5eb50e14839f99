"""Record the golden values of parts whose version was raised, and of new cases: minutes on two cores.

Run as: python -m tests.components.train.golden [CASE…]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

# before torch is imported
os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def main() -> int:
    """Run the cases, record, and say what was refused; return the exit code."""
    import torch

    from components.train import versions
    from tests.components.train.golden import cases, fixed, footage, recorded, runs

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [*fixed.FIXED, *(f"stage {case}" for case in cases.CASES)]
    parser.add_argument("cases", nargs="*", metavar="CASE", help="only these, by their names in values.json")
    chosen = parser.parse_args().cases or names
    if unknown := sorted({*chosen} - {*names}):
        parser.error(f"{unknown} came, allowed are {names}")
    torch.set_num_threads(1)
    refused = []
    with tempfile.TemporaryDirectory() as name:
        folder = footage.write(Path(name))
        starts = runs.make_starts(folder)
        for case in chosen:
            if case in fixed.FIXED:
                did = {case: max(versions.VERSIONS[case])}, fixed.FIXED[case](folder, starts)
            else:
                did = runs.run(case.removeprefix("stage "), folder, starts)
            refused += recorded.record({case: did}, names)
            sys.stderr.write(f"{case}: {len(did[1])} values\n")
    sys.stdout.write("".join(f"{why}\n\n" for why in refused))
    sys.stdout.write(f"{recorded.FILE}: {len(chosen) - len(refused)} of {len(chosen)} cases stand\n")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())

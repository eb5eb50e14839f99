"""Print every bad input with the step that meets it and what it made of it.

Run as: python -m tests.components.data.bad_input
"""

import logging
import tempfile
from pathlib import Path

from tests.components.data.bad_input.running import CASES, good, run
from tests.conftest import film, tiny_world_of


def main() -> None:
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        film(root / "world")
        of = good(tiny_world_of(root / "world"), root / "good")
        for number, case in enumerate(CASES):
            outcome = str(run(case, of, root / f"{number}")).replace(f"{root / str(number)}/", "")
            print(f"| {case.name} | {case.steps[-1]} | {outcome[:240]} |")


if __name__ == "__main__":
    main()

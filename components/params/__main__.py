"""Stage `parameters`: judge params/data.yaml before DVC removes an output of the stages that read it.

Run as: python -m components.params params/data.yaml data/parameters.txt
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components import params

SAID = "params/data.yaml has no mistakes\n"  # always the same: the stages behind this one do not run because of it


def main() -> None:
    """Judge the file, and say so in another that the next stages wait for; exit code 1 with every mistake in words."""
    parser = argparse.ArgumentParser(prog="python -m components.params", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="params/data.yaml")
    parser.add_argument("said", type=Path, help="file that says it")
    given = parser.parse_args()
    try:
        params.load(given.file, params.Data)
    except ValueError as error:
        # for people: the message says where to mend it, a traceback would bury it
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    given.said.parent.mkdir(exist_ok=True)
    given.said.write_text(SAID)


if __name__ == "__main__":
    main()

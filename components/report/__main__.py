"""Write the page of the training corpus: data/statistics/index.html and statistics.json beside it.

Run as: python -m components.report --params params/data.yaml (a DVC stage; the report of a pipeline run is a flow's)
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from components import params

log = logging.getLogger(__name__)


def main() -> None:
    """Read the parameters and write the page of data/ below the working directory."""
    parser = argparse.ArgumentParser(prog="python -m components.report", description=__doc__.splitlines()[0])
    parser.add_argument("--params", type=Path, required=True, help="params/data.yaml")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    from components.data.statistics import corpus as statistics
    from components.records.step_guard import guarded
    from components.report import corpus, funnel, mixture

    try:
        settings, data_dir = params.load(arguments.params, params.Data), Path("data")
        with guarded("statistics", Path.cwd()):
            found = statistics.read(settings, data_dir)
            found |= {"egoit": mixture.read(data_dir), "funnel": funnel.read(settings, data_dir)}
            page = corpus.build(found, data_dir / "statistics")
    except ValueError as error:
        # for people: the message says where to mend it, a traceback would bury it
        log.error("%s", error)
        sys.exit(1)
    agrees = [row["agrees"] for row in statistics.comparison(found)]
    log.info("%d of %d published figures are met; %s", agrees.count(True), len(agrees), page)


if __name__ == "__main__":
    main()

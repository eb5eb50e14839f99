"""What Egoflow does: plain functions over data, models and runs; `flows` says when they run.

The one thing done at import, because libraries read it when they are imported: none of them reports to its makers.
What is set outside stands.
"""

import os

SWITCHES = {
    "DO_NOT_TRACK": "true",  # this very word: MLflow takes no other
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "DAFT_ANALYTICS_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
for _name, _value in SWITCHES.items():
    os.environ.setdefault(_name, _value)

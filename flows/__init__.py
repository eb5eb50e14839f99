"""When things run: Prefect flows over DVC stages and training stages. Read pipeline.py first.

The one thing done at import, because Prefect reads its environment when it is first imported: no telemetry, and time
for the server inside `python -m flows.pipeline` to start on a busy machine. What is set outside stands.
"""

import os

for _name, _value in {
    "DO_NOT_TRACK": "true",  # this very word: mlflow takes no other
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "DVC_NO_ANALYTICS": "1",
    "DAFT_ANALYTICS_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}.items():
    os.environ.setdefault(_name, _value)

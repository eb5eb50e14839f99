"""When things run: Prefect flows over DVC stages and training stages. Read pipeline.py first.

The one thing done at import, because Prefect reads its environment when it is first imported: neither it nor DVC
reports to its makers (`components` says the same to the other libraries), and the server inside `python -m
flows.pipeline` has time to start on a busy machine. What is set outside stands.
"""

import os

import components as components  # the switches of the other libraries, also for the processes that flows start

for _name, _value in {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "DVC_NO_ANALYTICS": "1",
}.items():
    os.environ.setdefault(_name, _value)

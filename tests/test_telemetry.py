"""No library reports to its makers: the switches stand once, are set before any import, and can be overruled."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OF_COMPONENTS = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "DAFT_ANALYTICS_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
OF_FLOWS = OF_COMPONENTS | {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "DVC_NO_ANALYTICS": "1",
}


def after_import(module: str, **outside: str) -> dict[str, str]:
    """Give the environment of a process that has none of the switches from outside but those named."""
    env = {name: value for name, value in os.environ.items() if name not in OF_FLOWS} | outside
    code = f"import json, os, {module}; print(json.dumps(dict(os.environ)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(("module", "switches"), [("components.params", OF_COMPONENTS), ("flows", OF_FLOWS)])
def test_an_import_sets_the_switches_that_are_not_set_outside(module: str, switches: dict[str, str]):
    env = after_import(module)
    assert {name: env.get(name) for name in switches} == switches
    assert after_import(module, DAFT_ANALYTICS_ENABLED="1")["DAFT_ANALYTICS_ENABLED"] == "1"


@pytest.mark.parametrize("name", OF_FLOWS)
def test_a_switch_stands_once_in_the_code(name: str):
    files = [path for folder in ("components", "flows") for path in (ROOT / folder).rglob("*.py")]
    users = [str(path.relative_to(ROOT)) for path in (*files, ROOT / "Makefile") if name in path.read_text()]
    assert users == ["components/__init__.py" if name in OF_COMPONENTS else "flows/__init__.py"]


def test_servers_and_workers_get_the_same_switches():
    lines = (ROOT / "infra/env.example").read_text().splitlines()
    assert {f"{name}={value}" for name, value in OF_FLOWS.items()} <= set(lines)

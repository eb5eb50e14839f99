"""Runs that a schedule started while no worker was there: the first one to run does the work of all."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.runtime import flow_run
from prefect.states import Cancelled


def collapse() -> int:
    """Cancel the runs of this run's deployment that the schedule started for a time that is past, and count them.

    A limit on the deployment does nothing here: the work pool's own limit lets one run start after another, and each
    finds the deployment free.
    """
    if flow_run.id is None:
        return 0
    with get_client(sync_client=True) as client:
        return collapse_into(client, UUID(flow_run.id))


def collapse_into(client: SyncPrefectClient, run_id: UUID) -> int:
    """Cancel what waits behind a run: scheduled runs of its deployment with its parameters, whose time has come.

    Args:
        client: of the Prefect server.
        run_id: the flow run that goes on.

    Returns:
        How many runs were cancelled; none of a run that has no deployment.
    """
    mine = client.read_flow_run(run_id)
    if mine.deployment_id is None:
        return 0
    due = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[mine.deployment_id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
    )
    cancelled = 0
    for other in client.read_flow_runs(flow_run_filter=due):
        if other.id != mine.id and other.auto_scheduled and other.parameters == mine.parameters:
            message = f"Missed: run {mine.name} began later than this was due, and does the same."
            client.set_flow_run_state(other.id, Cancelled(message=message))
            cancelled += 1
    return cancelled

"""The only door to MLflow; nothing else imports it.

`runs` opens and reads runs, `metric_log` sends the curves of a training process, `registry` keeps model versions,
`data_profiles` what a dataset was like.
"""

from components.tracking.address import runs_url
from components.tracking.data_profiles import fetch_profile, has_profile, keep_profile
from components.tracking.metric_log import MetricLog, send_finished, send_rest
from components.tracking.registry import Champion, champion, record_decision, register, versions_of
from components.tracking.runs import (
    RunInfo,
    describe,
    end_open,
    evaluation,
    finish,
    finished_stage,
    last_pipeline_run,
    last_pipeline_tags,
    link_reused,
    log_artifacts,
    log_dataset,
    log_evaluation,
    log_params,
    open_benchmark_run,
    open_pipeline_run,
    open_stage_run,
    set_tags,
)
from components.tracking.store import tracking_uri
from components.tracking.system_metrics import system_metrics

__all__ = [
    "Champion",
    "MetricLog",
    "RunInfo",
    "champion",
    "describe",
    "end_open",
    "evaluation",
    "fetch_profile",
    "finish",
    "finished_stage",
    "has_profile",
    "keep_profile",
    "last_pipeline_run",
    "last_pipeline_tags",
    "link_reused",
    "log_artifacts",
    "log_dataset",
    "log_evaluation",
    "log_params",
    "open_benchmark_run",
    "open_pipeline_run",
    "open_stage_run",
    "record_decision",
    "register",
    "runs_url",
    "send_finished",
    "send_rest",
    "set_tags",
    "system_metrics",
    "tracking_uri",
    "versions_of",
]

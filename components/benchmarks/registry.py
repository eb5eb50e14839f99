"""All benchmarks by name."""

from __future__ import annotations

from components.benchmarks import (
    adl_x,
    charades_ego,
    ego_in_exo,
    egoexo_con,
    egoexo_fitness,
    egoexobench,
    egoexolearn,
    egoexomem,
    egomcq,
    egoplan,
    egoschema,
    egotaskqa,
    egotempo,
    epic100_mir,
    hd_epic,
    mvbench,
    pope,
    qaego4d,
    video_consistency,
    visor,
    vlnqa,
)
from components.benchmarks.shared.sample import Benchmark

BENCHMARKS: dict[str, Benchmark] = {
    "egoschema": egoschema.BENCHMARK,
    "qaego4d": qaego4d.BENCHMARK,
    "qaego4d_closed": qaego4d.BENCHMARK_CLOSED,
    "egotaskqa": egotaskqa.BENCHMARK,
    "charades_ego": charades_ego.BENCHMARK,
    "epic100_mir": epic100_mir.BENCHMARK,
    "vlnqa": vlnqa.BENCHMARK,
    "egoplan": egoplan.BENCHMARK,
    "egoplan_2": egoplan.BENCHMARK_2,
    "egomcq": egomcq.BENCHMARK,
    "egoexobench": egoexobench.BENCHMARK,
    "visor": visor.BENCHMARK,
    "egoexolearn": egoexolearn.BENCHMARK,
    "pope": pope.BENCHMARK,
    "pope_2": pope.BENCHMARK_2,
    "mvbench": mvbench.BENCHMARK,
    "egoexomem": egoexomem.BENCHMARK,
    "egoexomem_lemma": egoexomem.BENCHMARK_LEMMA,
    "egotempo": egotempo.BENCHMARK,
    "hd_epic": hd_epic.BENCHMARK,
    "egoexo_fitness": egoexo_fitness.BENCHMARK,
    "ego_in_exo": ego_in_exo.BENCHMARK,
    "ego_in_exo_ego": ego_in_exo.BENCHMARK_EGO,
    "adl_x": adl_x.BENCHMARK,
    "adl_x_descriptions": adl_x.BENCHMARK_DESCRIPTIONS,
    "egoexo_con_verify": egoexo_con.BENCHMARK_VERIFY,
    "egoexo_con_ground": egoexo_con.BENCHMARK_GROUND,
    "video_consistency_verify": video_consistency.BENCHMARK_VERIFY,
    "video_consistency_ground": video_consistency.BENCHMARK_GROUND,
}


ALL = "all"


def chosen(names: str) -> dict[str, Benchmark]:
    """Return some benchmarks.

    Args:
        names: joined by commas, or "all".

    Raises:
        ValueError: one is unknown.
    """
    wanted = list(BENCHMARKS) if names == ALL else names.split(",")
    if unknown := sorted(set(wanted) - set(BENCHMARKS)):
        raise ValueError(f"benchmarks {unknown} came, allowed are {sorted(BENCHMARKS)}, or `all`")
    return {name: BENCHMARKS[name] for name in wanted}

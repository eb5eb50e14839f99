"""The one door to Great Expectations: judge the contracts of a step's tables and show all verdicts in one site."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pyarrow as pa

from components.data.contracts.rules import Contract
from components.data.contracts.tables import LEAVES, contracts, schema

_EXAMPLES = 5

log = logging.getLogger(__name__)


def check(step: str, tables: dict[str, pa.Table], *, docs_dir: Path) -> Path:
    """Judge every table that leaves a step and rebuild the Data Docs.

    Args:
        step: a step that leaves tables (contracts/tables.py).
        tables: "step/table" -> table: those of the step and those its ids point into (contracts/tables.py).
        docs_dir: folder of the file context that all steps share.

    Returns:
        The index page of the Data Docs.

    Raises:
        ValueError: an expectation failed; names each with its table, count and examples, and the page to look at.
    """
    own = {name: tables[f"{step}/{name}"] for name in LEAVES[step]}
    # the other contracts read columns by name, so a wrong schema must be told first
    context = _context(docs_dir, step)
    failed = _judge(context, step, {"schema": schema(own)})
    if not failed:
        failed = _judge(context, step, contracts(step, tables))
    context.build_data_docs()
    index = docs_dir / "uncommitted/data_docs/local_site/index.html"
    if failed:
        raise ValueError(
            f"step {step!r}: {len(failed)} expectations failed\n" + "\n".join(failed) + f"\nAll verdicts: {index}\n"
            f"The rules are in components/data/contracts; mend what wrote data/{step} and run `dvc repro` again."
        )
    return index


def _context(docs_dir: Path, step: str):
    """Open the shared file context without the step's earlier verdicts, which would pile up in the Data Docs."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    # before the import, which already writes some eighty lines of its own insides
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations as gx

    for folder in ("validations", "data_docs/local_site/validations", "data_docs/local_site/expectations"):
        shutil.rmtree(docs_dir / "uncommitted" / folder / step, ignore_errors=True)
    shutil.rmtree(docs_dir / "expectations" / step, ignore_errors=True)
    context = gx.get_context(mode="file", context_root_dir=docs_dir)
    context.variables.progress_bars = {"globally": False}
    return context


def _judge(context, step: str, judged: dict[str, Contract]) -> list[str]:
    """Run one suite for each contract; give a line for each expectation that failed."""
    import great_expectations as gx

    source = context.data_sources.add_or_update_pandas(f"{step}-{next(iter(judged))}")
    failed = []
    for name, contract in judged.items():
        label = f"{step}.{name}"
        expectations = [getattr(gx.expectations, kind)(**given) for kind, given in contract.rules]
        suite = context.suites.add_or_update(gx.ExpectationSuite(name=label, expectations=expectations))
        batch = source.add_dataframe_asset(label).add_batch_definition_whole_dataframe("all")
        definition = gx.ValidationDefinition(name=label, data=batch, suite=suite)
        checkpoint = gx.Checkpoint(
            name=label,
            validation_definitions=[context.validation_definitions.add_or_update(definition)],
            result_format={
                "result_format": "SUMMARY",
                "partial_unexpected_count": _EXAMPLES,
                "unexpected_index_column_names": [contract.key],
            },
        )
        verdict = context.checkpoints.add_or_update(checkpoint).run(batch_parameters={"dataframe": contract.frame})
        for suite_verdict in verdict.run_results.values():
            failed += [_line(label, result) for result in suite_verdict.results if not result.success]
        log.info("%s: %d rows, %d expectations", label, len(contract.frame), len(expectations))
    return failed


def _line(label: str, result) -> str:
    """Say what failed, where, how often and on which rows."""
    kwargs = result.expectation_config.kwargs
    column = kwargs.get("column") or f"{kwargs.get('column_A')}, {kwargs.get('column_B')}"
    allowed = {key: value for key, value in kwargs.items() if key not in ("column", "column_A", "column_B", "batch_id")}
    if result.exception_info and result.exception_info.get("raised_exception"):
        return f"  {label}: {result.expectation_config.type}({column}) could not be judged: {result.exception_info}"
    count, rows = result.result.get("unexpected_count"), result.result.get("element_count")
    examples = result.result.get("partial_unexpected_index_list") or result.result.get("partial_unexpected_list")
    return (
        f"  {label}: {result.expectation_config.type}({column}) failed on {count} of {rows} rows; "
        f"allowed {allowed or 'see the name'}; for example {examples[:_EXAMPLES] if examples else examples}"
    )

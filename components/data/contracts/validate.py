"""The one door to Great Expectations: check the contracts of a step's tables and show all results in one site."""

from __future__ import annotations

import importlib
import json
import logging
import shutil
from pathlib import Path

import pyarrow as pa
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from components.data.contracts import offline_docs, values
from components.data.contracts.large_tables import across_tables, in_batches, lookup, without_rows
from components.data.contracts.rules import Contract
from components.data.contracts.tables import CORPORA, OUTPUTS, contracts, may_repeat, schema

_EXAMPLES = 5

log = logging.getLogger(__name__)


def check(step: str, tables: dict[str, pa.Table | Path], *, docs_dir: Path) -> Path:
    """Check every table of a step and rebuild the Data Docs.

    Args:
        step: a key of OUTPUTS (contracts/tables.py).
        tables: the tables of the step and those that their ids refer to, as `large_tables.load` returns them.
        docs_dir: folder of the file context that all steps share.

    Returns:
        The index page of the Data Docs.

    Raises:
        ValueError: an expectation failed; the message names each with its table, count and examples, and
            the page to look at. Or a file in `docs_dir` is damaged; the message names it.
    """
    own = {name: tables[f"{step}/{name}"] for name in OUTPUTS[step]}
    # the other contracts read columns by name and trust their values, so these are looked at first
    context = _context(docs_dir, step)
    # each of the three calls writes the whole configuration, so one batch serves all tables of the step
    batch = context.data_sources.add_or_update_pandas(step).add_dataframe_asset(step)
    batch = batch.add_batch_definition_whole_dataframe("all")
    large = {name: table for name, table in own.items() if name in CORPORA or isinstance(table, Path)}
    flat = own | {name: without_rows(table) for name, table in large.items()}
    failed = _failures(context, batch, step, {"schema": schema(flat)})
    if not failed:
        in_memory = {name: table for name, table in own.items() if name not in large and isinstance(table, pa.Table)}
        failed = _failures(context, batch, step, {"values": values.contract(in_memory)})
    if not failed:
        failed = _failures(context, batch, step, contracts(step, tables) | across_tables(step, tables))
        known = lookup(step, tables) if large else None
        for name, table in large.items():
            for contract_name, rows, contract in in_batches(name, table, known, repeats=may_repeat(step, name)):
                wrong = _failures(context, batch, step, {contract_name: contract}, rows=rows)
                failed += wrong
                if wrong:
                    break  # hours of the same fault would show nothing more
    # the pages of the other steps are there already
    keys = [*context.stores["expectations_store"].list_keys(), *context.validation_results_store.list_keys()]
    context.build_data_docs(resource_identifiers=[key for key in keys if key.to_tuple()[0] == step])
    index = docs_dir / "uncommitted/data_docs/local_site/index.html"
    offline_docs.write(index.parent, step)
    if failed:
        raise ValueError(
            f"step {step!r}: {len(failed)} expectations failed\n" + "\n".join(failed) + f"\nAll results: {index}\n"
            f"The rules are in components/data/contracts; mend what wrote data/{step} and run `dvc repro` again."
        )
    return index


def load() -> None:
    """Load Great Expectations, which takes seconds, without the some eighty lines that it would log."""
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    importlib.import_module("great_expectations")


def _context(docs_dir: Path, step: str):
    """Open the shared file context without the step's earlier results, which would pile up in the Data Docs."""
    load()
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    for folder in ("validations", "data_docs/local_site/validations", "data_docs/local_site/expectations"):
        shutil.rmtree(docs_dir / "uncommitted" / folder / step, ignore_errors=True)
    shutil.rmtree(docs_dir / "expectations" / step, ignore_errors=True)
    for path in sorted([*docs_dir.rglob("*.json"), *docs_dir.rglob("*.yml")]):
        _check_readable(path, docs_dir)
    try:
        context = gx.get_context(mode="file", context_root_dir=docs_dir)
    # pydantic's errors, which some of its parts raise, are ValueErrors
    except (gx.exceptions.GreatExpectationsError, ValueError) as error:
        raise _damaged(docs_dir / gx.data_context.FileDataContext.GX_YML, docs_dir, str(error)) from error
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _check_readable(path: Path, docs_dir: Path) -> None:
    """Raise ValueError where a file of the context is cut: Great Expectations would not say which one it is."""
    try:
        held = json.loads(path.read_text()) if path.suffix == ".json" else YAML(typ="safe").load(path)
    except (ValueError, YAMLError) as error:
        raise _damaged(path, docs_dir, str(error)) from error
    if not isinstance(held, dict):
        raise _damaged(path, docs_dir, f"it holds {held!r}, written was a mapping")


def _damaged(path: Path, docs_dir: Path, why: str) -> ValueError:
    return ValueError(
        f"{path}, a file of Great Expectations, is damaged: {' '.join(why.split())}\n"
        f"Nothing is read from it but the pages of Data Docs, so remove it, or the whole of {docs_dir}, and run the "
        "step again; what it showed of other steps comes back when they run again."
    )


def _failures(context, batch, step: str, named: dict[str, Contract], *, rows: str = "") -> list[str]:
    """Run one suite for each contract; return a line for each expectation that failed, with `rows` behind its name."""
    import great_expectations as gx

    failed = []
    for name, contract in named.items():
        label = f"{step}.{name}"
        expectations = [getattr(gx.expectations, kind)(**given) for kind, given in contract.rules]
        suite = context.suites.add_or_update(gx.ExpectationSuite(name=label, expectations=expectations))
        definition = gx.ValidationDefinition(name=label, data=batch, suite=suite)
        result = context.validation_definitions.add_or_update(definition).run(
            batch_parameters={"dataframe": contract.frame},
            result_format={
                "result_format": "SUMMARY",
                "partial_unexpected_count": _EXAMPLES,
                "unexpected_index_column_names": [contract.key],
            },
        )
        failed += [_line(label + rows, expectation) for expectation in result.results if not expectation.success]
        log.info("%s%s: %d rows, %d expectations", label, rows, len(contract.frame), len(expectations))
    return failed


def _line(label: str, result) -> str:
    """Return a line that says which expectation failed, where, how often and on which rows."""
    kwargs = result.expectation_config.kwargs
    column = kwargs.get("column") or f"{kwargs.get('column_A')}, {kwargs.get('column_B')}"
    allowed = {key: value for key, value in kwargs.items() if key not in ("column", "column_A", "column_B", "batch_id")}
    if result.exception_info and result.exception_info.get("raised_exception"):
        return f"  {label}: {result.expectation_config.type}({column}) could not be checked: {result.exception_info}"
    count, rows = result.result.get("unexpected_count"), result.result.get("element_count")
    examples = result.result.get("partial_unexpected_index_list") or result.result.get("partial_unexpected_list")
    return (
        f"  {label}: {result.expectation_config.type}({column}) failed on {count} of {rows} rows; "
        f"allowed {allowed or 'see the name'}; for example {examples[:_EXAMPLES] if examples else examples}"
    )

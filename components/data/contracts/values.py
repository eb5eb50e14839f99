"""The contract of the values: what must be there is there, and every number is finite.

It holds before any other is looked at: Great Expectations passes a null in a set, in limits and in a comparison of two
columns, and an infinity in limits that are open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components import records
from components.data.contracts import quality
from components.data.contracts.rules import Contract, among

NULLABLE = {**records.NULLABLE, "types": quality.NULLABLE}


def contract(tables: Mapping[str, pa.Table]) -> Contract:
    """Return the contract: a row for each column of the tables and each member of a nested one ("target.span.end_s").

    Args:
        tables: name -> its rows, with their right schemas; the first column is their id.
    """
    rows = []
    for name, table in tables.items():
        ids = table[0].combine_chunks()
        for column in table.schema.names:
            for path, missing, not_finite in _faults(
                table[column].combine_chunks(), ids, column, NULLABLE.get(name, frozenset())
            ):
                example = next((each.as_py() for bad in (missing, not_finite) for each in bad), None)
                where = "" if example is None else f" of {example}"
                rows.append((f"{name}.{path}{where}", len(missing), len(not_finite)))
    frame = pd.DataFrame(rows, columns=["column", "missing", "not_finite"])
    return Contract(frame, "column", among(missing=[0], not_finite=[0]))


def holds(made: Contract) -> bool:
    """Return whether the contract that `contract` returned holds: the others may be looked at."""
    return not made.frame[["missing", "not_finite"]].any(axis=None)


def _faults(
    values: pa.Array, ids: pa.Array, path: str, nullable: frozenset[str]
) -> Iterator[tuple[str, pa.Array, pa.Array]]:
    """Yield a column or member, the ids of the rows where it is missing, and of those where it is no finite number.

    Args:
        values: of the column or member.
        ids: of the row that each of them belongs to.
        path: its name, with those of the columns that it is a member of before it.
        nullable: names of those that may be null.
    """
    missing = ids[:0] if path in nullable else ids.filter(values.is_null())
    ids, values = ids.filter(values.is_valid()), values.drop_null()
    is_number = pa.types.is_floating(values.type)
    yield path, missing, ids.filter(pc.invert(pc.is_finite(values))) if is_number else ids[:0]
    if pa.types.is_struct(values.type):
        for field in values.type:
            yield from _faults(pc.struct_field(values, field.name), ids, f"{path}.{field.name}", nullable)
    elif pa.types.is_list(values.type) or pa.types.is_fixed_size_list(values.type):
        of_items = ids.take(pc.list_parent_indices(values))
        yield from _faults(pc.list_flatten(values), of_items, f"{path}.item", nullable)

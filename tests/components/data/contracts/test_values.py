"""Every column of every table of every step, spoiled one cell at a time: the step's own contract names it."""

from collections.abc import Iterator
from math import inf, nan

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data.contracts import validate, values
from components.data.contracts.tables import OUTPUTS, REFERS_TO, SCHEMAS

TABLES = sorted({name for names in OUTPUTS.values() for name in names})
PLAIN = {pa.string(): "a", pa.int64(): 1, pa.float64(): 0.5, pa.bool_(): True}


def filled(kind: pa.DataType) -> object:
    """A value of a column with no null and no empty list anywhere in it."""
    if pa.types.is_struct(kind):
        return {field.name: filled(field.type) for field in kind}
    if pa.types.is_fixed_size_list(kind):
        return [filled(kind.value_type)] * kind.list_size
    return [filled(kind.value_type)] if pa.types.is_list(kind) else PLAIN[kind]


def spoiled(value: object, path: str) -> Iterator[tuple[str, object]]:
    """The name of a column and of every member of it, with the value in which that one alone is no good."""
    yield path, None
    if isinstance(value, float):
        yield from ((path, nan), (path, inf), (path, -inf))
    if isinstance(value, list):
        for name, bad in spoiled(value[0], f"{path}.item"):
            yield name, [bad, *value[1:]]
    if isinstance(value, dict):
        for member in value:
            for name, bad in spoiled(value[member], f"{path}.{member}"):
                yield name, value | {member: bad}


def cells(table: str) -> list[tuple[str, pa.Table]]:
    """The name of what is spoiled, and two rows of the table of which the second is spoiled there."""
    schema = SCHEMAS[table]
    sound = {field.name: filled(field.type) for field in schema}
    rows = [(name, sound | {column: bad}) for column in schema.names for name, bad in spoiled(sound[column], column)]
    nullable = values.NULLABLE.get(table, frozenset())
    return [
        (name, pa.Table.from_pylist([sound, row], schema))
        for name, row in rows
        # a null list or struct where one may be null has no members that could be missing
        if not (name in nullable and missing(row, name.split(".")))
    ]


def missing(row: dict, path: list[str]) -> bool:
    value = row[path[0]]
    return value is None or (len(path) > 1 and missing(value, path[1:]))


@pytest.mark.parametrize("table", TABLES)
def test_a_spoiled_cell_is_named_and_no_other(table):
    spoilt = cells(table)
    assert {name.split(".")[0] for name, _ in spoilt} | values.NULLABLE.get(table, set()) >= set(SCHEMAS[table].names)
    for name, rows in spoilt:
        made = values.contract({table: rows})
        bad = made.frame[(made.frame["missing"] > 0) | (made.frame["not_finite"] > 0)]
        assert bad["column"].str.split(" of ").str[0].tolist() == [f"{table}.{name}"], name
        assert not values.holds(made)


@pytest.mark.parametrize("table", TABLES)
def test_nulls_stand_where_they_may(table):
    schema = SCHEMAS[table]
    row = {field.name: filled(field.type) for field in schema}
    for path in values.NULLABLE.get(table, ()):
        column, *member = path.split(".")
        row[column] = row[column] | {member[0]: None} if member else None
    assert values.holds(values.contract({table: pa.Table.from_pylist([row], schema)}))


@pytest.mark.parametrize(("step", "table"), [(step, table) for step, names in OUTPUTS.items() for table in names])
def test_the_step_that_wrote_it_stops(step, table, tmp_path):
    """Each table of each step, with a column spoiled that another table of the step has sound."""
    name, bad = cells(table)[-1]
    tables = {f"{step}/{other}": pa.Table.from_pylist([], SCHEMAS[other]) for other in OUTPUTS[step]}
    for path in REFERS_TO[step]:
        tables.setdefault(path, pa.Table.from_pylist([], SCHEMAS[path.split("/")[1]]))
    with pytest.raises(ValueError, match=rf"{step}\.\w*values.*{table}\.{name} of") as error:
        validate.check(step, tables | {f"{step}/{table}": bad}, docs_dir=tmp_path / "gx")
    assert "1 expectations failed" in str(error.value)


def test_tables_of_the_miniature_hold(tiny_data):
    for step, names in OUTPUTS.items():
        written = {name: tiny_data / step / f"{name}.parquet" for name in names}
        found = {name: pq.read_table(path) for name, path in written.items() if path.is_file()}
        assert found.keys() == {*names} or step == "quality"  # which the tiny data is made without
        made = values.contract(found)
        assert values.holds(made), made.frame

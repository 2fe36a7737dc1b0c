"""New tables for files: everything that is wrong with one at once, and a record of all that is made with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from deriva_ml_kit.errors import Fault, Faults
from deriva_ml_kit.nearest import suggestion
from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.schema.described import SYSTEM

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Schema, Table

    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.ops.writes import Writes
    from deriva_ml_kit.tools.schema.definition import ColumnSpec

FILE_COLUMNS = ("URL", "Filename", "Description", "Length", "MD5")
LINKED = ("Asset_Type", "Execution")
NUMBERS: dict[str, type] = {
    **dict.fromkeys(("int2", "int4", "int8"), int),
    **dict.fromkeys(("float4", "float8"), float),
    "boolean": bool,
}
LONGEST_NAME = 63  # bytes, PostgreSQL's limit


def columns_of(table: Table) -> list[str]:
    """Names of a table's columns, without those that every table has."""
    return [column.name for column in table.columns if column.name not in SYSTEM]


def columns_of_new(wanted: Sequence[ColumnSpec]) -> list[str]:
    """Names of the columns that a new table would have."""
    return [*FILE_COLUMNS, *(each.name for each in wanted)]


@contextmanager
def default_schema(ml: DerivaML, name: str) -> Iterator[None]:
    """Where a project has several schemas of its own, let this one be the default: the links are made there."""
    before = ml.default_schema
    ml.default_schema = ml.model.domain_schema = before or name
    try:
        yield
    finally:
        ml.default_schema = ml.model.domain_schema = before


def refuse_other(ml: DerivaML, table: Table, wanted: Sequence[ColumnSpec]) -> None:
    """Make sure that a table that is there is the one that is asked for.

    Raises:
        ToolError: It is another.
    """
    there = {column.name: column.type.typename for column in table.columns}
    if not ml.model.is_asset(table):
        unlike = ["it holds no files"]
    else:
        unlike = [f"it has no column {each.name}" for each in wanted if each.name not in there]
        unlike += [
            f"{each.name} is of type {there[each.name]}, not {each.type}"
            for each in wanted
            if each.name in there and there[each.name] != each.type
        ]
    if unlike:
        raise ToolError(
            Code.CONFLICT,
            f"Schema {table.schema.name} has a table {table.name} already, and it is another: {'; '.join(unlike)}.",
            remedy="Give the new table another name, or ask for the one that is there.",
        )


def definitions(ml: DerivaML, place: Schema, name: str, wanted: Sequence[ColumnSpec]) -> list[Any]:
    """The columns of a new table, as main line takes them.

    Raises:
        Faults: Everything that is wrong with the table.
    """
    from deriva_ml_kit.mainline.asset.creating import COLUMN_TYPES, column, refuse_faulty  # noqa: PLC0415
    from deriva_ml_kit.mainline.errors import DerivaMLFaults  # noqa: PLC0415

    found = list(_faults(name, wanted, [*COLUMN_TYPES]))
    columns = [
        column(each.name, each.type, nullok=each.nullok, default=each.default, comment=each.comment)
        for each in wanted
        if each.type in COLUMN_TYPES
    ]
    try:
        refuse_faulty(ml.model, name, place.name, columns, [])
    except DerivaMLFaults as error:
        found += error.faults
    if found:
        raise Faults(found, message=f"The table {place.name}:{name} cannot be made. Nothing was written.")
    return columns


def makes(ml: DerivaML, place: Schema, name: str) -> list[str]:
    """The tables that are made, and the term if it is new."""
    tables = [f"{place.name}:{name}", *(f"{ml.domain_schema}:{name}_{other}" for other in LINKED)]
    return [*tables, *([] if _term(ml, name) else [f"term {name} of Asset_Type"])]


def make(ml: DerivaML, writes: Writes, place: Schema, name: str, *, columns: Sequence[Any], comment: str) -> None:
    """Make a table, and note all that is made with it, also where that was not all."""
    had_term = _term(ml, name)
    try:
        ml.create_asset_table(name, columns, comment, place.name)
    finally:
        for schema, table in ((place.name, name), *((ml.domain_schema, f"{name}_{other}") for other in LINKED)):
            if table in ml.model.schemas[schema].tables:
                writes.made("table", schema, table)
        if not had_term and (term := _term(ml, name)):
            writes.rows(ml.ml_schema, "Asset_Type", [term])


def _faults(name: str, wanted: Sequence[ColumnSpec], types: Sequence[str]) -> Iterator[Fault]:
    longest = LONGEST_NAME - len("_Asset_Type")
    if (length := len(name.encode())) > longest:
        yield Fault(f"is a name of {length} bytes, of at most {longest}", column="name", value=name)
    for each in wanted:
        if (length := len(each.name.encode())) > LONGEST_NAME:
            yield Fault(f"is a name of {length} bytes, of at most {LONGEST_NAME}", column="columns", value=each.name)
        if each.type not in types:
            yield Fault(f"there is no such type; {suggestion(each.type, types)}", column=each.name, value=each.type)
        elif not _fits(each.default, each.type):
            yield Fault(f"the default is no {each.type}", column=each.name, value=str(each.default))


def _fits(value: Any, kind: str) -> bool:
    """Whether a column can have this default; of texts and times the server judges."""
    if value is None or kind not in NUMBERS:
        return True
    try:
        TypeAdapter(NUMBERS[kind]).validate_python(value)
    except ValidationError:
        return False
    return True


def _term(ml: DerivaML, name: str) -> str | None:
    """RID of the type of the table's files, which has the table's name; None if there is none."""
    terms = {str(term.name): str(term.rid) for term in ml.list_vocabulary_terms("Asset_Type")}
    return terms.get(name)

"""PostgreSQL's errors as the service's own: one place, with the names that people see.

In: an error of psycopg and the model. Out: a `ServiceError` whose text keeps PostgreSQL's wording, for clients look for
`duplicate key value violates unique constraint` and `violates foreign key constraint` in it.
"""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg import errors as pg

from deriva_local.errors import BadRequest, Conflict, ServiceError, Unavailable
from deriva_local.model import ForeignKey, Key, Model, Table

# What the data or the expression asked for cannot be done.
_REFUSED = pg.CannotCoerce | pg.DatatypeMismatch | pg.UndefinedFunction | pg.ProgramLimitExceeded
_FIXED: tuple[tuple[Any, ServiceError], ...] = (
    (pg.SerializationFailure, Conflict("Another request is changing the same data; try again.")),
    (pg.DeadlockDetected, Conflict("Another request is changing the same data; try again.")),
    # deriva's paged downloads look for these words, and go on with smaller pages.
    (pg.QueryCanceled, BadRequest("Query run time limit exceeded; ask for less at once.")),
    (psycopg.OperationalError, Unavailable("PostgreSQL does not answer; is the local catalog being stopped?")),
)
_PHYSICAL_KEY = re.compile(r"^Key \(([^=]*)\)=")
_PHYSICAL_TABLE = re.compile(r'(?<=table ")t(\d+)(?="\.?$)')
_PHYSICAL_COLUMN = re.compile(r"\bc\d+\b")


def translate(error: psycopg.Error, model: Model | None) -> ServiceError | None:
    """The service's error for one of PostgreSQL; None if it is a fault of this program."""
    if isinstance(error, pg.UniqueViolation | pg.ForeignKeyViolation | pg.RestrictViolation):
        return Conflict(_constraint_text(error, model or Model()))
    if isinstance(error, pg.NotNullViolation):
        return Conflict(_not_null_text(error, model or Model()))
    if isinstance(error, pg.DataError | _REFUSED):
        return BadRequest(_primary(error))
    if isinstance(error, pg.SyntaxError) and "tsquery" in _primary(error):  # a value of ::ts::
        return BadRequest(_primary(error))
    for kind, answer in _FIXED:
        if isinstance(error, kind):
            return answer
    return None


def _primary(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error)


def _constraint_text(error: psycopg.Error, model: Model) -> str:
    """`duplicate key value violates unique constraint "S_T_key". Key (Name)=(x) already exists.`"""
    table = _table(error, model)
    physical = error.diag.constraint_name or ""
    primary = _primary(error).replace(f'"{physical}"', f'"{_constraint_name(table, physical)}"')
    for other in model.tables_by_id.values():
        primary = primary.replace(f'"{other.physical}"', f'"{other.name}"')
    return ". ".join(part for part in (primary, _detail(error, table, model)) if part)


def _detail(error: psycopg.Error, table: Table | None, model: Model) -> str:
    """`Key (Name)=(x) is not present in table "T".` with the names of the model; values stay as they are."""

    def column_name(physical: re.Match[str]) -> str:
        column = table.by_id.get(int(physical[0][1:])) if table else None
        return column.name if column else physical[0]

    def table_name(physical: re.Match[str]) -> str:
        other = model.tables_by_id.get(int(physical[1]))
        return other.name if other else physical[0]

    detail = error.diag.message_detail or ""
    if "still referenced" in detail:
        table = _referenced(error, model)
    key = _PHYSICAL_KEY.match(detail)
    if key:
        detail = f"Key ({_PHYSICAL_COLUMN.sub(column_name, key[1])})={detail[key.end() :]}"
    return _PHYSICAL_TABLE.sub(table_name, detail)


def _not_null_text(error: psycopg.Error, model: Model) -> str:
    table = _table(error, model)
    physical = error.diag.column_name or ""
    column = table.by_id.get(int(physical[1:])) if table and _PHYSICAL_COLUMN.fullmatch(physical) else None
    name = column.name if column else physical
    relation = table.name if table else error.diag.table_name
    return f'null value in column "{name}" of relation "{relation}" violates not-null constraint'


def _table(error: psycopg.Error, model: Model) -> Table | None:
    """The table that the error is about; for a foreign key, the referring one."""
    physical = error.diag.table_name or ""
    return model.tables_by_id.get(int(physical[1:])) if re.fullmatch(r"t\d+", physical) else None


def _referenced(error: psycopg.Error, model: Model) -> Table | None:
    """The table that a foreign key points to."""
    table = _table(error, model)
    fkeys = table.foreign_keys if table else ()
    return next((model.tables_by_id[f.to_table] for f in fkeys if f.physical == error.diag.constraint_name), None)


def _constraint_name(table: Table | None, physical: str) -> str:
    constraints: list[Key | ForeignKey] = [*table.keys, *table.foreign_keys] if table else []
    return next((constraint.name[1] for constraint in constraints if constraint.physical == physical), physical)

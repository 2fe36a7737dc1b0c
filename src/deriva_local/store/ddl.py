"""The SQL that carries the database from one model to the next.

In: two models. Out: statements in an order in which they can run. What a model drops is kept physically, without its
constraints, so that older snapshots keep answering: no statement here destroys data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from psycopg import sql

from deriva_local.model import Column, ForeignKey, Json, Key, Model, Table, types

Statement = sql.Composable
Constraint = TypeVar("Constraint", Key, ForeignKey)
_ACTIONS = {"NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"}
# What PostgreSQL itself fills in at an insert, by system column id.
_SYSTEM_DEFAULTS = {
    1: "meta.next_rid()",
    2: "meta.snaptime()",
    3: "meta.snaptime()",
    4: "meta.client()",
    5: "meta.client()",
}


def changes(old: Model, new: Model) -> list[Statement]:
    """The statements that make a database of model `old` one of model `new`."""
    before, after = old.tables_by_id, new.tables_by_id
    kept = [(before[table_id], table) for table_id, table in after.items() if before.get(table_id, table) is not table]
    dropped = [table for table_id, table in before.items() if table_id not in after]
    added = [table for table_id, table in after.items() if table_id not in before]
    return [
        *(drop_constraint(table, fkey) for table in dropped for fkey in table.foreign_keys),
        *(drop_constraint(table, fkey) for table, fkey in _gone(kept, _foreign_keys)),
        *(drop_constraint(table, key) for table, key in _gone(kept, _keys)),
        *(statement for table in added for statement in create_table(table)),
        *(statement for pair in kept for statement in _change_columns(*pair)),
        *(add_key(table, key) for table, key in _come(kept, _keys)),
        *(statement for table in added for statement in add_foreign_keys(table, table.foreign_keys)),
        *(statement for table, fkey in _come(kept, _foreign_keys) for statement in add_foreign_keys(table, [fkey])),
    ]


def live(table: Table) -> sql.Identifier:
    """The table of the live rows."""
    return sql.Identifier("data", table.physical)


def past(table: Table) -> sql.Identifier:
    """The table of the superseded rows."""
    return sql.Identifier("past", table.physical)


def create_table(table: Table) -> Iterator[Statement]:
    """Live and past table with keys and triggers; foreign keys come later."""
    columns = [_column(column, column.nullok) + _default_clause(column) for column in table.columns]
    bare = [_column(column, True) for column in table.columns]
    keys = [_key_clause(key) for key in table.keys]
    yield from (_sequence(column) for column in table.columns if types.is_serial(column.type))
    yield sql.SQL("CREATE TABLE {} (valid_from timestamptz NOT NULL DEFAULT meta.snaptime(), {})").format(
        live(table), sql.SQL(", ").join([*columns, *keys])
    )
    yield sql.SQL("CREATE TABLE {} (valid_until timestamptz NOT NULL, valid_from timestamptz NOT NULL, {})").format(
        past(table), sql.SQL(", ").join(bare)
    )
    yield sql.SQL("CREATE INDEX ON {} (c1)").format(past(table))
    yield from _triggers(table)


def _triggers(table: Table) -> Iterator[Statement]:
    """History triggers, and the one that fills templates."""
    for trigger in (
        "changing BEFORE UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION meta.before_update()",
        "inserted AFTER INSERT ON {} REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION meta.after_insert()",
        "updated AFTER UPDATE ON {} REFERENCING OLD TABLE AS old_rows EXECUTE FUNCTION meta.after_change()",
        "deleted AFTER DELETE ON {} REFERENCING OLD TABLE AS old_rows EXECUTE FUNCTION meta.after_change()",
    ):
        yield sql.SQL("CREATE TRIGGER " + trigger).format(live(table))
    yield from _fill_templates(table)


def _fill_templates(table: Table) -> Iterator[Statement]:
    templates = _templates(table)
    if templates:
        arguments = [sql.Literal(part) for pair in templates for part in pair]
        yield sql.SQL(
            "CREATE TRIGGER filling BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION meta.fill_templates({})"
        ).format(live(table), sql.SQL(", ").join(arguments))


def _templates(table: Table) -> list[tuple[str, str]]:
    """Physical column and template of each default that may hold `{RID}`."""
    return [
        (column.physical, str(column.default))
        for column in table.columns
        if column.type.typename in types.TEMPLATE_TYPES and column.default is not None
    ]


def _column(column: Column, nullok: bool) -> Statement:
    clause = sql.SQL("{} {}").format(sql.Identifier(column.physical), _type(column))
    return clause if nullok else clause + sql.SQL(" NOT NULL")


def _default_clause(column: Column) -> Statement:
    value = default(column)
    return sql.SQL("") if value is None else sql.SQL(" DEFAULT {}").format(value)


def _type(column: Column) -> sql.SQL:
    return sql.SQL(types.postgres(column.type))  # a constant of the types module


def _sequence(column: Column) -> Statement:
    return sql.SQL("CREATE SEQUENCE {} AS {}").format(sql.Identifier("data", f"s{column.id}"), _type(column))


def default(column: Column) -> Statement | None:
    """The SQL value that a row gets where none is given; None for null."""
    if column.is_system:
        return sql.SQL(_SYSTEM_DEFAULTS[column.id])
    if types.is_serial(column.type):
        return sql.SQL("nextval({})").format(sql.Literal(f"data.s{column.id}"))
    if column.default is None or column.type.typename in types.TEMPLATE_TYPES:
        return None
    return sql.SQL("{}::{}").format(literal(column), _type(column))


def literal(column: Column) -> Statement:
    """A column's default as a quoted literal that its type reads."""
    value = column.default
    if types.is_json(column.type):
        return sql.Literal(types.json_text(value))
    if isinstance(value, list):
        return sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(map(_item, value)))
    return sql.Literal(types.text(value))


def _item(value: Json) -> Statement:
    return sql.Literal(None if value is None else types.text(value))


def _set_default(table: Table, column: Column) -> Statement | None:
    value = default(column)
    if value is None:
        return None
    return sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT {}").format(
        live(table), sql.Identifier(column.physical), value
    )


def _change_columns(old: Table, new: Table) -> Iterator[Statement]:
    """Columns that came, went, or changed their nullness or default."""
    for column in new.columns:
        if column.id not in old.by_id:
            yield from _add_column(new, column)
    for column in old.columns:
        if column.id not in new.by_id:
            yield from _release_column(old, column)
        else:
            yield from _alter_column(new, column, new.by_id[column.id])
    if _templates(old) != _templates(new):
        yield sql.SQL("DROP TRIGGER IF EXISTS filling ON {}").format(live(new))
        yield from _fill_templates(new)


def _add_column(table: Table, column: Column) -> Iterator[Statement]:
    if types.is_serial(column.type):
        yield _sequence(column)
    bare = _column(column, True)
    yield sql.SQL("ALTER TABLE {} ADD COLUMN {}").format(past(table), bare)
    if column.cast_from is None:
        bare += _default_clause(column)
    yield sql.SQL("ALTER TABLE {} ADD COLUMN {}").format(live(table), bare)
    yield from _fill_column(table, column)
    if column.cast_from is not None and (statement := _set_default(table, column)):
        yield statement
    if not column.nullok:
        yield _nullness(table, column, "SET NOT NULL")


def _fill_column(table: Table, column: Column) -> Iterator[Statement]:
    """Values of a column that is new in an existing table: cast from another one, or made of a template.

    It is no change of the rows, so the triggers rest: RMT stays, and no past rows arise.
    """
    if column.cast_from is not None:
        value: Statement = sql.SQL("{}::{}").format(sql.Identifier(f"c{column.cast_from}"), _type(column))
    elif column.type.typename in types.TEMPLATE_TYPES and column.default is not None:
        value = sql.SQL("replace({}, '{{RID}}', c1)").format(sql.Literal(str(column.default)))
    else:
        return
    yield sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(live(table))
    yield sql.SQL("UPDATE {} SET {} = {}").format(live(table), sql.Identifier(column.physical), value)
    yield sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(live(table))


def _release_column(table: Table, column: Column) -> Iterator[Statement]:
    """A column that is no longer of the model: rows need not fill it any more."""
    if not column.nullok:
        yield _nullness(table, column, "DROP NOT NULL")
    if default(column) is not None:
        yield _nullness(table, column, "DROP DEFAULT")


def _alter_column(table: Table, old: Column, new: Column) -> Iterator[Statement]:
    if old.nullok != new.nullok:
        yield _nullness(table, new, "DROP NOT NULL" if new.nullok else "SET NOT NULL")
    if old.default != new.default:
        yield _set_default(table, new) or _nullness(table, new, "DROP DEFAULT")


def _nullness(table: Table, column: Column, change: str) -> Statement:
    return sql.SQL("ALTER TABLE {} ALTER COLUMN {} " + change).format(live(table), sql.Identifier(column.physical))


def _key_clause(key: Key) -> Statement:
    return sql.SQL("CONSTRAINT {} UNIQUE ({})").format(sql.Identifier(key.physical), _names(key.columns))


def add_key(table: Table, key: Key) -> Statement:
    """A uniqueness constraint on the live rows."""
    return sql.SQL("ALTER TABLE {} ADD {}").format(live(table), _key_clause(key))


def add_foreign_keys(table: Table, fkeys: Iterable[ForeignKey]) -> Iterator[Statement]:
    """References between live tables, each with an index for the way back."""
    for fkey in fkeys:
        assert {fkey.on_update, fkey.on_delete} <= _ACTIONS
        yield sql.SQL(
            f"ALTER TABLE {{}} ADD CONSTRAINT {{}} FOREIGN KEY ({{}}) REFERENCES {{}} ({{}})"
            f" ON UPDATE {fkey.on_update} ON DELETE {fkey.on_delete}"
        ).format(
            live(table),
            sql.Identifier(fkey.physical),
            _names(fkey.columns),
            sql.Identifier("data", f"t{fkey.to_table}"),
            _names(fkey.to_columns),
        )
        yield sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({})").format(
            sql.Identifier(f"i{fkey.id}"), live(table), _names(fkey.columns)
        )


def drop_constraint(table: Table, constraint: Key | ForeignKey) -> Statement:
    """A constraint that is no longer of the model; an index that served it may stay."""
    return sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(live(table), sql.Identifier(constraint.physical))


def _names(columns: Iterable[int]) -> Statement:
    return sql.SQL(", ").join(sql.Identifier(f"c{column}") for column in columns)


def _keys(table: Table) -> dict[int, Key]:
    return {key.id: key for key in table.keys}


def _foreign_keys(table: Table) -> dict[int, ForeignKey]:
    return {fkey.id: fkey for fkey in table.foreign_keys}


def _same(old: Key | ForeignKey, new: Key | ForeignKey) -> bool:
    """Whether PostgreSQL's constraint is the same, whatever name and comment people see."""
    if isinstance(old, ForeignKey) and isinstance(new, ForeignKey):
        return (old.on_update, old.on_delete) == (new.on_update, new.on_delete)
    return True


def _gone(
    pairs: list[tuple[Table, Table]], of: Callable[[Table], dict[int, Constraint]]
) -> Iterator[tuple[Table, Constraint]]:
    """The constraints that the second of each pair lacks or has otherwise."""
    for old, new in pairs:
        after = of(new)
        yield from ((old, c) for c in of(old).values() if c.id not in after or not _same(c, after[c.id]))


def _come(
    pairs: list[tuple[Table, Table]], of: Callable[[Table], dict[int, Constraint]]
) -> Iterator[tuple[Table, Constraint]]:
    """The constraints that the first of each pair lacks or has otherwise."""
    for old, new in pairs:
        before = of(old)
        yield from ((new, c) for c in of(new).values() if c.id not in before or not _same(c, before[c.id]))

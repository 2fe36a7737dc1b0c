"""How the catalog's pages show tables and columns: changed here first, and in the catalog by `apply_annotations`.

Sources: Chaise's documentation of annotations (display, visible-columns, visible-foreign-keys, table-display,
column-display).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deriva.core import tag
from deriva.core.ermrest_model import Column, Table
from deriva_ml.core.base import DerivaML as ReleasedDerivaML

from deriva_ml_kit.mainline.errors import DerivaMLDataError
from deriva_ml_kit.nearest import remedy

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

Annotation = dict[str, Any] | None
# A column's name, a foreign key as [schema, name], or a pseudo-column.
Entry = str | list[str] | dict[str, Any]
OF_TABLES = ("display", "visible_columns", "visible_foreign_keys", "table_display")
OF_COLUMNS = ("display", "column_display")


class AnnotationMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """How the catalog's pages show tables and columns."""

    def get_table_annotations(self: DerivaML, table: str | Table) -> dict[str, Any]:
        """`table`, `schema`, and what is set of those in OF_TABLES."""
        found = self.model.name_to_table(table)
        return {"table": found.name, "schema": found.schema.name} | _shown(found, OF_TABLES)

    def get_column_annotations(self: DerivaML, table: str | Table, column_name: str) -> dict[str, Any]:
        """`table`, `schema`, `column`, and what is set of those in OF_COLUMNS."""
        column = self._column(table, column_name)
        names = {"table": column.table.name, "schema": column.table.schema.name, "column": column.name}
        return names | _shown(column, OF_COLUMNS)

    def set_display_annotation(
        self: DerivaML, table: str | Table, annotation: Annotation, column_name: str | None = None
    ) -> str:
        """Set what a table, or a column, is called; None takes it away. Gives `Table` or `Table.Column`."""
        if column_name:
            return _set(self._column(table, column_name), tag.display, annotation)
        return _set(self.model.name_to_table(table), tag.display, annotation)

    def set_visible_columns(self: DerivaML, table: str | Table, annotation: Annotation) -> str:
        """Set which columns of a table are shown, by context; None takes it away. Gives the table's name."""
        return _set(self.model.name_to_table(table), tag.visible_columns, annotation)

    def set_visible_foreign_keys(self: DerivaML, table: str | Table, annotation: Annotation) -> str:
        """Set which related tables are shown with a row, by context; None takes it away. Gives the table's name."""
        return _set(self.model.name_to_table(table), tag.visible_foreign_keys, annotation)

    def set_table_display(self: DerivaML, table: str | Table, annotation: Annotation) -> str:
        """Set how rows of a table are named, sorted and paged; None takes it away. Gives the table's name."""
        return _set(self.model.name_to_table(table), tag.table_display, annotation)

    def set_column_display(self: DerivaML, table: str | Table, column_name: str, annotation: Annotation) -> str:
        """Set how the values of a column are shown, by context; None takes it away. Gives `Table.Column`."""
        return _set(self._column(table, column_name), tag.column_display, annotation)

    def add_visible_column(
        self: DerivaML, table: str | Table, context: str, column: Entry, position: int | None = None
    ) -> list[Any]:
        """Show a column in a context: at the end, or at a position counted from 0. Gives the context's columns."""
        return self._add(table, tag.visible_columns, context, column, position)

    def add_visible_foreign_key(
        self: DerivaML,
        table: str | Table,
        context: str,
        foreign_key: list[str] | dict[str, Any],
        position: int | None = None,
    ) -> list[Any]:
        """Show a related table in a context: at the end, or at a position counted from 0. Gives all of the context."""
        return self._add(table, tag.visible_foreign_keys, context, foreign_key, position)

    def remove_visible_column(self: DerivaML, table: str | Table, context: str, column: Entry | int) -> list[Any]:
        """Show a column, or the one at a position, no more in a context. Gives those that are left.

        Raises:
            DerivaMLDataError: The context does not show it.
        """
        return self._remove(table, tag.visible_columns, context, column)

    def remove_visible_foreign_key(
        self: DerivaML, table: str | Table, context: str, foreign_key: list[str] | int
    ) -> list[Any]:
        """Show a related table, or the one at a position, no more in a context. Gives those that are left.

        Raises:
            DerivaMLDataError: The context does not show it.
        """
        return self._remove(table, tag.visible_foreign_keys, context, foreign_key)

    def reorder_visible_columns(
        self: DerivaML, table: str | Table, context: str, new_order: list[int] | list[Entry]
    ) -> list[Any]:
        """Show these columns in a context, given as they are or as all positions in another order. Gives them.

        Raises:
            DerivaMLDataError: Those are not all positions.
        """
        return self._reorder(table, tag.visible_columns, context, new_order)

    def reorder_visible_foreign_keys(
        self: DerivaML, table: str | Table, context: str, new_order: list[int] | list[list[str] | dict[str, Any]]
    ) -> list[Any]:
        """Show these related tables in a context, given as they are or as all positions in another order. Gives them.

        Raises:
            DerivaMLDataError: Those are not all positions.
        """
        return self._reorder(table, tag.visible_foreign_keys, context, new_order)

    def apply_annotations(self: DerivaML) -> None:
        """Change the catalog as the model was changed here."""
        self.model.apply()

    def _add(
        self: DerivaML, table: str | Table, name: str, context: str, entry: Entry, position: int | None
    ) -> list[Any]:
        found = self.model.name_to_table(table)
        entries = _entries(found, name, context, missing=[])
        entries.insert(len(entries) if position is None else position, entry)
        return _keep(found, name, context, entries)

    def _remove(self: DerivaML, table: str | Table, name: str, context: str, entry: Entry | int) -> list[Any]:
        found = self.model.name_to_table(table)
        entries = _entries(found, name, context)
        places = [entry] if isinstance(entry, int) else [n for n, shown in enumerate(entries) if _is(shown, entry)]
        if not places or not 0 <= places[0] < len(entries):
            raise DerivaMLDataError(f"Context {context!r} of {found.name} does not show {entry!r}, but {entries}.")
        del entries[places[0]]
        return _keep(found, name, context, entries)

    def _reorder(self: DerivaML, table: str | Table, name: str, context: str, order: Sequence[Any]) -> list[Any]:
        found = self.model.name_to_table(table)
        entries = _entries(found, name, context)
        if not all(isinstance(entry, int) for entry in order):
            return _keep(found, name, context, list(order))
        if sorted(order) != list(range(len(entries))):
            raise DerivaMLDataError(
                f"Context {context!r} of {found.name} shows {entries}; {list(order)} are not all their positions."
            )
        return _keep(found, name, context, [entries[position] for position in order])

    def _column(self: DerivaML, table: str | Table, name: str) -> Column:
        found = self.model.name_to_table(table)
        if name not in found.columns.elements:
            raise DerivaMLDataError(
                f"{found.name} has no column {name!r}.", remedy=remedy(name, found.columns.elements)
            )
        return found.columns[name]


def _shown(element: Table | Column, names: Sequence[str]) -> dict[str, Any]:
    return {name: element.annotations.get(tag[name]) for name in names}


def _set(element: Table | Column, name: str, annotation: Annotation) -> str:
    if annotation is None:
        element.annotations.pop(name, None)
    else:
        element.annotations[name] = annotation
    return f"{element.table.name}.{element.name}" if isinstance(element, Column) else str(element.name)


def _entries(table: Table, name: str, context: str, missing: list[Any] | None = None) -> list[Any]:
    """A copy of what a context shows."""
    entries = (table.annotations.get(name) or {}).get(context, missing)
    if entries is None:
        raise DerivaMLDataError(f"{table.name} shows nothing of its own in context {context!r}.")
    if isinstance(entries, str):
        raise DerivaMLDataError(
            f"Context {context!r} of {table.name} is the same as {entries!r}.", remedy="Set it as a whole first."
        )
    return list(entries)


def _keep(table: Table, name: str, context: str, entries: list[Any]) -> list[Any]:
    table.annotations[name] = {**(table.annotations.get(name) or {}), context: entries}
    return entries


def _is(shown: Any, entry: Entry) -> bool:
    """Whether an entry is meant: by itself, or by the column that a pseudo-column shows."""
    return shown == entry or (isinstance(shown, dict) and shown.get("source") == entry)

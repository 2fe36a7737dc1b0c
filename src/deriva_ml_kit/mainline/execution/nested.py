"""Executions that are parts of others, such as the runs of a sweep: read level by level, whatever their number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import Row, insert, table_name
from deriva_ml_kit.mainline.catalog.single import has_column, needs, refuse_snapshot
from deriva_ml_kit.mainline.errors import DerivaMLExecutionError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

TABLE = "Execution_Execution"
PARENT, CHILD = "Execution", "Nested_Execution"


def children(ml: DerivaML, rid: str, *, recurse: bool = False) -> list[str]:
    """RIDs of the parts of an execution by Sequence, each followed by its own parts; never the execution itself."""
    return _reached(ml, rid, PARENT, CHILD, recurse=recurse)


def parents(ml: DerivaML, rid: str, *, recurse: bool = False) -> list[str]:
    """RIDs of the executions that an execution is a part of, each followed by its own parents."""
    return _reached(ml, rid, CHILD, PARENT, recurse=recurse)


def add(ml: DerivaML, parent: str, child: str, sequence: int | None = None) -> None:
    """Make an execution a part of another one; safe to repeat.

    Args:
        ml: The catalog.
        parent: RID of the whole.
        child: RID of the part.
        sequence: Place among the parts.

    Raises:
        DerivaMLExecutionError: It would be a part of itself.
        DerivaMLConfigurationError: This catalog has no nested executions.
    """
    refuse_snapshot(ml)
    needs(ml, TABLE)
    if parent == child or parent in children(ml, child, recurse=True):
        raise DerivaMLExecutionError(f"Execution {parent} is a part of {child}, so {child} cannot be a part of it.")
    row: Row = {PARENT: parent, CHILD: child, "Sequence": sequence}
    if not insert(ml.catalog, ml.ml_schema, TABLE, [row], skip_conflicts=True) and sequence is not None:
        path = f"/attributegroup/{table_name(ml.ml_schema, TABLE)}/{PARENT},{CHILD};Sequence"
        ml.catalog.put(path, json=[row])


def _reached(ml: DerivaML, rid: str, here: str, there: str, *, recurse: bool) -> list[str]:
    if not has_column(ml, TABLE):
        return []
    steps: dict[str, list[str]] = {}
    level = {rid}
    while level:
        rows = sorted(rows_with(ml.catalog, ml.ml_schema, TABLE, here, level), key=_place)
        steps |= {each: [row[there] for row in rows if row[here] == each] for each in level}
        level = {row[there] for row in rows} - steps.keys() if recurse else set()
    return list(_in_depth(rid, steps))


def _in_depth(start: str, steps: dict[str, list[str]]) -> Iterator[str]:
    seen = {start}
    waiting = steps[start][::-1]
    while waiting:
        if (here := waiting.pop()) not in seen:
            seen.add(here)
            yield here
            waiting += steps.get(here, [])[::-1]


def _place(row: Row) -> tuple[bool, int, str, str]:
    sequence = row["Sequence"]
    return sequence is None, sequence or 0, str(row["RCT"]), str(row["RID"])

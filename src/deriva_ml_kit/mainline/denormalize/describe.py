"""What a wide table would be, and what could be asked for; reported, never raised, so that a plan can be checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deriva.core.ermrest_model import Table

from deriva_ml_kit.mainline.catalog.paths import domain_schemas
from deriva_ml_kit.mainline.denormalize import plan as planning
from deriva_ml_kit.mainline.denormalize.plan import Plan, Request
from deriva_ml_kit.mainline.denormalize.source import Source
from deriva_ml_kit.mainline.errors import DerivaMLDenormalizeError, DerivaMLTableNotFound, DerivaMLValidationError

REFUSALS = (DerivaMLDenormalizeError, DerivaMLTableNotFound, DerivaMLValidationError)


def described(
    source: Source, include_tables: Sequence[str], row_per: str | None, via: Sequence[str] | None
) -> dict[str, Any]:
    """See `describe_denormalized`."""
    members = {name: len(rids) for name, rids in sorted(source.members().items())}
    answer: dict[str, Any] = {
        "row_per": None,
        "row_per_source": "explicit" if row_per else "auto-inferred",
        "row_per_candidates": [],
        "columns": [],
        "include_tables": list(include_tables),
        "via": list(via or []),
        "join_path": [],
        "transparent_intermediates": [],
        "ambiguities": [],
        "estimated_row_count": {"in_scope_row_per_rows": None, "orphan_rows": None, "total": None},
        "anchors": {"total": sum(members.values()), "by_type": members},
        "source": source.kind,
        "warnings": [],
    }
    try:
        request = planning.asked(source.model, include_tables, row_per, via)
        answer["include_tables"] = [table.name for table in request.include]
        answer["via"] = [table.name for table in request.via] + [".".join(one) for one in sorted(request.via_columns)]
        answer["row_per_candidates"] = [table.name for table in planning.candidates(source.model, request)]
        answer["columns"] = [(column.label, column.kind) for column in planning.columns(source.model, request)]
        answer["row_per"] = planning.grain(source.model, request).name
        answer["ambiguities"] = _ambiguities(source.model, request)
        if not answer["ambiguities"]:
            made = planning.plan(source.model, request)
            answer["join_path"] = made.join_path
            named = set(answer["include_tables"])
            answer["transparent_intermediates"] = [name for name in made.join_path if name not in named]
            answer["estimated_row_count"] = _counted(made, source)
    except REFUSALS as refusal:
        answer["warnings"].append(str(refusal))
    return answer


def schema_paths(source: Source, tables: Sequence[str] | None) -> dict[str, Any]:
    """See `list_schema_paths`."""
    model = source.model
    anchors = sorted(source.members())
    every = [
        table for name in (*domain_schemas(model), model.ml_schema) for table in model.schemas[name].tables.values()
    ]
    starts = {table.name: table for table in map(model.name_to_table, {*anchors, *(tables or ())})}
    reachable = {name: sorted(planning.below(model, table) - {table}, key=_name) for name, table in starts.items()}
    paths = {
        (name, lower.name): [{"path": path, "direct": len(path) == 2} for path in _upwards(model, lower, starts[name])]
        for name in sorted(starts)
        for lower in reachable[name]
        if tables is None or {name, lower.name} & set(tables)
    }
    return {
        "member_types": anchors,
        "anchor_types": anchors,
        "reachable_tables": {name: [table.name for table in reachable[name]] for name in anchors},
        "association_tables": sorted(table.name for table in every if table.is_association()),
        "feature_tables": sorted(feature.feature_table.name for feature in model.find_features()),
        "schema_paths": {ends: found for ends, found in paths.items() if found},
    }


def _name(table: Table) -> str:
    return str(table.name)


def _upwards(model: Any, lower: Table, upper: Table) -> list[list[str]]:
    """The tables from the upper to the lower one, for each way that leads straight up."""
    routes = [route for route in planning.routes(model, lower, upper) if all(link.up for link in route)]
    paths = ([lower.name, *(link.table.name for link in route)] for route in routes)
    return [list(path)[::-1] for path in dict.fromkeys(map(tuple, paths))]


def _ambiguities(model: Any, request: Request) -> list[dict[str, Any]]:
    start = planning.grain(model, request)
    found = []
    for table in request.include:
        routes = planning.routes(model, start, table) if table is not start else []
        chosen = planning.choose(request, routes) if routes else []
        if len(chosen) > 1:
            paths, hints = planning.shown(start, chosen, request)
            found.append(
                {
                    "type": "multiple_paths",
                    "from": start.name,
                    "to": table.name,
                    "paths": [" → ".join(path) for path in paths],
                    "suggestions": {
                        "add_to_include_tables": [hint for hint in hints if "." not in hint],
                        "add_to_via": hints,
                    },
                }
            )
    return found


def _counted(made: Plan, source: Source) -> dict[str, Any]:
    """How many rows there would be, as far as it can be told without joining them."""
    rows = source.count(made.row_per)
    above = sum(len(source.below_members(table)) for table in made.above)
    if made.fans_out:
        reason = f"Several rows of {', '.join(made.fans_out)} may stand beside one of {made.row_per.name}."
        return {"in_scope_row_per_rows": rows, "orphan_rows": None, "total": None, "reason": reason}
    if above:
        names = ", ".join(table.name for table in made.above)
        reason = f"Of {above} records of {names}, those that no {made.row_per.name} refers to get a row of their own."
        return {"in_scope_row_per_rows": rows, "orphan_rows": None, "total": None, "reason": reason}
    return {"in_scope_row_per_rows": rows, "orphan_rows": 0, "total": rows}

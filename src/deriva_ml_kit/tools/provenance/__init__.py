"""Which rows no execution is known to have made."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, Field

from deriva_ml_kit.tools.answers import Page
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.paging import no_cursor
from deriva_ml_kit.tools.registry import Effect, tool
from deriva_ml_kit.tools.schema.kind import Kind
from deriva_ml_kit.tools.types import Cursor, Limit


class TableProvenance(BaseModel):
    """What is known about the rows of a table."""

    schema: str  # type: ignore[assignment]
    table: str
    kind: Kind
    total: int
    recorded: int
    unknown: int
    sample_rids: list[str] = Field(description="The first rows that no execution is known to have made")


class ProvenanceAnswer(Page):
    """Whose origin is known, by table."""

    ROWS: ClassVar[str] = "tables"

    clean: bool = Field(description="Whether an execution is known for every row, and for every table of the domain")
    rows_total: int
    rows_unknown: int
    records_read: int = Field(description="Executions that name what they wrote")
    unreadable_records: list[str] = Field(description="Executions whose record cannot be read")
    unknown_tables: list[str] = Field(description="Tables of the domain that no execution is known to have made")
    tables: list[TableProvenance] = Field(description="Those with rows of unknown origin come first")


@tool("Audit where rows come from", Effect.READ, seconds=600)
def deriva_ml_audit_provenance(call: Call, limit: Limit = 100, cursor: Cursor = None) -> ProvenanceAnswer:
    """Which rows of the domain, terms, files, feature values, datasets and their members no execution is known to have
    made, counted by table with some of their RIDs. Call it before you rely on a catalog, or after a change of many
    rows; it reads all tables, and takes seconds for 100,000 rows.
    """
    from deriva_ml_kit.tools.provenance.audit import audit  # noqa: PLC0415  (takes seconds)

    found = audit(call)
    lines = [
        TableProvenance(
            schema=each.table.schema.name,
            table=each.table.name,
            kind=each.kind,
            total=each.total,
            recorded=each.total - each.unknown,
            unknown=each.unknown,
            sample_rids=each.sample,
        )
        for each in sorted(found.findings, key=lambda each: -each.unknown)
    ]
    places = [f"{line.schema}:{line.table}" for line in lines]
    if cursor is not None and cursor not in places:
        raise no_cursor(cursor)
    begin = places.index(cursor) + 1 if cursor is not None else 0
    shown = lines[begin : begin + limit]
    unknown = sum(line.unknown for line in lines)
    worst = lines[0] if lines and lines[0].unknown else None
    return ProvenanceAnswer.of(
        shown,
        total=len(lines),
        cursor=lambda position: places[begin + position],
        more=begin + limit < len(lines),
        clean=not unknown and not found.tables and not found.recorded.unreadable,
        rows_total=sum(line.total for line in lines),
        rows_unknown=unknown,
        records_read=found.recorded.executions,
        unreadable_records=found.recorded.unreadable,
        unknown_tables=[f"{table.schema.name}:{table.name}" for table in found.tables],
        next_step=call.example(
            "get_entities",
            schema=worst.schema,
            table=worst.table,
            filters={"RID": worst.sample_rids},
            columns=["RCT", "RCB"],
        )
        if worst
        else None,
    )

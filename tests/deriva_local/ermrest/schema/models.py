"""Models made as clients make them: from documents."""

from __future__ import annotations

from typing import Any

from deriva_local.ermrest.schema import alter, create, definitions
from deriva_local.ermrest.schema.address import parse
from deriva_local.model import Model
from deriva_local.model.initial import initial_model


def column(name: str, typename: str = "text", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": {"typename": typename}, **more}


def reference(columns: list[str], table: str, to_columns: list[str], **more: Any) -> dict[str, Any]:
    """A foreign key document to a table of schema S."""
    return {
        "foreign_key_columns": [{"column_name": name} for name in columns],
        "referenced_columns": [{"schema_name": "S", "table_name": table, "column_name": name} for name in to_columns],
        **more,
    }


def table(name: str, *columns: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"schema_name": "S", "table_name": name, "column_definitions": list(columns), **more}


def made(*documents: dict[str, Any]) -> Model:
    """The initial model with schema S and what the documents ask for."""
    return create.batch(initial_model(["me"]), definitions.batch([{"schema_name": "S"}, *documents]), None)


def sample() -> Model:
    """Subject (key Name), and Image that refers to it."""
    return made(
        table("Subject", column("Name", nullok=False), column("Age", "int4"), keys=[{"unique_columns": ["Name"]}]),
        table("Image", column("File"), column("Subject"), foreign_keys=[reference(["Subject"], "Subject", ["Name"])]),
    )


def altered(model: Model, path: str, **document: Any) -> Model:
    kinds = {
        "schema": alter.schema,
        "table": alter.table,
        "column": alter.column,
        "key": alter.key,
        "foreignkeys": alter.foreign_key,
    }
    address = parse(path)
    changed, _ = kinds[address.kind](model, address, document)
    return changed

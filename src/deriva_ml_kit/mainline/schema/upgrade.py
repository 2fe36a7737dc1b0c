"""Reads what a catalog has, and makes the changes that were planned.

Everything can be cut short anywhere and begun again: the next plan holds what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

import requests
from deriva.core import urlquote

from deriva_ml_kit.mainline.catalog.rows import insert, said, table_name
from deriva_ml_kit.mainline.errors import DerivaMLAuthenticationError, DerivaMLConfigurationError
from deriva_ml_kit.mainline.schema.plan import Change, Document, conflicts, missing_rights, plan, rules_like
from deriva_ml_kit.mainline.schema.tables import NULLABLE, Tables, shown
from deriva_ml_kit.mainline.schema.terms import TERMS

Done = Callable[[Change], None]


def planned(catalog: Any, schema: str, *, project_name: str | None = None) -> list[Change]:
    """What a catalog lacks, after it was found that it can be added, by this client.

    Args:
        catalog: ErmrestCatalog.
        schema: Name of DerivaML's schema, which may be missing.
        project_name: What the CURIEs of new vocabularies begin with; as in those that are there where not given.

    Raises:
        DerivaMLConfigurationError: Tables of these names are there, with other columns.
        DerivaMLAuthenticationError: The login lacks rights that the changes need.
    """
    model = catalog.get("/schema").json()
    prefix = project_name or _prefix(model, schema)
    wanted = Tables(schema, prefix, shown(catalog.getCatalogModel(), schema)).documents()
    if problems := conflicts(model, schema, wanted):
        raise DerivaMLConfigurationError(
            "Tables of the catalog are not as DerivaML needs them:\n  " + "\n  ".join(problems),
            remedy="Rename or repair them; nothing was changed.",
        )
    there = model["schemas"].get(schema, {"tables": {}})["tables"]
    changes = plan(
        model,
        schema,
        wanted,
        rules=rules_like(there.get("Dataset") or model["schemas"].get("WWW", {"tables": {}})["tables"].get("Page", {})),
        nullable=NULLABLE,
        terms=TERMS,
        terms_found={name: _values(catalog, schema, name, "Name") for name in TERMS if name in there},
        statuses_found=_values(catalog, schema, "Execution", "Status") if "Execution" in there else set(),
    )
    if missing := missing_rights(model, schema, changes):
        raise DerivaMLAuthenticationError(
            "Your login lacks rights that this needs:\n  " + "\n  ".join(missing),
            remedy="Ask an owner of the catalog for them, or to do it; nothing was changed.",
        )
    return changes


def make(catalog: Any, schema: str, changes: Iterable[Change], *, done: Done = lambda _: None) -> None:
    """Make changes in the order given; those of a kind that follow each other go in one request where they can.

    Args:
        catalog: ErmrestCatalog.
        schema: Name of DerivaML's schema.
        changes: As planned.
        done: Told of each change once it is made.

    Raises:
        DerivaMLConfigurationError: The catalog refused one; those before it stay.
    """
    for (kind, table), group in groupby(changes, lambda change: (change.kind, _together(change))):
        together = list(group)
        try:
            _make(catalog, schema, kind, table, together)
        except requests.HTTPError as error:
            what = ", ".join(map(str, together[:3])) + (" …" if len(together) > 3 else "")
            raise DerivaMLConfigurationError(
                f"The catalog refused: {what} ({said(error)}).", remedy="Run the same again to continue from here."
            ) from error
        for change in together:
            done(change)


def _together(change: Change) -> str:
    """What changes must have in common to be made by one request."""
    return {"table": "", "foreign key": "", "term": change.table}.get(change.kind, f"{change.table}.{change.name}")


def _make(catalog: Any, schema: str, kind: str, table: str, changes: Sequence[Change]) -> None:
    documents = [change.document for change in changes]
    here = f"/schema/{urlquote(schema)}/table/{urlquote(changes[0].table)}/column"
    if kind in ("table", "foreign key"):
        catalog.post("/schema", json=documents)
    elif kind == "column":
        catalog.post(here, json=documents[0])
    elif kind == "nullable":
        catalog.put(f"{here}/{urlquote(changes[0].name)}", json=documents[0])
    else:
        insert(catalog, schema, table, map(dict, documents), defaults=("ID", "URI"), skip_conflicts=True)


def _values(catalog: Any, schema: str, table: str, column: str) -> set[str]:
    """The values of a column, without NULL."""
    rows = catalog.get(f"/attributegroup/{table_name(schema, table)}/{column}").json()
    return {row[column] for row in rows if row[column] is not None}


def _prefix(model: Document, schema: str) -> str:
    """What the CURIEs of the terms begin with that are there."""
    there = model["schemas"].get(schema, {"tables": {}})["tables"].get("Dataset_Type", {"column_definitions": []})
    defaults = [str(column["default"] or "") for column in there["column_definitions"] if column["name"] == "ID"]
    return next((default.partition(":")[0] for default in defaults if ":" in default), schema)

"""Reads what a catalog has, and makes the changes that were planned.

Everything can be cut short anywhere and begun again: the next plan holds what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

import requests
from deriva.core import DerivaServer, ErmrestCatalog, get_credential, urlquote
from deriva.core.datapath import DataPathException

from deriva_ml_kit import local
from deriva_ml_kit.mainline.catalog import transport
from deriva_ml_kit.mainline.catalog.connection import explained, not_for_ml, reachable
from deriva_ml_kit.mainline.catalog.rows import insert, said, table_name
from deriva_ml_kit.mainline.catalog.transport import Limits
from deriva_ml_kit.mainline.errors import (
    DerivaMLAuthenticationError,
    DerivaMLConfigurationError,
    DerivaMLReadOnlyError,
)
from deriva_ml_kit.mainline.schema.plan import Change, Document, conflicts, missing_rights, plan, rules_like
from deriva_ml_kit.mainline.schema.tables import NULLABLE, Tables, shown
from deriva_ml_kit.mainline.schema.terms import TERMS

Done = Callable[[Change], None]


def upgrade_catalog(
    hostname: str,
    catalog_id: str | int,
    *,
    ml_schema: str = "deriva-ml",
    dry_run: bool = False,
    done: Done = lambda _: None,
) -> list[Change]:
    """Add to a catalog what both generations of deriva_ml need; plain clients go on working with it.

    Args:
        hostname: Host, with a port where it is not 443.
        catalog_id: Number or alias.
        ml_schema: Name of DerivaML's schema.
        dry_run: Plan only.
        done: Told of each change once it is made.

    Returns:
        The changes that were made, or that would be; none if the catalog has everything.

    Raises:
        DerivaMLConfigurationError: Nothing answers there, it is no DerivaML catalog, or its tables are not as they must
            be.
        DerivaMLAuthenticationError: Nobody is logged in, or without the rights that the changes need.
        DerivaMLReadOnlyError: The catalog is named as it was at some time.
    """
    if "@" in str(catalog_id):
        raise DerivaMLReadOnlyError(f"{catalog_id} is the catalog as it was at some time, which cannot be changed.")
    catalog = connected(hostname, catalog_id)
    try:
        if ml_schema not in catalog.getCatalogModel().schemas:
            raise not_for_ml(hostname, catalog_id, ml_schema)
        changes = planned(catalog, ml_schema)
    except (requests.RequestException, DataPathException) as error:
        raise explained(error, hostname, catalog_id) from error
    if not dry_run:
        make(catalog, ml_schema, changes, done=done)
    return changes


def connected(hostname: str, catalog_id: str | int) -> ErmrestCatalog:
    """A catalog, whether or not it is one of DerivaML.

    Raises:
        DerivaMLConfigurationError: Nothing answers there.
    """
    local.prepare(hostname)
    reachable(hostname)
    limits = Limits.from_environment()
    server = DerivaServer(
        "https", hostname, credentials=get_credential(hostname), session_config=transport.session_config(limits)
    )
    catalog = server.connect_ermrest(str(catalog_id))
    transport.install(catalog, limits)
    return catalog


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

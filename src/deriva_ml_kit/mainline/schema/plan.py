"""What a catalog lacks of the tables that are wanted: a list of changes, worked out from documents alone.

In: the catalog's model (as `GET /schema` answers), the wanted tables and terms, the terms and status words that are
there. Out: changes, in an order in which each can be made once those before it are. Made in part, by whoever, the rest
is planned again: nothing is ever changed that is as it should be, and nothing is taken away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from deriva_ml_kit.mainline.schema.terms import FOUND_STATUS, Terms

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One thing to be made.

    Attributes:
        kind: What it is; `nullable` is a column that need not have a value any more.
        table: Which table is changed, or made.
        name: Column, term or columns of the foreign key; empty for a table.
        document: What is sent for it.
    """

    kind: Literal["table", "column", "nullable", "term", "foreign key"]
    table: str
    name: str
    document: Document

    def __str__(self) -> str:
        where = f"{self.table}.{self.name}" if self.name else self.table
        if self.kind == "nullable":
            return f"column {where} may be empty"
        return f"term {self.name!r} of {self.table}" if self.kind == "term" else f"{self.kind} {where}"


def plan(
    model: Document,
    schema: str,
    wanted: Sequence[Document],
    *,
    rules: Document,
    nullable: Iterable[tuple[str, str]],
    terms: Terms,
    terms_found: Mapping[str, Collection[str]],
    statuses_found: Collection[str],
) -> list[Change]:
    """What has to be made, in this order.

    Args:
        model: The catalog's model.
        schema: Name of DerivaML's schema.
        wanted: Documents of its tables.
        rules: Access rules that new tables get.
        nullable: Table and column of those whose NOT NULL has to go.
        terms: Wanted terms, by vocabulary, with their descriptions.
        terms_found: Names of the terms that are there, by vocabulary.
        statuses_found: Values of `Execution.Status` that are there; each has to be a term before the foreign key.
    """
    there: Mapping[str, Document] = model["schemas"].get(schema, {"tables": {}})["tables"]
    known = [table for table in wanted if table["table_name"] in there]
    new = [table for table in wanted if table["table_name"] not in there]
    statuses = {**dict.fromkeys(statuses_found, FOUND_STATUS), **terms["Execution_Status"]}
    return [
        *(Change("table", t["table_name"], "", {**t, **rules}) for t in new),
        *(change for t in known for change in _new_columns(t, there[t["table_name"]])),
        *(change for table, column in nullable for change in _not_null(table, column, there.get(table))),
        *_new_terms({**terms, "Execution_Status": statuses}, terms_found),
        *(change for t in known for change in _new_references(t, there[t["table_name"]], schema)),
    ]


def conflicts(model: Document, schema: str, wanted: Iterable[Document]) -> list[str]:
    """Why tables that are there cannot become the wanted ones: columns of another type, or that cannot be added."""
    there: Mapping[str, Document] = model["schemas"].get(schema, {"tables": {}})["tables"]
    return [
        problem
        for table in wanted
        if table["table_name"] in there
        for problem in _misfits(table, _columns(there[table["table_name"]]))
    ]


def missing_rights(model: Document, schema: str, changes: Iterable[Change]) -> list[str]:
    """Rights that the changes need and that the model says this client lacks; none of them twice."""
    here = model["schemas"].get(schema)
    place = f"schema {schema}" if here else "the catalog"
    missing = []
    for change in changes:
        table = here["tables"].get(change.table) if here else None
        if change.kind == "table":
            if not _has(here or model, "create"):
                missing.append(f"to create tables in {place} (ACL create, or owner)")
        elif change.kind == "term":
            if table and not _has(table, "insert"):
                missing.append(f"to insert terms into {schema}:{change.table} (ACL insert)")
        elif table and not _has(table, "owner"):
            missing.append(f"to change table {schema}:{change.table} (ACL owner)")
    return list(dict.fromkeys(missing))


def rules_like(table: Document) -> dict[str, Any]:
    """Access rules for a new table, as another has them; bindings only where they fit any table."""
    bindings = {
        name: binding
        for name, binding in table.get("acl_bindings", {}).items()
        if not binding or binding.get("projection") in (["RCB"], "RCB")
    }
    return {"acls": dict(table.get("acls", {})), "acl_bindings": bindings}


def _new_columns(wanted: Document, there: Document) -> Iterator[Change]:
    found = _columns(there)
    for column in wanted["column_definitions"]:
        if column["name"] not in found:
            yield Change("column", wanted["table_name"], column["name"], column)


def _not_null(table: str, column: str, there: Document | None) -> Iterator[Change]:
    found = _columns(there).get(column) if there else None
    if found and not found["nullok"]:
        yield Change("nullable", table, column, {"nullok": True})


def _new_terms(terms: Terms, found: Mapping[str, Collection[str]]) -> Iterator[Change]:
    for vocabulary, wanted in terms.items():
        for name, description in wanted.items():
            if name not in found.get(vocabulary, ()):
                yield Change("term", vocabulary, name, {"Name": name, "Description": description})


def _new_references(wanted: Document, there: Document, schema: str) -> Iterator[Change]:
    """Foreign keys that are missing; those of system columns are left as they are."""
    table = wanted["table_name"]
    found = {_columns_of(key) for key in there["foreign_keys"]}
    for key in wanted["foreign_keys"]:
        columns = _columns_of(key)
        if columns not in found and not columns & {"RCB", "RMB"}:
            from_ = [{"schema_name": schema, "table_name": table, "column_name": name} for name in sorted(columns)]
            document = {**key, "foreign_key_columns": from_, "names": [[schema, key["names"][0][1]]]}
            yield Change("foreign key", table, ", ".join(sorted(columns)), document)


def _misfits(wanted: Document, found: Mapping[str, Document]) -> Iterator[str]:
    for column in wanted["column_definitions"]:
        name, place = column["name"], f"{wanted['table_name']}.{column['name']}"
        if name not in found:
            if not column.get("nullok", True):
                yield f"{place} is missing and cannot be added: its rows would have no value for it"
            continue
        is_, must_be = found[name]["type"]["typename"], column["type"]["typename"]
        if is_ != must_be:
            yield f"{place} is of type {is_}; it must be {must_be}"


def _columns(table: Document) -> dict[str, Document]:
    return {column["name"]: column for column in table["column_definitions"]}


def _columns_of(foreign_key: Document) -> frozenset[str]:
    return frozenset(column["column_name"] for column in foreign_key["foreign_key_columns"])


def _has(element: Document, right: str) -> bool:
    """Whether the server grants a right; what it does not say is tried."""
    rights = element.get("rights") or {}
    return rights.get("owner") is True or rights.get(right) is not False

"""Documents of rows: terms, datasets, executions, workflows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deriva_ml_kit.tools.index.documents import Document, Kind
from deriva_ml_kit.tools.index.words import spoken

TITLE = 80


def key(source: str, rid: str) -> str:
    """The key of a row's document."""
    return f"row:{source}:{rid}"


def term(source: str, rid: str, row: dict[str, Any]) -> Document:
    """A term of a vocabulary, which its synonyms find as well as its name."""
    schema, _, table = source.partition(":")
    name = str(row.get("Name") or rid)
    synonyms = [str(synonym) for synonym in row.get("Synonyms") or () if synonym]
    said = [f"Term of {table}.", row.get("Description"), f"Also called {', '.join(synonyms)}." if synonyms else None]
    return Document(
        key=key(source, rid),
        source=source,
        kind=Kind.TERM,
        title=name,
        names=spoken(name, *synonyms),
        body=_joined(*said),
        schema_name=schema,
        table_name=table,
        rid=rid,
        uses=source,
    )


def dataset(source: str, rid: str, row: dict[str, Any], types: Sequence[str], version: str | None) -> Document:
    """A dataset with its types and current version."""
    description = str(row.get("Description") or "")
    kinds = f"Types: {', '.join(sorted(types))}." if types else ""
    return _row(
        source,
        rid,
        Kind.DATASET,
        _title("Dataset", rid, description),
        names=spoken(*types),
        body=_joined(f"Version {version}." if version else "", kinds, description),
    )


def execution(source: str, rid: str, row: dict[str, Any], workflow: dict[str, Any]) -> Document:
    """An execution with its status and its workflow's name."""
    description, name = str(row.get("Description") or ""), str(workflow.get("Name") or "")
    return _row(
        source,
        rid,
        Kind.EXECUTION,
        _title("Execution", rid, description or name),
        names=spoken(name),
        body=_joined(
            f"{row['Status']}." if row.get("Status") else "", f"Workflow {name}." if name else "", description
        ),
    )


def workflow(source: str, rid: str, row: dict[str, Any], types: Sequence[str]) -> Document:
    """A workflow with its types."""
    kinds = sorted({*types, *([str(row["Workflow_Type"])] if row.get("Workflow_Type") else [])})
    name = str(row.get("Name") or "")
    said = [f"Types: {', '.join(kinds)}." if kinds else "", row.get("Description"), row.get("URL")]
    return _row(
        source, rid, Kind.WORKFLOW, _title("Workflow", rid, name), names=spoken(name, *kinds), body=_joined(*said)
    )


def _row(source: str, rid: str, kind: Kind, title: str, *, names: str, body: str) -> Document:
    schema, _, table = source.partition(":")
    return Document(key(source, rid), source, kind, title, names, body, schema, table, rid=rid)


def _title(what: str, rid: str, text: str) -> str:
    line = " ".join(text.split())
    return (line[:TITLE] + "…" if len(line) > TITLE else line) or f"{what} {rid}"


def _joined(*parts: Any) -> str:
    return " ".join(" ".join(str(part).split()) for part in parts if part)

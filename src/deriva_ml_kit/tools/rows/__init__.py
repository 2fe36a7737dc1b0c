"""Rows from CSV or JSON into a table."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from deriva_ml_kit.errors import Faults
from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.ops.writes import Writes
from deriva_ml_kit.tools.answers import Answer
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import Code, ToolError, failure_of, not_found
from deriva_ml_kit.tools.registry import Effect, also, tool
from deriva_ml_kit.tools.schema import AnySchema
from deriva_ml_kit.tools.schema.definition import Columns
from deriva_ml_kit.tools.schema.described import SYSTEM
from deriva_ml_kit.tools.schema.kind import Kind, is_own_link, kind_of_table
from deriva_ml_kit.tools.tables import table_of
from deriva_ml_kit.tools.types import DryRun, TableName, Text
from deriva_ml_kit.tools.writing import recorded

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Table

    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.tools.rows.check import Checked

KEPT_BYTES = 50_000_000  # larger input files are named, not stored

# How rows get into tables that are not for plain rows.
WAYS = {
    Kind.VOCABULARY: "add_term adds terms.",
    Kind.ASSET: "Files are uploaded by executions: exe.asset_file_path(…), then exe.commit_output_assets().",
    Kind.FEATURE: "The script skills/create-feature/scripts/populate_feature_values.py adds feature values.",
    Kind.DATASET: "deriva_ml_create_dataset and deriva_ml_add_dataset_members make datasets and fill them.",
    Kind.SYSTEM: "DerivaML and the catalog keep this table themselves.",
}


class LoadedRows(Answer):
    """What was read and written."""

    schema: str  # type: ignore[assignment]  # pydantic's own is an old method
    table: str
    dry_run: bool
    rows_read: int
    rows_written: int
    would_write: int = Field(0, description="What a dry run would have written")
    rows_skipped: int = Field(0, description="Left out, since the table has rows of their keys")
    resolved_terms: dict[str, str] = Field(
        default_factory=dict, description="What was written for a term, to the term's name, which is stored"
    )
    first_rids: list[str] = Field(default_factory=list, description="RIDs of the first rows that were written")
    execution_rid: str | None = Field(default=None, description="Execution that records them")
    input_rid: str | None = Field(default=None, description="Asset that the input file is kept as")


@tool("Load rows into a table", Effect.WRITE, seconds=600)
def load_rows(
    call: Call,
    *,
    table: TableName,
    file: Annotated[
        Text | None,
        Field(
            description="CSV, JSON or JSON Lines file in the project, whose columns are the table's",
            validation_alias=also("file", "path"),
        ),
    ] = None,
    rows: Annotated[
        list[dict[str, Any]] | None,
        Field(description="Rows, instead of a file", max_length=10_000, validation_alias=also("rows", "entities")),
    ] = None,
    schema: AnySchema = None,
    on_existing: Annotated[
        Literal["error", "skip"], Field(description="What to do with rows whose key the table has already")
    ] = "error",
    key: Annotated[
        Columns | None, Field(description="Columns that tell one row from the others; the table's keys if not given")
    ] = None,
    dry_run: DryRun = False,
) -> LoadedRows:
    """Load rows from a file, or from the call, into a table of the domain. Every row is checked before the first is
    written: columns, types, terms (a synonym becomes the term's name), rows that others name by their RID or key,
    repeated keys; all faults come at once, with their lines. Call it with dry_run first.
    """
    ml = call.ml
    found = table_of(ml, table, schema)
    _refuse(ml, found, key, on_existing)
    path = _path(call, file, rows)
    checked = _checked(call, found, path, rows or [], key=key, skip=on_existing == "skip")
    answer = LoadedRows(
        schema=found.schema.name,
        table=found.name,
        dry_run=dry_run,
        rows_read=checked.read,
        rows_written=0,
        rows_skipped=checked.skipped,
        resolved_terms=checked.terms,
        would_write=len(checked.rows) if dry_run else 0,
    )
    if dry_run:
        answer.next_step = "The same call without dry_run writes them." if checked.rows else None
        return answer
    if checked.rows:
        with recorded(call, _what(found, len(checked.rows), path), "Ingest") as writes:
            answer.execution_rid = writes.rid
            answer.input_rid = _keep(ml, writes, path)
            answer.first_rids = _write(call, writes, found, checked)
        answer.rows_written = len(checked.rows)
    answer.next_step = call.example("get_entities", schema=found.schema.name, table=found.name, limit=20)
    return answer


def _refuse(ml: DerivaML, table: Table, key: list[str] | None, on_existing: str) -> None:
    """Tables that rows get into in other ways, and keys that there are not.

    Raises:
        ToolError: It is one of these.
    """
    from deriva_ml_kit.tools.rows.check import cells_of  # noqa: PLC0415  (takes seconds)

    kind = kind_of_table(ml, table)
    if kind in WAYS or (kind is Kind.ASSOCIATION and is_own_link(ml, table)):
        message = f"{table.schema.name}:{table.name} is not for plain rows (it is of kind {kind.value})."
        raise ToolError(Code.BAD_ARGUMENT, message, remedy=WAYS.get(kind, WAYS[Kind.SYSTEM]))
    names = [column.name for column in table.columns if column.name not in SYSTEM]
    for name in key or ():
        if name not in names:
            raise not_found("column", name, names, where=f"Table {table.name}")
        if not cells_of(table)[name].is_plain:
            raise ToolError(Code.BAD_ARGUMENT, f"key: rows cannot be told apart by {name}, which holds lists or JSON.")
    if on_existing == "skip" and not key and len(list(table.keys)) < 2:
        raise ToolError(
            Code.BAD_ARGUMENT,
            f"on_existing: {table.name} has no key, so no row can be told to be there already.",
            remedy='Name the columns that tell one row from the others, as in key=["Name"].',
        )


def _path(call: Call, file: str | None, rows: list[dict[str, Any]] | None) -> Path | None:
    """The file that is to be read; None if the rows came with the call.

    Raises:
        ToolError: Neither, both, or no such file in the project.
    """
    if (file is None) == (rows is None):
        raise ToolError(Code.BAD_ARGUMENT, "load_rows takes either file or rows.", remedy="Give one of them.")
    if file is None:
        return None
    from deriva_ml_kit.tools.rows.file import SUFFIXES  # noqa: PLC0415  (takes seconds)

    project = call.project.resolve()
    path = (project / file).resolve()
    if not path.is_relative_to(project):
        raise ToolError(
            Code.BAD_ARGUMENT, f"file: {file} is not in the project {project}.", remedy="Copy it there, then name it."
        )
    if not _is_file(path):
        folder = path if path == project else path.parent
        there = [str(each.relative_to(project)) for each in _files(folder) if each.suffix.lower() in SUFFIXES]
        raise ToolError(
            Code.NOT_FOUND, f"There is no file {file} in {project}.", candidates=nearest(file, there) or there[:12]
        )
    if path.suffix.lower() not in SUFFIXES:
        raise ToolError(Code.BAD_ARGUMENT, f"{file} is no {', '.join(SUFFIXES)} file.", remedy="Save it as CSV.")
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # its name is longer than any file's
        return False


def _files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_file()) if folder.is_dir() else []


def _checked(
    call: Call, table: Table, path: Path | None, rows: list[dict[str, Any]], *, key: list[str] | None, skip: bool
) -> Checked:
    """The rows to be written.

    Raises:
        Faults: What is wrong with them.
    """
    from deriva_ml_kit.tools.rows.check import check  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.tools.rows.file import rows_of, rows_of_call  # noqa: PLC0415

    steps = itertools.count()

    def tell(what: str) -> None:
        call.progress(next(steps), message=what)

    try:
        given = rows_of_call(rows) if path is None else rows_of(path)
        found = check(call.ml, table, given, key=key, skip=skip, tell=tell)
    except OSError as error:
        if error.filename is None:  # of the network, not of the file
            raise
        raise ToolError(Code.BAD_ARGUMENT, f"{path} cannot be read: {error.strerror}.") from error
    if isinstance(found, list):
        name = "rows" if path is None else str(path.relative_to(call.project.resolve()))
        raise Faults(
            [replace(fault, file=name) for fault in found],
            remedy='Correct the input, then call it again; on_existing="skip" leaves out rows that are there already.',
        )
    return found


def _what(table: Table, count: int, path: Path | None) -> str:
    source = "given with the call"
    if path is not None:
        source = f"from {path.name} ({path.stat().st_size} bytes, SHA-256 {_sha256(path)})"
    return f"{count} rows of {table.schema.name}:{table.name}, {source}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _keep(ml: DerivaML, writes: Writes, path: Path | None) -> str | None:
    """Store the input file and link it with the execution; gives its RID."""
    if path is None or path.stat().st_size > KEPT_BYTES:
        return None
    from deriva_ml_kit.features.source import record_input_file  # noqa: PLC0415  (takes seconds)

    return record_input_file(ml, writes.rid, path)


def _write(call: Call, writes: Writes, table: Table, checked: Checked) -> list[str]:
    """Write the rows; gives the RIDs of the first."""
    from deriva_ml_kit.mainline.catalog.rows import BATCH_ROWS, batches, insert_once  # noqa: PLC0415  (takes seconds)

    schema, name = table.schema.name, table.name
    done, total = 0, len(checked.rows)
    first: list[str] = []
    try:
        for batch in batches(checked.rows, BATCH_ROWS):
            call.progress(done, total, f"{done} of {total} rows are in {name}")
            announce = partial(writes.rows, schema, name)
            made = insert_once(call.ml.catalog, schema, name, batch, defaults=checked.defaults, announce=announce)
            first = first or [row["RID"] for row in made[:10]]
            done += len(made)
    except Exception as error:
        if not done:
            raise
        failure = failure_of(error)
        raise ToolError(
            failure.code,
            f"{failure.message} {done} of {total} rows are in {name}; execution {writes.rid} records them.",
            remedy='Call it again with on_existing="skip", and with key if the table has none of its own.',
        ) from error
    return first

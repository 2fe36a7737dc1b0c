"""The one execution that all jobs of a sweep belong to, in the catalog.

The catalog alone says which sweep it is (a mark in its description) and which of its jobs are done (its children, by
Sequence), so that a sweep can be resumed from any clone of the repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deriva.core import urlquote

from deriva_ml_kit.mainline import DerivaML, Execution, ExecutionConfiguration, ExecutionStatus, Workflow
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import table_name
from deriva_ml_kit.mainline.catalog.single import needs
from deriva_ml_kit.mainline.execution.nested import CHILD, PARENT, TABLE
from deriva_ml_kit.mainline.execution.status import read
from deriva_ml_kit.runner.sweep.rows import Child

OUTPUT_TABLE, OUTPUT_TYPE = "Execution_Asset", "Output_File"


def mark(key: str) -> str:
    """What the description of a sweep's parent holds."""
    return f"[sweep {key}]"


def begin(ml: DerivaML, workflow: Workflow | str, key: str, description: str) -> str:
    """Record the parent of a new sweep; returns its RID."""
    needs(ml, TABLE)
    text = f"{description.strip()} {mark(key)}".strip()
    made: Execution = ml.create_execution(ExecutionConfiguration(description=text), workflow=workflow)
    return str(made.execution_rid)


def newest(ml: DerivaML, key: str) -> str | None:
    """RID of the parent of the newest sweep with this key."""
    where = f"Description::regexp::{urlquote(f'[[]sweep {key}[]]', '')}"
    path = f"/entity/{table_name(ml.ml_schema, 'Execution')}/{where}@sort(RCT::desc::,RID::desc::)?limit=1"
    rows = ml.catalog.get(path).json()
    return str(rows[0]["RID"]) if rows else None


def has_ended(ml: DerivaML, rid: str, detail: str, *, passed: bool) -> bool:
    """Whether the catalog says already what `Parent.finished` would record."""
    (row,) = rows_with(ml.catalog, ml.ml_schema, "Execution", "RID", [rid])
    return (read(row["Status"]), row["Status_Detail"]) == (_final(passed), detail)


def children(ml: DerivaML, rid: str) -> list[Child]:
    """Its jobs' executions, in the order in which they were linked; a job that was played again has several."""
    links = [row for row in rows_with(ml.catalog, ml.ml_schema, TABLE, PARENT, [rid]) if row["Sequence"] is not None]
    links.sort(key=lambda link: (str(link["RCT"]), str(link["RID"])))
    rids = [link[CHILD] for link in links]
    rows = {row["RID"]: row for row in rows_with(ml.catalog, ml.ml_schema, "Execution", "RID", rids)}
    return [_child(rows[link[CHILD]], link["Sequence"]) for link in links]


def give_up(ml: DerivaML, child: Child) -> None:
    """Record that an execution's process ended without a word."""
    ml.lookup_execution(child.rid).update_status(
        ExecutionStatus.Aborted, "Its process ended without a word; the sweep has gone on without it."
    )


class Parent:
    """The parent while its sweep is played.

    Args:
        ml: The catalog.
        rid: Its RID.
    """

    def __init__(self, ml: DerivaML, rid: str) -> None:
        self.rid = rid
        self._exe = Execution(ExecutionConfiguration(workflow=ml.lookup_execution(rid).workflow_rid), ml, reload=rid)

    def running(self, detail: str) -> None:
        """Record that its jobs are at work."""
        self._exe.execution_start()
        self._exe.update_status(ExecutionStatus.Running, detail)

    def interrupted(self, detail: str) -> None:
        """Record that somebody stopped it."""
        self._exe.execution_stop()
        self._exe.update_status(ExecutionStatus.Aborted, detail)

    def finished(self, tables: Sequence[Path], detail: str, *, passed: bool) -> dict[str, str]:
        """Upload the table of its jobs, and record how they ended; returns RIDs by file name."""
        self._exe.execution_stop()
        for table in tables:
            self._exe.asset_file_path(OUTPUT_TABLE, table, asset_types=OUTPUT_TYPE, copy_file=True)
        self._exe.commit_output_assets()
        self._exe.update_status(_final(passed), detail)
        uploaded = [path for paths in self._exe.uploaded_assets.values() for path in paths]
        return {path.file_name: str(path.asset_rid) for path in uploaded}


def _final(passed: bool) -> ExecutionStatus:
    return ExecutionStatus.Uploaded if passed else ExecutionStatus.Failed


def _child(row: dict[str, Any], number: int) -> Child:
    took = row.get("Execution_Duration") or row.get("Duration")
    return Child(row["RID"], number, read(row["Status"]), row["Status_Detail"], _seconds(took))


def _seconds(written: str | None) -> float | None:
    """Seconds of a duration as the catalog has it (`0.0H 1.0min 2.5sec`)."""
    try:
        hours, minutes, seconds = (written or "").replace("H", "").replace("min", "").replace("sec", "").split()
        return float(hours) * 3600 + float(minutes) * 60 + float(seconds)
    except ValueError:
        return None

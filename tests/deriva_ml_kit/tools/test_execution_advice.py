"""What is said to do next, for every way in which an execution can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.executions.advice import commit_command, next_step
from deriva_ml_kit.tools.executions.detail import (
    DatasetPart,
    ExecutionAnswer,
    FilePart,
    Inputs,
    LeftHere,
    Outputs,
    ReceiptPart,
    WorkflowPart,
)

CALL = Call("deriva_ml_get_execution", Path(), hostname="data.example.org", catalog_id="7")
COMMIT = commit_command(CALL, "4-EXEC")
HERE, GONE = (LeftHere(process_alive=alive, pending_files=2, pending_feature_values=9) for alive in (True, False))
MODEL = FilePart(rid="3-MODEL", asset_table="Execution_Asset", filename="model.pt", length=5)
NOTES = FilePart(rid="3-NOTES", asset_table="Execution_Metadata", filename="writes.jsonl", length=5)
RECEIPT = FilePart(rid="3-RCPT", asset_table="Execution_Asset", filename="receipt-tier3.json", length=5)
DATASET = DatasetPart(rid="2-DATA", version="0.1.0", description=None)


def execution(status: str, *, quiet: timedelta = timedelta(), **fields: Any) -> ExecutionAnswer:
    """An execution with nothing but a status, and some fields besides."""
    changed = (datetime.now(UTC) - quiet).isoformat()
    made = {"assets": [], "by_table": {}, "feature_values": {}, "datasets": []} | fields.pop("outputs", {})
    without = dict.fromkeys(set(ExecutionAnswer.model_fields) - {"shortened"})
    given = {
        "rid": "4-EXEC",
        "status": status,
        "created": changed,
        "changed": changed,
        "inputs": Inputs(datasets=[], assets=[], by_table={}),
        "outputs": Outputs(**made),
        "children": {},
        "parents": [],
    }
    return ExecutionAnswer(**(without | given | fields))


def workflow(url: str) -> WorkflowPart:
    """A workflow of which only the URL matters."""
    return WorkflowPart(rid="5-W", name="W", workflow_type=[], url=url, version=None, checksum=None)


def failing(verdict: str | None) -> ReceiptPart:
    """A receipt of tier 3."""
    return ReceiptPart(tier=3, asset_rid="3-RCPT", verdict=verdict, unmet=[])


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (execution("Uploaded", outputs={"assets": [NOTES, RECEIPT, MODEL]}), 'asset_rid="3-MODEL"'),
        (execution("Uploaded", outputs={"assets": [NOTES]}), 'asset_rid="3-NOTES"'),
        (execution("Uploaded", outputs={"feature_values": {"Image.Grade": 3}}), 'feature_name="Grade"'),
        (execution("Uploaded", outputs={"datasets": [DATASET]}), 'deriva_ml_get_dataset(hostname="data.example.org"'),
        (execution("Uploaded", children={"Uploaded": 2}), "deriva_ml_list_execution_children("),
        (execution("Uploaded", children={"Failed": 1, "Uploaded": 2}), "Not all of its parts are complete"),
        (execution("Uploaded"), "has no output files"),
        (execution("Uploaded", outputs={"assets": [MODEL]}, tier=3, receipt=failing("fail")), "tier 3 did not pass"),
        (execution("Uploaded", outputs={"assets": [MODEL]}, tier=3, receipt=failing("pass")), "3-MODEL"),
        (execution("Uploaded", outputs={"assets": [MODEL]}, tier=3, receipt=failing(None)), "3-MODEL"),
        (execution("Stopped"), f"On the machine that ran it, in the same repository: {COMMIT}"),
        (
            execution("Stopped", left_here=GONE),
            f"2 files and 9 feature values wait on this machine. Upload them: {COMMIT}",
        ),
        (execution("Pending_Upload", left_here=HERE), "Its process is alive"),
        (execution("Failed", status_detail="DerivaMLUploadError: Not all outputs …"), COMMIT),
        (execution("Failed", status_detail="ValueError: no"), "begin again at tier 1"),
        (execution("Failed", workflow=workflow("pkg:pypi/x@1#deriva_ml_kit/tools/rows.py")), "A tool could not"),
        (execution("Running", left_here=HERE), "It is at work on this machine"),
        (execution("Running", left_here=GONE), "ended without a word"),
        (execution("Running", quiet=timedelta(minutes=5)), "Ask again later"),
        (execution("Running", quiet=timedelta(hours=5)), "Nothing was noted for 5 h"),
        (execution("Created", quiet=timedelta(days=5)), "Nothing was noted for 5 days"),
        (execution("Aborted"), "Run it again"),
    ],
)
def test_each_way_an_execution_can_be_has_its_next_step(what: ExecutionAnswer, said: str) -> None:
    assert said in next_step(CALL, what)

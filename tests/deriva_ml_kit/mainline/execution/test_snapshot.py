"""Executions as this disk knows them."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from deriva_ml_kit.mainline.execution.status import ExecutionStatus

pytestmark = pytest.mark.catalog


def test_what_was_left_behind_is_listed_and_forgotten(ml, workflow) -> None:
    def left() -> list[tuple[str, str]]:
        return [(each.rid, each.status.value) for each in ml.list_executions()]

    with ml.create_execution(description="stopped", workflow=workflow) as stopped:
        Path(stopped.asset_file_path("Execution_Asset", "a.txt", "Output_File")).write_text("a")
    with pytest.raises(ZeroDivisionError), ml.create_execution(description="failed", workflow=workflow) as failed:
        1 / 0  # noqa: B018
    with ml.create_execution(description="kept", workflow=workflow) as kept:
        pass
    kept.commit_output_assets(clean_folder=False)

    assert left() == [
        (stopped.execution_rid, "Stopped"),
        (failed.execution_rid, "Failed"),
        (kept.execution_rid, "Uploaded"),
    ]
    first, second = ml.find_incomplete_executions()
    assert (first.rid, first.description, first.pending_files, first.pending_rows) == (
        stopped.execution_rid,
        "stopped",
        1,
        0,
    )
    assert first.created_at <= first.start_time <= first.stop_time <= first.last_activity <= datetime.now()
    assert (second.error, second.workflow_rid) == ("ZeroDivisionError: division by zero", failed.workflow_rid)
    assert (ml.working_dir / first.working_dir_rel / "execution.json").is_file()
    assert [each.rid for each in ml.list_executions(status=["Failed", ExecutionStatus.Uploaded])] == [
        failed.execution_rid,
        kept.execution_rid,
    ]
    assert ml.list_executions(workflow_rid="9-ZZZZ") == ml.list_executions(since=datetime.now()) == []

    resumed = ml.resume_execution(stopped.execution_rid)
    assert (resumed.status, resumed.start_time) == (ExecutionStatus.Stopped, stopped.start_time)
    assert resumed.commit_output_assets().total_uploaded == 1
    assert ml.gc_executions(older_than=timedelta(days=1)) == 0
    assert ml.gc_executions(status="Completed", delete_working_dir=True) == 1
    assert left() == [(failed.execution_rid, "Failed")]
    assert ml.gc_executions() == 1
    assert left() == []
    assert ml.lookup_execution(failed.execution_rid).status is ExecutionStatus.Failed

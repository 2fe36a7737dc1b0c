"""`ExecutionSnapshot`: an execution as this disk knows it, whose outputs are not, or may not be, in the catalog."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from deriva_ml.dataset.upload import execution_root
from pydantic import BaseModel, ConfigDict

from deriva_ml_kit.mainline.execution.leftovers import STATE, State, states
from deriva_ml_kit.mainline.execution.outputs import Register
from deriva_ml_kit.mainline.execution.status import AnyStatus, ExecutionStatus, read, word_of

FINAL = {ExecutionStatus.Uploaded, ExecutionStatus.Aborted}


class ExecutionSnapshot(BaseModel):
    """What a working directory holds of an execution, at the time of asking; times are local.

    Attributes:
        rid: RID of the execution.
        workflow_rid: RID of its workflow.
        description: What it was for.
        status: How far it was.
        mode: Always `online`: the release needs its catalog.
        working_dir_rel: Its folder, relative to the working directory.
        start_time: When the work began.
        stop_time: When the work ended.
        last_activity: When something was last noted.
        error: What it failed of.
        sync_pending: Always False: what is noted here was written to the catalog first.
        created_at: When it was recorded.
        pending_rows: Feature values that were staged.
        failed_rows: Always 0: a value that the catalog refuses stays pending.
        pending_files: Output files that were registered.
        failed_files: Always 0: a file that did not arrive stays pending.
    """

    model_config = ConfigDict(frozen=True)

    rid: str
    workflow_rid: str | None
    description: str | None
    status: ExecutionStatus
    mode: str = "online"
    working_dir_rel: str
    start_time: datetime | None
    stop_time: datetime | None
    last_activity: datetime
    error: str | None
    sync_pending: bool = False
    created_at: datetime
    pending_rows: int
    failed_rows: int = 0
    pending_files: int
    failed_files: int = 0


def snapshots(
    working_dir: Path,
    *,
    status: AnyStatus | Collection[AnyStatus] | None = None,
    workflow_rid: str | None = None,
    since: datetime | None = None,
) -> list[ExecutionSnapshot]:
    """The executions that a working directory holds something of, the oldest first.

    Args:
        working_dir: The working directory.
        status: Only with this status, or one of these.
        workflow_rid: Only of this workflow.
        since: Only those in which something happened since.
    """
    wanted = _statuses(status)
    made = [_snapshot(working_dir, state) for state in states(working_dir)]
    found = [
        each
        for each in made
        if (wanted is None or each.status in wanted)
        and workflow_rid in (None, each.workflow_rid)
        and (since is None or each.last_activity.astimezone() >= since.astimezone())
    ]
    return sorted(found, key=lambda each: (each.created_at, each.rid))


def forget(
    working_dir: Path,
    *,
    older_than: timedelta | None = None,
    status: AnyStatus | Collection[AnyStatus] | None = None,
    delete_working_dir: bool = False,
) -> int:
    """Forget executions, but none that another process runs; the catalog stays as it is. Gives their number.

    Args:
        working_dir: The working directory.
        older_than: Only those in which nothing happened for so long.
        status: Only with this status, or one of these.
        delete_working_dir: Remove their files, too: outputs that are not in the catalog are lost.
    """
    running = {state.execution_rid for state in states(working_dir) if state.running_elsewhere}
    count = 0
    for each in snapshots(working_dir, status=status):
        young = older_than is not None and datetime.now() - each.last_activity < older_than
        if each.rid in running or young:
            continue
        root = execution_root(working_dir, each.rid)
        (root / STATE).unlink(missing_ok=True)
        if delete_working_dir:
            shutil.rmtree(root, ignore_errors=True)
        count += 1
    return count


def _snapshot(working_dir: Path, state: State) -> ExecutionSnapshot:
    root = Path(execution_root(working_dir, state.execution_rid))
    noted = datetime.fromtimestamp((root / STATE).stat().st_mtime)
    done = read(state.status) is ExecutionStatus.Uploaded
    return ExecutionSnapshot(
        rid=state.execution_rid,
        workflow_rid=state.workflow_rid or None,
        description=state.description,
        status=read(state.status),
        working_dir_rel=root.relative_to(working_dir).as_posix(),
        start_time=_time(state.started),
        stop_time=_time(state.stopped),
        last_activity=noted,
        error=state.error,
        created_at=_time(state.created) or noted,
        pending_rows=0 if done else sum(_lines(file) for file in (root / "feature").glob("**/*.jsonl")),
        pending_files=0 if done else len(Register(root).entries()),
    )


def _statuses(given: Any) -> set[ExecutionStatus] | None:
    if given is None:
        return None
    return {read(word_of(each)) for each in ([given] if isinstance(given, str) else given)}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)

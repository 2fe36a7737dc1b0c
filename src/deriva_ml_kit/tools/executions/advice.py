"""What to do next about an execution, by how far it is and by what is left of it on this machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from deriva_ml_kit.ops.writes import WRITES

if TYPE_CHECKING:
    from deriva_ml_kit.tools.call import Call
    from deriva_ml_kit.tools.executions.detail import ExecutionAnswer

QUIET = timedelta(hours=1)
BY_TOOL = "#deriva_ml_kit/tools/"  # in the URL of a tool's workflow


def next_step(call: Call, execution: ExecutionAnswer) -> str:
    """A sentence with a call or a command."""
    if execution.children and any(status != "Uploaded" for status in execution.children):
        return "Not all of its parts are complete: " + call.example(
            "deriva_ml_list_execution_children", execution_rid=execution.rid
        )
    match execution.status:
        case "Uploaded":
            return _complete(call, execution)
        case "Stopped" | "Pending_Upload":
            return _unsent(call, execution)
        case "Failed":
            return _failed(call, execution)
        case "Aborted":
            return "It was given up. Run it again, from tier 1 if anything was changed."
    return _unfinished(call, execution)


def commit_command(call: Call, rid: str) -> str:
    """The command that uploads what an execution left on the machine that ran it."""
    catalog = f'DerivaML("{call.hostname}", "{call.catalog_id}")'
    code = f'from deriva_ml_kit.mainline import DerivaML; {catalog}.resume_execution("{rid}").commit_output_assets()'
    return f"uv run python -c '{code}'"


def _complete(call: Call, execution: ExecutionAnswer) -> str:
    if execution.receipt and execution.receipt.verdict not in ("pass", None):
        return (
            f"Its outputs are there, but tier {execution.tier} did not pass: see receipt.unmet, correct the cause, "
            "commit, and begin again at tier 1."
        )
    own = [
        file
        for file in execution.outputs.assets
        if file.asset_table != "Execution_Metadata" and not (file.filename or "").startswith("receipt-tier")
    ]
    noted = [file for file in execution.outputs.assets if file.filename == WRITES]
    made = [call.example("deriva_ml_lookup_asset", asset_rid=file.rid) for file in own[:1]]
    for feature in execution.outputs.feature_values:
        table, _, name = feature.partition(".")
        of_feature = {"target_table": table, "feature_name": name, "execution_rids": [execution.rid]}
        made.append(call.example("deriva_ml_list_feature_values", **of_feature))
    made += [call.example("deriva_ml_lookup_asset", asset_rid=file.rid) for file in noted]
    made += [call.example("deriva_ml_get_dataset", dataset_rid=each.rid) for each in execution.outputs.datasets]
    if execution.children:
        made.append(call.example("deriva_ml_list_execution_children", execution_rid=execution.rid))
    if made:
        return f"Look at what it made: {made[0]}"
    return (
        "It is complete and has no output files, feature values or datasets. If it should have: files are outputs only "
        "where exe.asset_file_path gave the path, values where exe.add_features took them."
    )


def _unsent(call: Call, execution: ExecutionAnswer) -> str:
    """The work is done, its outputs are not in the catalog."""
    command = commit_command(call, execution.rid)
    left = execution.left_here
    if left is None:
        return f"Its outputs are not in the catalog. On the machine that ran it, in the same repository: {command}"
    waiting = f"{left.pending_files} files and {left.pending_feature_values} feature values"
    how = "Its process is alive and may be at it; if it ends without: " if left.process_alive else "Upload them: "
    return f"Its outputs are not in the catalog; {waiting} wait on this machine. {how}{command}"


def _failed(call: Call, execution: ExecutionAnswer) -> str:
    if (execution.status_detail or "").startswith("DerivaMLUploadError"):
        return (
            "The work was done, its outputs did not all arrive: see status_detail. When the cause is gone, on the "
            f"machine that ran it, in the same repository: {commit_command(call, execution.rid)}"
        )
    if execution.workflow and BY_TOOL in (execution.workflow.url or ""):
        return f"A tool could not do what it was asked to. What it had written by then stands in its output {WRITES}."
    return "An error ended it: see status_detail. Correct the cause, commit, and begin again at tier 1."


def _unfinished(call: Call, execution: ExecutionAnswer) -> str:
    """It is at work, or its process ended without a word."""
    left = execution.left_here
    again = call.example("deriva_ml_get_execution", execution_rid=execution.rid)
    if left and left.process_alive:
        return f"It is at work on this machine. Ask again later: {again}"
    if left and left.process_alive is False:
        return "Its process on this machine ended without a word, so nothing will come of it. Run it again."
    quiet = datetime.now(UTC) - datetime.fromisoformat(execution.changed)
    if quiet > QUIET:
        hours = int(quiet / timedelta(hours=1))
        return (
            f"Nothing was noted for {f'{hours // 24} days' if hours >= 48 else f'{hours} h'}. Look on the machine that "
            "runs it whether its process is alive; if not, run it again."
        )
    return f"Ask again later: {again}"

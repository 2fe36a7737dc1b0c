"""What happens before an execution can start: everything checked, a row made, the circumstances noted."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deriva_ml.core.definitions import ExecMetadataType, MLAsset
from deriva_ml.execution.execution_configuration import ExecutionConfiguration
from deriva_ml.execution.workflow import Workflow as ReleasedWorkflow

from deriva_ml_kit.mainline.catalog.rows import Row, insert_once
from deriva_ml_kit.mainline.catalog.single import refuse_snapshot, row_of
from deriva_ml_kit.mainline.dataset.spec import refuse_in_development
from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError, listed
from deriva_ml_kit.mainline.execution import inputs
from deriva_ml_kit.mainline.execution.environment import environment
from deriva_ml_kit.mainline.execution.status import ExecutionStatus
from deriva_ml_kit.mainline.execution.upload import files_below
from deriva_ml_kit.mainline.workflow import types
from deriva_ml_kit.mainline.workflow.workflow import types_of

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.execution.registering import Registering
    from deriva_ml_kit.mainline.ml import DerivaML

# Names a file to which every execution that is begun adds a line; who starts programs learns from it what they made.
NOTED = "DERIVA_ML_KIT_EXECUTIONS"


def check(ml: DerivaML, configuration: ExecutionConfiguration, *, dry_run: bool) -> None:
    """Everything that can be known to fail, before anything is written.

    Raises:
        Faults: Inputs that do not exist.
        DerivaMLException: No workflow, no such type of workflows, or a snapshot.
    """
    workflow = configuration.workflow
    if workflow is None:
        raise DerivaMLConfigurationError(
            "The execution names no workflow.",
            remedy="ml.create_execution(configuration, workflow=ml.create_workflow(name, workflow_type))",
        )
    if not dry_run:
        refuse_snapshot(ml)
    if isinstance(workflow, ReleasedWorkflow):
        types.named(ml, types_of(workflow))
    else:
        row_of(ml, "Workflow", workflow)
    refuse_in_development(configuration.datasets)
    inputs.check(ml, configuration)


def record(ml: DerivaML, configuration: ExecutionConfiguration) -> tuple[str, str]:
    """Make an execution's row, once even where the server's answer is lost; gives RIDs of workflow and execution."""
    workflow = configuration.workflow
    workflow_rid = ml.add_workflow(workflow) if isinstance(workflow, ReleasedWorkflow) else str(workflow)
    row: Row = {
        "Description": _description(configuration),
        "Workflow": workflow_rid,
        "Status": ExecutionStatus.Created.value,
    }
    execution_rid = str(insert_once(ml.catalog, ml.ml_schema, "Execution", [row])[0]["RID"])
    if note := os.environ.get("DERIVA_ML_SAVE_EXECUTION_RID"):
        facts = {"hostname": ml.host_name, "catalog_id": ml.catalog_id}
        facts |= {"workflow_rid": workflow_rid, "execution_rid": execution_rid, "working_dir": str(ml._working_root)}
        Path(note).write_text(json.dumps(facts), encoding="utf-8")
    if noted := os.environ.get(NOTED):
        with Path(noted).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"catalog_id": str(ml.catalog_id), "execution_rid": execution_rid}) + "\n")
    return workflow_rid, execution_rid


def _description(configuration: ExecutionConfiguration) -> str:
    text = str(configuration.description)
    dirty = getattr(configuration.workflow, "dirty_paths", [])
    return f"{text}\n\nRun with uncommitted changes in: {listed(dirty, 50)}".strip() if dirty else text


def stage_metadata(execution: Registering) -> None:
    """Register what is recorded about every execution: configuration, locked dependencies, environment."""
    config_type, table = ExecMetadataType.execution_config.value, MLAsset.execution_metadata.value
    configuration = execution.configuration
    document = configuration.model_dump(mode="json", serialize_as_any=True)
    path = execution.asset_file_path(table, "configuration.json", config_type)
    Path(path).write_text(json.dumps(document), encoding="utf-8")
    git_root = getattr(configuration.workflow, "git_root", None)
    if git_root and (lock := Path(git_root) / "uv.lock").exists():
        execution.asset_file_path(table, lock, config_type)
    if hydra := execution.catalog.hydra_runtime_output_dir:
        for file in files_below(Path(hydra)):
            execution.asset_file_path(table, file, config_type, rename_file=f"hydra-{Path(hydra).name}-{file.name}")
    name = f"environment_snapshot_{datetime.now():%Y%m%d_%H%M%S}.txt"
    path = execution.asset_file_path(table, name, ExecMetadataType.runtime_env.value)
    Path(path).write_text(json.dumps(environment(), default=str), encoding="utf-8")

"""Prediction logs into the catalog, as outputs of an execution whose inputs are the models that answered."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaML, Workflow
from deriva_ml_kit.ops.kinds import AssetType, WorkflowType
from deriva_ml_kit.ops.operation import operation
from deriva_ml_kit.ops.serving.log import UPLOADED, adopt, closed

PROGRAM = ("Store prediction logs", WorkflowType.PREDICTION, __name__)


def upload_logs(
    ml: DerivaML, folder: Path, *, workflow: Workflow | None = None, dry_run: bool = False
) -> dict[str, str | None]:
    """Store the closed files of a log; they are moved to `uploaded/` when the catalog has them.

    Args:
        ml: The catalog.
        folder: The log. A server may be at work on it: its open file is left alone.
        workflow: Of a script; this module where not given.
        dry_run: Write nothing.

    Returns:
        File name to RID of its asset; None in a dry run.

    Raises:
        UsageError: There is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.")
    adopt(folder)
    files = closed(folder)
    if not files:
        return {}
    models = sorted({rid for file in files for rid in _models(file)})
    what = f"{len(files)} prediction logs of {', '.join(models)}"
    program = None if workflow else PROGRAM
    with operation(ml, what, workflow=workflow, program=program, assets=models, dry_run=dry_run) as doing:
        for file in files:
            shutil.copyfile(file, doing.file(file.name, AssetType.PREDICTION_LOG))
    if not dry_run:
        (folder / UPLOADED).mkdir(exist_ok=True)
        for file in files:
            file.rename(folder / UPLOADED / file.name)
    return {file.name: doing.rids.get(file.name) for file in files}


def _models(file: Path) -> set[str]:
    with file.open(encoding="utf-8") as lines:
        return {str(json.loads(line)["model_rid"]) for line in lines}

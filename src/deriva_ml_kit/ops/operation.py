"""An operation: an execution of one of our commands, or of a project's script, with its inputs and documents."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deriva_ml_kit.mainline import Asset, DerivaML, Execution, Workflow
from deriva_ml_kit.mainline.execution.fetching import record
from deriva_ml_kit.mainline.workflow.installed import installed_program
from deriva_ml_kit.ops.documents import Document
from deriva_ml_kit.ops.kinds import MODELS, AssetType, WorkflowType


class Operation:
    """What an operation reads and writes.

    Attributes:
        execution: Its execution.
        dry_run: Whether nothing is written.
        rids: File name to RID of each output; known after the commit, empty in a dry run.
    """

    def __init__(self, execution: Execution, *, dry_run: bool = False) -> None:
        self.execution = execution
        self.dry_run = dry_run
        self.rids: dict[str, str] = {}

    @property
    def rid(self) -> str:
        """RID of the execution."""
        return str(self.execution.execution_rid)

    def uses(self, *assets: Asset) -> None:
        """Note files as inputs without fetching them: what is only referred to may be large."""
        if not self.dry_run:
            record(self.execution.catalog, self.rid, assets)

    def file(self, name: str, kind: AssetType) -> Path:
        """The path to write an output file to."""
        return Path(self.execution.asset_file_path(MODELS, name, asset_types=str(kind)))

    def keep(self, document: Document, name: str) -> Path:
        """Write a document as an output."""
        path = self.file(name, document.KIND)
        path.write_text(document.text(), encoding="utf-8")
        return path


@contextmanager
def operation(
    ml: DerivaML,
    what: str,
    *,
    workflow: Workflow | None = None,
    program: tuple[str, WorkflowType, str] | None = None,
    datasets: Collection[Any] = (),
    assets: Collection[str] = (),
    dry_run: bool = False,
) -> Iterator[Operation]:
    """An execution that is committed at the end; where the work fails, it is Failed.

    Args:
        ml: The catalog.
        what: What is done and why, for people.
        workflow: Of a script in the project's repository.
        program: Or name, type and module (`__name__`) of a program of this package.
        datasets: Inputs, `RID@VERSION` or DatasetSpec.
        assets: RIDs of input files.
        dry_run: Write nothing.
    """
    if workflow is None:
        if program is None:
            raise TypeError("operation() needs a workflow or a program")
        name, kind, module = program
        workflow = installed_program(ml, name, str(kind), module=module)
    execution = ml.create_execution(
        datasets=list(datasets), assets=list(assets), description=what, workflow=workflow, dry_run=dry_run
    )
    doing = Operation(execution, dry_run=dry_run)
    with execution:
        yield doing
    execution.commit_output_assets()
    for files in execution.uploaded_assets.values():
        doing.rids.update({file.file_name: str(file.asset_rid) for file in files})

"""What a DerivaML does with executions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.dataset.aux_classes import DatasetSpec as ReleasedSpec
from deriva_ml.execution.execution_configuration import ExecutionConfiguration
from deriva_ml.execution.workflow import Workflow as ReleasedWorkflow

from deriva_ml_kit.mainline.dataset.dataset import DatasetSpec
from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError
from deriva_ml_kit.mainline.execution.execution import Execution, restored
from deriva_ml_kit.mainline.execution.leftovers import pending
from deriva_ml_kit.mainline.execution.report import UploadReport

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


class ExecutionMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML does with executions."""

    def create_execution(
        self: DerivaML,
        configuration: ExecutionConfiguration | None = None,
        *,
        datasets: Iterable[ReleasedSpec | str] | None = None,
        assets: Iterable[str] | None = None,
        workflow: ReleasedWorkflow | str | None = None,
        description: str | None = None,
        dry_run: bool = False,
    ) -> Execution:
        """Start an execution: check and fetch its inputs, record it.

        Args:
            configuration: Inputs and description together, instead of the next four.
            datasets: Datasets, as DatasetSpec or `RID@VERSION`.
            assets: RIDs of assets.
            workflow: Workflow or its RID.
            description: What the run is for.
            dry_run: Check and fetch, but write nothing.
        """
        parts = {"datasets": datasets, "assets": assets, "description": description}
        if configuration is None:
            configuration = ExecutionConfiguration(
                datasets=[DatasetSpec.from_shorthand(d) if isinstance(d, str) else d for d in datasets or []],
                assets=list(assets or []),
                description=description or "",
            )
        elif twice := [name for name, value in parts.items() if value is not None]:
            raise DerivaMLConfigurationError(f"{', '.join(twice)} stand in the configuration, and are given again.")
        return Execution(configuration, self, workflow=workflow, dry_run=dry_run)

    def resume_execution(self: DerivaML, execution_rid: str) -> Execution:
        """An execution that a process left behind in this working directory, ready for `commit_output_assets`.

        What that process had registered is taken over; what it had already uploaded is not sent again. Inputs are not
        fetched again. (The release's `restore_execution` fetches all of them.)

        Raises:
            DerivaMLExecutionError: The working directory holds nothing of it.
        """
        return restored(self, execution_rid)

    def restore_execution(self: DerivaML, execution_rid: str | None = None) -> Execution:
        """The release's name for `resume_execution`; without a RID, the only one that is left behind."""
        left = pending(self.working_dir)
        if execution_rid is None and len(left) != 1:
            raise DerivaMLConfigurationError(f"Say which execution: {', '.join(left) or 'none is left behind'}.")
        return restored(self, execution_rid or left[0])

    def commit_pending_executions(
        self: DerivaML, *, execution_rids: Iterable[str] | None = None, clean_folder: bool | None = None
    ) -> UploadReport:
        """Commit what earlier processes have left behind in this working directory, but not what still runs.

        Args:
            execution_rids: Which; all where not given.
            clean_folder: As for `Execution.commit_output_assets`.
        """
        report = UploadReport([])
        for rid in execution_rids if execution_rids is not None else pending(self.working_dir):
            report.add(self.resume_execution(rid).commit_output_assets(clean_folder=clean_folder))
        return report

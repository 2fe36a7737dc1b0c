"""What a DerivaML does with executions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.core.definitions import FileSpec
from deriva_ml.dataset.aux_classes import DatasetSpec as ReleasedSpec
from deriva_ml.execution.execution_configuration import ExecutionConfiguration
from deriva_ml.execution.workflow import Workflow as ReleasedWorkflow

from deriva_ml_kit.mainline.catalog.rids import tables_of
from deriva_ml_kit.mainline.catalog.rows import any_of, table_name
from deriva_ml_kit.mainline.catalog.single import Sort, row_of
from deriva_ml_kit.mainline.dataset.spec import DatasetSpec
from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError, DerivaMLDataError, DerivaMLNotFoundError
from deriva_ml_kit.mainline.execution.audit import ProvenanceAuditReport, audit_provenance
from deriva_ml_kit.mainline.execution.execution import Execution, restored
from deriva_ml_kit.mainline.execution.finding import execution_rows
from deriva_ml_kit.mainline.execution.leftovers import pending
from deriva_ml_kit.mainline.execution.lineage import LineageResult, lookup_lineage
from deriva_ml_kit.mainline.execution.record import ExecutionRecord, MultirunStatusSummary, records
from deriva_ml_kit.mainline.execution.report import UploadReport
from deriva_ml_kit.mainline.execution.snapshot import FINAL, ExecutionSnapshot, forget, snapshots
from deriva_ml_kit.mainline.execution.status import AnyStatus, read

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.dataset.dataset import Dataset
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

    def list_executions(
        self: DerivaML,
        *,
        status: AnyStatus | list[AnyStatus] | None = None,
        workflow_rid: str | None = None,
        mode: str | None = None,
        since: datetime | None = None,
    ) -> list[ExecutionSnapshot]:
        """The executions that this working directory holds something of; the catalog is not asked.

        What was committed leaves nothing behind, unless it was told to.

        Args:
            status: Only with this status, or one of these.
            workflow_rid: Only of this workflow.
            mode: Only in this mode; all are `online`.
            since: Only those in which something happened since.
        """
        found = snapshots(self.working_dir, status=status, workflow_rid=workflow_rid, since=since)
        return [each for each in found if mode in (None, each.mode)]

    def find_incomplete_executions(self: DerivaML) -> list[ExecutionSnapshot]:
        """The executions of this working directory that are neither complete nor given up."""
        return [each for each in self.list_executions() if each.status not in FINAL]

    def add_files(
        self: DerivaML,
        files: Iterable[FileSpec],
        execution_rid: str,
        dataset_types: str | list[str] | None = None,
        description: str = "",
        chunk_size: int = 500,
        *,
        root_name: str | None = None,
    ) -> Dataset:
        """Record files that stay where they are, as datasets that mirror their folders.

        Args:
            files: The files.
            execution_rid: Execution that they come from.
            dataset_types: Terms of Dataset_Type.
            description: What they are.
            chunk_size: Accepted for main line's sake: the release sends the files of a folder at once.
            root_name: Description of the topmost dataset.
        """
        made = self.lookup_dataset(super().add_files(files, dataset_types, description, execution_rid))
        if root_name:
            made.description = root_name
        return made

    def gc_executions(
        self: DerivaML,
        *,
        older_than: timedelta | None = None,
        status: AnyStatus | list[AnyStatus] | None = None,
        delete_working_dir: bool = False,
    ) -> int:
        """Forget executions of this working directory, but none that another process runs; gives their number.

        Args:
            older_than: Only those in which nothing happened for so long.
            status: Only with this status, or one of these.
            delete_working_dir: Remove their files, too: outputs that are not in the catalog are lost.
        """
        return forget(self.working_dir, older_than=older_than, status=status, delete_working_dir=delete_working_dir)

    def lookup_execution(self: DerivaML, execution_rid: str) -> ExecutionRecord:
        """The record of an execution.

        Raises:
            DerivaMLNotFoundError: No such execution.
        """
        return records(self, [row_of(self, "Execution", execution_rid)])[0]

    def find_executions(  # noqa: PLR0917  (main line's signature)
        self: DerivaML,
        workflow: ReleasedWorkflow | str | None = None,
        workflow_type: str | None = None,
        status: AnyStatus | None = None,
        sort: Sort = None,
        dataset: str | ReleasedSpec | None = None,
        dataset_role: str = "any",
    ) -> Iterable[ExecutionRecord]:
        """The executions that fit all that is given, in a few requests however many there are.

        Args:
            workflow: What ran, or its RID.
            workflow_type: A term of Workflow_Type.
            status: How far they are; a word of the release, such as Completed, is understood too.
            sort: True for the newest first; or a function from the path of the table to one or several sort keys.
            dataset: RID of a dataset that they used or made; a DatasetSpec for that version only.
            dataset_role: `input` for those that used it, `output` for those that made it, `any` for both.

        Raises:
            DerivaMLInvalidTerm: No such workflow type.
            ValueError: No such status or role, or a role without a dataset.
        """
        rows = execution_rows(
            self,
            workflow=workflow,
            workflow_type=workflow_type,
            status=status,
            sort=sort,
            dataset=dataset,
            dataset_role=dataset_role,
        )
        return records(self, rows)

    def find_executions_consuming(self: DerivaML, rid: str) -> list[ExecutionRecord]:
        """The executions that used a dataset or an asset: what depends on it.

        Raises:
            DerivaMLNotFoundError: No such RID.
            DerivaMLDataError: It is neither a dataset nor an asset.
        """
        table = tables_of(self, [rid]).get(rid)
        if table is None:
            raise DerivaMLNotFoundError(f"Catalog {self.catalog_id} on {self.host_name} has no RID {rid}.")
        if table.name == "Dataset" and table.schema.name == self.ml_schema:
            return list(self.find_executions(dataset=rid, dataset_role="input"))
        if self.model.is_asset(table):
            return self.list_asset_executions(rid, "Input")
        raise DerivaMLDataError(f"{rid} is a row of {table.name}; executions use datasets and assets.")

    def multirun_status_summary(self: DerivaML, workflow_rid: str) -> MultirunStatusSummary:
        """How far the executions of a workflow are, such as the runs of a sweep.

        Raises:
            DerivaMLNotFoundError: No such workflow.
        """
        row_of(self, "Workflow", workflow_rid)
        path = f"{table_name(self.ml_schema, 'Execution')}/{any_of('Workflow', [workflow_rid])}"
        rows = self.catalog.get(f"/attribute/{path}/RID,Status").json()
        counts = Counter(read(row["Status"]).value for row in rows)
        return MultirunStatusSummary(workflow_rid=workflow_rid, counts=dict(counts), total=len(rows))

    def lookup_lineage(
        self: DerivaML, rid: str, *, depth: int | None = None, max_executions: int = 500
    ) -> LineageResult:
        """Where something comes from: the execution that made it, its inputs, the executions behind those, and so on.

        Args:
            rid: RID of a dataset, an asset, a feature value or an execution.
            depth: How many generations of executions before the one that made it; all where not given.
            max_executions: At most so many executions.

        Raises:
            DerivaMLNotFoundError: No such RID.
            DerivaMLDataError: It is none of these.
        """
        return lookup_lineage(self, rid, depth=depth, max_executions=max_executions)

    def audit_provenance(self: DerivaML) -> ProvenanceAuditReport:
        """The datasets whose current version no execution has made; deleted ones are left out, nothing is changed."""
        return audit_provenance(self)

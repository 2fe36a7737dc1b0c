"""`Execution`: one run with its inputs, outputs and status.

Differs from the release: a dry run writes nothing, neither to the catalog nor to the working directory; outputs of any
file name are uploaded, counted, and completed after a crash; what cannot succeed is refused before a row is written.

    starting     what is checked, made and noted before it can start
    fetching     its input assets
    consumed     its input datasets
    lifecycle    its status and times
    registering  its outputs, as they are announced
    committing   its outputs, on their way to the catalog
    linked       its record, datasets and nested executions
    leftovers    what another process needs to finish it
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import weakref
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from deriva_ml.core.definitions import DRY_RUN_RID
from deriva_ml.dataset.aux_classes import DatasetSpec
from deriva_ml.dataset.dataset_bag import DatasetBag
from deriva_ml.dataset.upload import execution_root
from deriva_ml.execution.execution_configuration import ExecutionConfiguration
from deriva_ml.execution.workflow import Workflow as ReleasedWorkflow

from deriva_ml_kit.mainline.catalog.rows import said
from deriva_ml_kit.mainline.errors import DerivaMLExecutionError, DerivaMLUploadError
from deriva_ml_kit.mainline.execution import committing, consumed, fetching, leftovers, starting
from deriva_ml_kit.mainline.execution.collection import DatasetCollection
from deriva_ml_kit.mainline.execution.configuration import assets_of
from deriva_ml_kit.mainline.execution.lifecycle import Lifecycle, written
from deriva_ml_kit.mainline.execution.linked import Linked
from deriva_ml_kit.mainline.execution.outputs import AssetFilePath, Register
from deriva_ml_kit.mainline.execution.registering import Registering
from deriva_ml_kit.mainline.execution.report import ProgressCallback, UploadReport
from deriva_ml_kit.mainline.execution.status import ExecutionStatus

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


class Execution(Lifecycle, Registering, Linked):
    """One run of a workflow; use it as a context manager, then call `commit_output_assets`.

    Args:
        configuration: Inputs and description.
        ml_object: The catalog.
        workflow: Workflow or its RID; otherwise the configuration's.
        reload: RID of an execution that an earlier process left behind; its inputs are not fetched again.
        dry_run: Fetch the inputs and run, but write nothing; outputs go to a folder that is removed at the end.

    Attributes:
        asset_paths: The files of its input assets, by asset table.

    Raises:
        Faults: Inputs that do not exist.
        DerivaMLException: Anything else that keeps the execution from starting.
    """

    def __init__(
        self,
        configuration: ExecutionConfiguration,
        ml_object: DerivaML,
        workflow: ReleasedWorkflow | str | None = None,
        reload: str | None = None,
        dry_run: bool = False,
    ) -> None:
        self.configuration = configuration.model_copy()
        self.configuration.workflow = workflow or configuration.workflow
        self._ml_object = ml_object
        self._model = ml_object.model
        self._logger = ml_object._logger
        self._cache_dir = ml_object.cache_dir
        self._dry_run = dry_run or reload == DRY_RUN_RID
        self._asset_terms = {}
        self._bags: list[DatasetBag] = []
        self._uploaded: dict[str, list[AssetFilePath]] = {}
        self.asset_paths: dict[str, list[AssetFilePath]] = {}

        if reload:
            self._working_dir = ml_object.working_dir
            self.workflow_rid, self.execution_rid = str(self.configuration.workflow), reload
        else:
            self.configuration.argv = sys.argv
            starting.check(ml_object, self.configuration, dry_run=self._dry_run)
            self._create()
        self._register = Register(execution_root(self._working_dir, self.execution_rid))
        if not reload:
            self._start()

    def _create(self) -> None:
        """Make the execution's row, or a folder that nobody will see if this is a dry run."""
        if self._dry_run:
            self.workflow_rid = self.execution_rid = DRY_RUN_RID
            self._working_dir = Path(tempfile.mkdtemp(prefix="deriva-ml-dry-run-"))
            self._remove = weakref.finalize(self, shutil.rmtree, self._working_dir, ignore_errors=True)
            return
        self.workflow_rid, self.execution_rid = starting.record(self._ml_object, self.configuration)
        self._working_dir = self._ml_object.working_dir
        # The RID is new, so whatever lies there is of another catalog that had the same address.
        shutil.rmtree(execution_root(self._working_dir, self.execution_rid), ignore_errors=True)

    def _start(self) -> None:
        began = self._created = datetime.now()
        try:
            self._remember()
            self._fetch_datasets()
            self._fetch_assets()
            took = written(datetime.now() - began)
            starting.stage_metadata(self)
            if not self._dry_run:
                self._upload(UploadReport([self.execution_rid]))
                self._register.clear()
                shutil.rmtree(self._asset_root)
        except BaseException as error:
            self._give_up(error)
            raise
        self._started = datetime.now()
        self._note("Pending", "Inputs are there, the execution can start.", {"Download_Duration": took})

    def _fetch_datasets(self) -> None:
        specs = self.configuration.datasets
        if specs and not self._dry_run:
            consumed.note(self._ml_object, self.execution_rid, [(spec.rid, str(spec.version)) for spec in specs])
        for spec in specs:
            self.update_status("Initializing", f"Fetching dataset {spec.rid} {spec.version}")
            self._bags.append(self.download_dataset_bag(spec))

    def _fetch_assets(self) -> None:
        specs = {spec.rid: spec for spec in assets_of(self.configuration)}
        if not specs:
            return
        self.update_status("Initializing", f"Fetching {len(specs)} assets")
        found = fetching.described(self._ml_object, specs)
        for rid, spec in specs.items():
            # A folder for each, since two assets may have the same file name.
            folder = self._register.root / "downloaded-assets" / rid
            path = fetching.fetch(self._ml_object, *found[rid], folder, use_cache=spec.cache)
            self.asset_paths.setdefault(path.asset_name, []).append(path)
        if not self._dry_run:
            fetching.record(self._ml_object, self.execution_rid, [asset for asset, _ in found.values()])

    @property
    def datasets(self) -> DatasetCollection:
        """Its input datasets as bags, by RID or position."""
        return DatasetCollection(self._bags)

    @property
    def dataset_rids(self) -> list[str]:
        """RIDs of its input datasets."""
        return [spec.rid for spec in self.configuration.datasets[: len(self._bags)]]

    @property
    def uploaded_assets(self) -> dict[str, list[AssetFilePath]]:
        """What `commit_output_assets` has uploaded, by `schema/table`."""
        return self._uploaded

    @classmethod
    def from_registry(cls, *, ml_object: DerivaML, execution_rid: str) -> Execution:
        """Main line's name for what `ml.resume_execution` does."""
        return restored(ml_object, execution_rid)

    def download_dataset_bag(self, dataset: DatasetSpec) -> DatasetBag:
        """Download a dataset in a version; with its asset files unless `dataset.materialize` is False."""
        # Without this execution's RID: with it, the release writes a status to the catalog for every single file.
        return self._ml_object.download_dataset_bag(dataset)

    def download_asset(
        self,
        asset_rid: str,
        dest_dir: Path,
        update_catalog: bool = True,
        use_cache: bool = False,
        _asset_table: Any = None,
    ) -> AssetFilePath:
        """Download an asset's file, verified by its checksum, and record it as an input of this execution.

        Args:
            asset_rid: RID of the asset.
            dest_dir: Folder for the file.
            update_catalog: Record the asset as an input.
            use_cache: Keep the file in the cache folder by its checksum, and take it from there if it is there.
        """
        asset, metadata = fetching.described(self._ml_object, [asset_rid])[asset_rid]
        path = fetching.fetch(self._ml_object, asset, metadata, Path(dest_dir), use_cache=use_cache)
        if update_catalog and not self._dry_run:
            fetching.record(self._ml_object, self.execution_rid, [asset])
        return path

    def commit_output_assets(
        self, clean_folder: bool | None = None, progress_callback: ProgressCallback | None = None
    ) -> UploadReport:
        """Upload all registered files and staged feature values, and complete the execution.

        Safe to repeat: what is in the catalog already is not sent again. Works in any thread.

        Args:
            clean_folder: Remove the local files afterwards; by default as DerivaML was told (yes).
            progress_callback: Called after each file.

        Returns:
            What was uploaded; nothing in a dry run.

        Raises:
            DerivaMLUploadError: Something registered did not arrive; its `report` says what did. The local files stay.
        """
        report = UploadReport([self.execution_rid])
        if self._dry_run:
            self._remove()
            return report
        began = datetime.now()
        try:
            committing.refuse_incomplete(self.execution_rid, self._register, report)
            self.update_status(ExecutionStatus.Pending_Upload, "Outputs are on their way to the catalog.")
            try:
                self._uploaded = self._upload(report, progress_callback)
            except requests.RequestException as error:
                report.errors.append(said(error))
            if report.errors:
                raise DerivaMLUploadError(
                    f"Not all outputs of execution {self.execution_rid} are in the catalog:\n  "
                    + "\n  ".join(report.errors[:20]),
                    report=report,
                    remedy="They are kept here. When the cause is gone, complete the upload: "
                    f"ml.resume_execution('{self.execution_rid}').commit_output_assets()",
                )
        except BaseException as error:
            self._give_up(error)
            raise
        took = written(datetime.now() - began)
        done = f"{report.total_uploaded} outputs are in the catalog."
        self._note(ExecutionStatus.Uploaded, done, {"Upload_Duration": took})
        if self._ml_object.clean_execution_dir if clean_folder is None else clean_folder:
            shutil.rmtree(self._register.root, ignore_errors=True)
        return report

    def upload_execution_outputs(self, clean_folder: bool = True) -> dict[str, list[AssetFilePath]]:
        """The release's name for `commit_output_assets`; gives the files by `schema/table`."""
        self.commit_output_assets(clean_folder=clean_folder)
        return self.uploaded_assets

    def _upload(self, report: UploadReport, progress: ProgressCallback | None = None) -> dict[str, list[AssetFilePath]]:
        return committing.send(self._ml_object, self.execution_rid, self._register, report, progress)


def restored(ml: DerivaML, execution_rid: str) -> Execution:
    """An execution that another process left behind, ready to commit what it had registered.

    Raises:
        DerivaMLExecutionError: This working directory holds nothing of it, or it still runs.
    """
    state = leftovers.read(ml.working_dir, execution_rid)
    if state is None:
        raise DerivaMLExecutionError(
            f"{ml.working_dir} holds nothing of execution {execution_rid}: "
            "it was committed, or it ran with another working_dir."
        )
    if state.running_elsewhere:
        raise DerivaMLExecutionError(
            f"Execution {execution_rid} is still running (process {state.pid}).",
            remedy="Wait until it ends, or end it; then try again.",
        )
    configuration = ExecutionConfiguration(workflow=state.workflow_rid, description=state.description)
    taken_over = Execution(configuration, ml, reload=execution_rid)
    taken_over._take_over(state)
    return taken_over

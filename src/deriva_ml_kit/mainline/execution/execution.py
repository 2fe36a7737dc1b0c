"""`Execution`: one run with its inputs, outputs and status.

Differs from the release: a dry run writes nothing, neither to the catalog nor to the working directory; outputs of any
file name are uploaded, counted, and completed after a crash; what cannot succeed is refused before a row is written.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from deriva_ml.core.definitions import DRY_RUN_RID, ExecMetadataType, MLAsset, MLVocab, Status
from deriva_ml.core.exceptions import DerivaMLException, DerivaMLInvalidTerm
from deriva_ml.dataset.aux_classes import DatasetSpec
from deriva_ml.dataset.dataset_bag import DatasetBag
from deriva_ml.dataset.upload import execution_root
from deriva_ml.execution.execution import Execution as ReleasedExecution
from deriva_ml.execution.execution_configuration import ExecutionConfiguration
from deriva_ml.execution.workflow import Workflow as ReleasedWorkflow
from deriva_ml.feature import FeatureRecord

from deriva_ml_kit.mainline.catalog.rows import Row, insert, said, table_name
from deriva_ml_kit.mainline.catalog.single import row_of
from deriva_ml_kit.mainline.errors import (
    DerivaMLConfigurationError,
    DerivaMLExecutionError,
    DerivaMLUploadError,
    listed,
)
from deriva_ml_kit.mainline.execution import committing, inputs, leftovers
from deriva_ml_kit.mainline.execution.environment import environment
from deriva_ml_kit.mainline.execution.leftovers import State
from deriva_ml_kit.mainline.execution.outputs import AssetFilePath, Register, Registered, take
from deriva_ml_kit.mainline.execution.report import ProgressCallback, UploadReport
from deriva_ml_kit.mainline.execution.upload import files_below
from deriva_ml_kit.mainline.feature.staged import stage as stage_features
from deriva_ml_kit.mainline.workflow import types
from deriva_ml_kit.mainline.workflow.workflow import types_of

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

logger = logging.getLogger("deriva_ml_kit")


class Execution(ReleasedExecution):  # type: ignore[misc]  # the release is untyped
    """One run of a workflow; use it as a context manager, then call `commit_output_assets`.

    Args:
        configuration: Inputs and description.
        ml_object: The catalog.
        workflow: Workflow or its RID; otherwise the configuration's.
        reload: RID of an execution that an earlier process left behind; its inputs are not fetched again.
        dry_run: Fetch the inputs and run, but write nothing; outputs go to a folder that is removed at the end.

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
        self._asset_terms: dict[str, str] = {}
        self.asset_paths: dict[str, list[AssetFilePath]] = {}
        self.uploaded_assets: dict[str, list[AssetFilePath]] | None = None
        self.datasets: list[DatasetBag] = []
        self.dataset_rids: list[str] = []
        self.start_time: datetime | None = None
        self.stop_time: datetime | None = None
        self.status = Status.created

        if reload:
            self._working_dir = ml_object.working_dir
            self.workflow_rid, self.execution_rid = str(self.configuration.workflow), reload
        else:
            self.configuration.argv = sys.argv
            self._check()
            self._create()
        self._register = Register(execution_root(self._working_dir, self.execution_rid))
        if not reload:
            self._start()

    def _check(self) -> None:
        """Everything that can be known to fail, before anything is written."""
        workflow = self.configuration.workflow
        if isinstance(workflow, ReleasedWorkflow):
            types.named(self._ml_object, types_of(workflow))
        elif workflow is None:
            raise DerivaMLConfigurationError(
                "The execution names no workflow.",
                remedy="ml.create_execution(configuration, workflow=ml.create_workflow(name, workflow_type))",
            )
        else:
            row_of(self._ml_object, "Workflow", workflow)
        inputs.check(self._ml_object, self.configuration)

    def _create(self) -> None:
        """Make the execution's row, or a folder that nobody will see if this is a dry run."""
        if self._dry_run:
            self.workflow_rid = self.execution_rid = DRY_RUN_RID
            self._working_dir = Path(tempfile.mkdtemp(prefix="deriva-ml-dry-run-"))
            self._remove = weakref.finalize(self, shutil.rmtree, self._working_dir, ignore_errors=True)
            return
        ml, workflow = self._ml_object, self.configuration.workflow
        self.workflow_rid = ml.add_workflow(workflow) if isinstance(workflow, ReleasedWorkflow) else workflow
        row = {"Description": self._description(), "Workflow": self.workflow_rid, "Status": Status.created.value}
        self.execution_rid = insert(ml.catalog, ml.ml_schema, "Execution", [row])[0]["RID"]
        self._working_dir = ml.working_dir
        # The RID is new, so whatever lies there is of another catalog that had the same address.
        shutil.rmtree(execution_root(self._working_dir, self.execution_rid), ignore_errors=True)
        if note := os.environ.get("DERIVA_ML_SAVE_EXECUTION_RID"):
            facts = {"hostname": ml.host_name, "catalog_id": ml.catalog_id}
            facts |= {"workflow_rid": self.workflow_rid, "execution_rid": self.execution_rid}
            Path(note).write_text(json.dumps(facts), encoding="utf-8")

    def _description(self) -> str:
        text = self.configuration.description
        dirty = getattr(self.configuration.workflow, "dirty_paths", [])
        return f"{text}\n\nRun with uncommitted changes in: {listed(dirty, 50)}".strip() if dirty else text

    def _start(self) -> None:
        try:
            state = State.of_this_process(self.execution_rid, self.workflow_rid, self.configuration.description)
            state.write(self._register.root)
            self._fetch_inputs()
            self._stage_metadata()
            if not self._dry_run:
                self._upload(UploadReport([self.execution_rid]))
                self._register.clear()
                shutil.rmtree(self._asset_root)
        except BaseException as error:
            self._give_up(error)
            raise
        self.start_time = datetime.now()
        self.update_status(Status.pending, "Inputs are there, the execution can start.")

    def _fetch_inputs(self) -> None:
        for spec in self.configuration.datasets:
            self.update_status(Status.initializing, f"Fetching dataset {spec.rid} {spec.version}")
            self.datasets.append(self.download_dataset_bag(spec))
            self.dataset_rids.append(spec.rid)
        if self.dataset_rids and not self._dry_run:
            rows: list[Row] = [{"Dataset": rid, "Execution": self.execution_rid} for rid in self.dataset_rids]
            insert(self._ml_object.catalog, self._ml_object.ml_schema, "Dataset_Execution", rows, skip_conflicts=True)
        if self.configuration.assets:
            self.update_status(Status.initializing, f"Fetching {len(self.configuration.assets)} assets")
        for rid in self.configuration.assets:
            # A folder for each, since two assets may have the same file name.
            folder = self._register.root / "downloaded-assets" / str(rid)
            folder.mkdir(parents=True, exist_ok=True)
            path = self.download_asset(rid, folder)
            self.asset_paths.setdefault(path.asset_name, []).append(path)

    def _stage_metadata(self) -> None:
        """Stage what is recorded about every execution: configuration, locked dependencies, environment."""
        config_type, table = ExecMetadataType.execution_config.value, MLAsset.execution_metadata.value
        document = self.configuration.model_dump(mode="json", serialize_as_any=True)
        path = self.asset_file_path(table, "configuration.json", config_type)
        Path(path).write_text(json.dumps(document), encoding="utf-8")
        git_root = getattr(self.configuration.workflow, "git_root", None)
        if git_root and (lock := Path(git_root) / "uv.lock").exists():
            self.asset_file_path(table, lock, config_type)
        if hydra := self._ml_object.hydra_runtime_output_dir:
            for file in files_below(Path(hydra)):
                self.asset_file_path(table, file, config_type, rename_file=f"hydra-{Path(hydra).name}-{file.name}")
        name = f"environment_snapshot_{datetime.now():%Y%m%d_%H%M%S}.txt"
        path = self.asset_file_path(table, name, ExecMetadataType.runtime_env.value)
        Path(path).write_text(json.dumps(environment(), default=str), encoding="utf-8")

    def download_dataset_bag(self, dataset: DatasetSpec) -> DatasetBag:
        """Download a dataset in a version; with its asset files unless `dataset.materialize` is False."""
        # Without this execution's RID: with it, the release writes a status to the catalog for every single file.
        return self._ml_object.download_dataset_bag(dataset)

    def download_asset(self, asset_rid: str, dest_dir: Path, update_catalog: bool = True) -> AssetFilePath:
        """Download an asset's file, verified by its checksum, and record it as an input of this execution.

        Args:
            asset_rid: RID of the asset.
            dest_dir: Folder for the file.
            update_catalog: Record the asset as an input.
        """
        recorded = update_catalog and not self._dry_run
        path = super().download_asset(asset_rid, Path(dest_dir), recorded)
        return AssetFilePath(
            asset_path=str(path),
            asset_name=path.asset_name,
            file_name=path.name,
            asset_metadata=path.asset_metadata,
            asset_types=path.asset_types,
            asset_rid=asset_rid,
        )

    def asset_file_path(  # noqa: PLR0917  (main line's signature)
        self,
        asset_name: str,
        file_name: str | Path,
        asset_types: list[str] | str | None = None,
        copy_file: bool = False,
        rename_file: str | None = None,
        metadata: dict[str, Any] | None = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> AssetFilePath:
        """Announce an output file and get the path to write it to; `commit_output_assets` uploads it.

        Args:
            asset_name: Asset table.
            file_name: Name of the new file, any name; or the path of an existing file, which is linked or copied.
            asset_types: Terms of Asset_Type; the table's name where not given.
            copy_file: Copy an existing file instead of linking to it.
            rename_file: Name in the catalog for an existing file.
            metadata: Values of the asset table's further columns; those not given stay NULL.
            description: Value of its Description column.
            **kwargs: Further columns, as in `metadata`.

        Raises:
            DerivaMLConfigurationError: No asset table, or no such columns.
            DerivaMLInvalidTerm: No such asset type.
        """
        if not self._model.is_asset(asset_name):
            raise DerivaMLConfigurationError(f"{asset_name} is not an asset table.")
        table = self._model.name_to_table(asset_name)
        given = asset_types or kwargs.pop("Asset_Type", None) or asset_name
        types = [self._asset_term(term) for term in ([given] if isinstance(given, str) else given)]
        values = {**(metadata or {}), **kwargs} | ({"Description": description} if description else {})
        columns = self._model.asset_metadata(table) | {"Description"}
        if unknown := sorted(values.keys() - columns):
            raise DerivaMLConfigurationError(
                f"{asset_name} has no column {', '.join(unknown)}; "
                f"its metadata columns are {', '.join(sorted(columns))}."
            )
        source = Path(file_name)
        existing = source.is_file()
        name = rename_file if existing and rename_file else source.name
        path = self._register.place(table.schema.name, table.name, name, values)
        if existing:
            take(source, path, copy=copy_file)
        relative = path.relative_to(self._register.root).as_posix()
        self._register.add(Registered(f"{table.schema.name}/{table.name}", relative, name, types, values))
        return AssetFilePath(
            asset_path=str(path), asset_name=table.name, file_name=name, asset_metadata=values, asset_types=types
        )

    def _asset_term(self, name: str) -> str:
        """Name of an asset type, also by a synonym; the vocabulary is read once, and again when a name is new."""
        if name not in self._asset_terms:
            for term in self._ml_object.list_vocabulary_terms(MLVocab.asset_type):
                self._asset_terms |= dict.fromkeys([term.name, *(term.synonyms or [])], term.name)
        if name not in self._asset_terms:
            raise DerivaMLInvalidTerm(MLVocab.asset_type.value, name)
        return self._asset_terms[name]

    def add_features(self, features: Iterable[FeatureRecord]) -> int:
        """Stage feature values, of one feature or several; `commit_output_assets` sends them.

        Args:
            features: Records; an iterator is read once and never held as a whole.

        Returns:
            How many there were.

        Raises:
            ValueError: There were none.
        """
        schema = self._ml_object.domain_schema
        count = stage_features(self._working_dir, schema, self.execution_rid, features)
        if not count:
            raise ValueError("add_features got no records")
        return count

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
        try:
            committing.refuse_incomplete(self.execution_rid, self._register, report)
            self.update_status(Status.running, "Uploading outputs")
            try:
                self.uploaded_assets = self._upload(report, progress_callback)
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
        self.update_status(Status.completed, f"{report.total_uploaded} outputs are in the catalog.")
        if self._ml_object.clean_execution_dir if clean_folder is None else clean_folder:
            shutil.rmtree(self._register.root, ignore_errors=True)
        return report

    def upload_execution_outputs(self, clean_folder: bool = True) -> dict[str, list[AssetFilePath]]:
        """The release's name for `commit_output_assets`; gives the files by `schema/table`."""
        self.commit_output_assets(clean_folder=clean_folder)
        return self.uploaded_assets or {}

    def _upload(self, report: UploadReport, progress: ProgressCallback | None = None) -> dict[str, list[AssetFilePath]]:
        return committing.send(self._ml_object, self.execution_rid, self._register, report, progress)

    def update_status(self, status: Status, msg: str = "", *, error: str | None = None) -> None:
        """Record a status and what it means; a dry run only remembers it.

        Args:
            status: New status.
            msg: One line for a person.
            error: What went wrong, instead of `msg`.
        """
        self.status = Status(status)
        self._logger.info(error or msg)
        if self._dry_run:
            return
        ml = self._ml_object
        path = f"/attributegroup/{table_name(ml.ml_schema, 'Execution')}/RID;Status,Status_Detail"
        ml.catalog.put(
            path, json=[{"RID": self.execution_rid, "Status": self.status.value, "Status_Detail": error or msg}]
        )

    def _give_up(self, error: BaseException) -> None:
        """Record why the execution ends here; the error itself matters more than whether this works."""
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
        status = Status.aborted if interrupted else Status.failed
        try:
            self.update_status(status, error="interrupted" if interrupted else f"{type(error).__name__}: {said(error)}")
        except (requests.RequestException, DerivaMLException, OSError) as second:
            logger.warning("the status of execution %s could not be recorded: %s", self.execution_rid, said(second))

    def __exit__(self, exc_type: Any, exc_value: Any, exc_tb: Any) -> bool:
        if exc_value is None:
            self.execution_stop()
            return True
        self._give_up(exc_value)
        return False


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
    State.of_this_process(execution_rid, state.workflow_rid, state.description).write(taken_over.working_dir)
    return taken_over

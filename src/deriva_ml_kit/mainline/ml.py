"""`DerivaML`: the connection to one catalog, with main line's names on the release.

Everything that the release does well is inherited; what is here differs (see the methods). `pathBuilder` is a property,
as in the release; in main line it is a method.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deriva.core import get_credential
from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.core.definitions import MLVocab
from deriva_ml.core.exceptions import DerivaMLTableTypeError
from deriva_ml.dataset.aux_classes import DatasetSpec as ReleasedSpec
from deriva_ml.dataset.dataset_bag import DatasetBag
from deriva_ml.execution.execution_configuration import ExecutionConfiguration
from deriva_ml.execution.workflow import Workflow as ReleasedWorkflow
from deriva_ml.feature import FeatureRecord

from deriva_ml_kit import local
from deriva_ml_kit.mainline.bag import open_bag
from deriva_ml_kit.mainline.connection import explained, not_for_ml, reachable
from deriva_ml_kit.mainline.dataset import Dataset, DatasetSpec
from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError, DerivaMLNotFoundError
from deriva_ml_kit.mainline.execution import Execution, restored
from deriva_ml_kit.mainline.leftovers import pending
from deriva_ml_kit.mainline.paths import Model
from deriva_ml_kit.mainline.records import record_class
from deriva_ml_kit.mainline.report import UploadReport
from deriva_ml_kit.mainline.rows import any_of, table_name
from deriva_ml_kit.mainline.workflow import Workflow, unchanged_environment


class DerivaML(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """A DerivaML catalog.

    For a catalog on this machine (`localhost:PORT`), trust in its certificate and a login are found by themselves.

    Args:
        hostname: Host, with a port where it is not 443.
        catalog_id: Number or alias.
        domain_schemas: Schema of the domain's own tables; found by itself where there is only one.
        default_schema: Which of several is meant; the release works with one.
        project_name: Name of the project; the domain schema's where not given.
        cache_dir: Where downloaded bags are kept; in the working directory where not given.
        working_dir: Where executions keep their files; `~/.deriva-ml/<host>/<catalog>` where not given. The release
            adds the user's name and `deriva-ml` to it.
        hydra_runtime_output_dir: Hydra's output folder, recorded with executions.
        ml_schema: Schema of DerivaML's tables.
        logging_level: Level of the `deriva_ml` logger.
        deriva_logging_level: Level of the libraries below it.
        credential: Instead of the one that `deriva-local login` or `deriva-globus-auth-utils login` has stored.
        use_minid: Publish downloaded bags as MINIDs, which needs S3.
        clean_execution_dir: Remove an execution's local files once they are committed.
        check_auth: Ask the host who is logged in, first of all.

    Raises:
        DerivaMLConfigurationError: Nothing answers there, or it is no DerivaML catalog.
        DerivaMLAuthenticationError: Nobody is logged in, or without a right to this catalog.
    """

    model: Model

    def __init__(  # noqa: PLR0917  (main line's signature)
        self,
        hostname: str,
        catalog_id: str | int,
        domain_schemas: str | set[str] | None = None,
        default_schema: str | None = None,
        project_name: str | None = None,
        cache_dir: str | Path | None = None,
        working_dir: str | Path | None = None,
        hydra_runtime_output_dir: str | Path | None = None,
        ml_schema: str = "deriva-ml",
        logging_level: int = logging.WARNING,
        deriva_logging_level: int = logging.WARNING,
        credential: Any = None,
        use_minid: bool | None = None,
        clean_execution_dir: bool = True,
        *,
        check_auth: bool = True,
    ) -> None:
        self.clean_execution_dir = clean_execution_dir
        self._execution = None
        self._local = local.is_local(hostname)
        if self._local:
            local.prepare(hostname)
        reachable(hostname)
        self._working_root = Path(working_dir) if working_dir else _default_working_dir(hostname, catalog_id)
        handlers = logging.getLogger().handlers[:]
        try:
            super().__init__(
                hostname,
                catalog_id,
                domain_schema=_one_schema(domain_schemas, default_schema),
                project_name=project_name,
                cache_dir=cache_dir,
                working_dir=self._working_root,
                hydra_runtime_output_dir=hydra_runtime_output_dir,
                ml_schema=ml_schema,
                logging_level=logging_level,
                deriva_logging_level=deriva_logging_level,
                credential=credential or get_credential(hostname),
                use_minid=bool(use_minid),
                check_auth=check_auth,
            )
        except Exception as error:
            raise explained(error, hostname, catalog_id) from error
        finally:
            # The release configures the root logger; that is for programs to decide.
            logging.getLogger().handlers[:] = handlers
        if ml_schema not in self.model.schemas:
            raise not_for_ml(hostname, catalog_id, ml_schema)
        self.model = self._model = Model(self.model.model, ml_schema, self.model.domain_schema)

    def __del__(self) -> None:
        """Nothing: the release would mark a failed execution as aborted here, and does so over the network."""

    def _get_session_config(self) -> dict[str, Any]:  # the release calls it on the instance
        config: dict[str, Any] = super()._get_session_config()
        # Its pauses between attempts are for networks: seconds to minutes.
        return config | {"retry_backoff_factor": 0.1} if self._local else config

    # -- workflows

    def create_workflow(
        self, name: str, workflow_type: str | list[str], description: str = "", *, allow_dirty: bool = False
    ) -> Workflow:
        """Describe the running script as a workflow; `create_execution` records it.

        Args:
            name: Name for people.
            workflow_type: Term of Workflow_Type; the release stores one.
            description: What it does.
            allow_dirty: Accept uncommitted changes, and record which files they are in.

        Raises:
            DerivaMLInvalidTerm: No such workflow type.
            DerivaMLDirtyWorkflowError: The repository has uncommitted changes.
            DerivaMLWorkflowError: There is no script, repository or commit.
        """
        types = [workflow_type] if isinstance(workflow_type, str) else workflow_type
        if len(types) != 1:
            raise DerivaMLConfigurationError(f"A workflow has one type here, not {len(types)}: {', '.join(types)}.")
        term = self.lookup_term(MLVocab.workflow_type, types[0])
        return Workflow(name=name, workflow_type=term.name, description=description, allow_dirty=allow_dirty)

    def list_workflows(self) -> list[ReleasedWorkflow]:
        """All workflows of the catalog."""
        with unchanged_environment("SETUPTOOLS_USE_DISTUTILS"):
            found: list[ReleasedWorkflow] = super().list_workflows()
        return found

    # -- executions

    def create_execution(
        self,
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

    def resume_execution(self, execution_rid: str) -> Execution:
        """An execution that a process left behind in this working directory, ready for `commit_output_assets`.

        What that process had registered is taken over; what it had already uploaded is not sent again. Inputs are not
        fetched again. (The release's `restore_execution` fetches all of them.)

        Raises:
            DerivaMLExecutionError: The working directory holds nothing of it.
        """
        return restored(self, execution_rid)

    def restore_execution(self, execution_rid: str | None = None) -> Execution:
        """The release's name for `resume_execution`; without a RID, the only one that is left behind."""
        left = pending(self.working_dir)
        if execution_rid is None and len(left) != 1:
            raise DerivaMLConfigurationError(f"Say which execution: {', '.join(left) or 'none is left behind'}.")
        return restored(self, execution_rid or left[0])

    def commit_pending_executions(
        self, *, execution_rids: Iterable[str] | None = None, clean_folder: bool | None = None
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

    # -- features

    def feature_record_class(self, table: Any, feature_name: str) -> type[FeatureRecord]:
        """The class of a feature's records; boolean columns take booleans."""
        return record_class(self.lookup_feature(table, feature_name))

    # -- datasets

    def lookup_dataset(self, dataset: str | ReleasedSpec, deleted: bool = False) -> Dataset:
        """A dataset by its RID.

        Args:
            dataset: RID, or a DatasetSpec (whose version is not looked at).
            deleted: Find it also if it is marked as deleted.

        Raises:
            DerivaMLNotFoundError: The catalog has no dataset of that RID.
        """
        rid = dataset if isinstance(dataset, str) else dataset.rid
        rows = self.catalog.get(f"/entity/{table_name(self.ml_schema, 'Dataset')}/{any_of('RID', [rid])}").json()
        if not rows or (rows[0]["Deleted"] and not deleted):
            raise DerivaMLNotFoundError(f"Catalog {self.catalog_id} on {self.host_name} has no dataset {rid}.")
        return Dataset(self, rid, rows[0]["Description"] or "")

    def download_dataset_bag(self, dataset: ReleasedSpec, execution_rid: str | None = None) -> DatasetBag:
        """Download a dataset in a version; with its asset files if `dataset.materialize`.

        The release makes folders in the home directory here, and fails where there are several domain schemas or a
        boolean is NULL.
        """
        if not self._is_dataset_rid(dataset.rid):
            raise DerivaMLTableTypeError("Dataset", dataset.rid)
        as_it_was = self.catalog_snapshot(self._version_snapshot(dataset))
        order = self._get_dataset_minid(dataset, snapshot_catalog=as_it_was)
        path = (
            self._materialize_dataset_bag(order, execution_rid=execution_rid)
            if dataset.materialize
            else self._download_dataset_minid(order)
        )
        return open_bag(order, path)

    def catalog_snapshot(self, version_snapshot: str) -> DerivaML:
        """The catalog as it was, read-only, with the same local folders.

        Args:
            version_snapshot: Catalog and snapshot, such as `1@2TA-…`.
        """
        return DerivaML(
            self.host_name,
            version_snapshot,
            default_schema=self.domain_schema,
            cache_dir=self.cache_dir,
            working_dir=self._working_root,
            ml_schema=self.ml_schema,
            credential=self.credential,
            check_auth=False,
        )


def _one_schema(domain_schemas: str | set[str] | None, default_schema: str | None) -> str | None:
    named = {domain_schemas} if isinstance(domain_schemas, str) else set(domain_schemas or ())
    if default_schema or len(named) < 2:
        return default_schema or next(iter(named), None)
    raise DerivaMLConfigurationError(
        f"Several domain schemas are named: {', '.join(sorted(named))}.", remedy="Say which one with default_schema=…"
    )


def _default_working_dir(hostname: str, catalog_id: str | int) -> Path:
    """A folder for each catalog: RIDs of different catalogs may be the same."""
    return Path.home() / ".deriva-ml" / hostname.replace(":", "_") / str(catalog_id)

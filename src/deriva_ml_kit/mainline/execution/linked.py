"""What an execution is linked with: its record, its inputs, the datasets that it makes, the executions in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from deriva_ml.core.filespec import FileSpec
from deriva_ml.dataset.aux_classes import DatasetVersion
from deriva_ml.execution.execution import Execution as ReleasedExecution

from deriva_ml_kit.mainline.dataset.dataset import Dataset
from deriva_ml_kit.mainline.errors import DerivaMLExecutionError
from deriva_ml_kit.mainline.execution import consumed, nested
from deriva_ml_kit.mainline.execution.record import ExecutionRecord

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.asset.asset import Asset
    from deriva_ml_kit.mainline.ml import DerivaML


class Linked(ReleasedExecution):  # type: ignore[misc]  # the release is untyped
    """The links of an execution in its catalog; a dry run has none."""

    execution_rid: str
    _ml_object: DerivaML
    _dry_run: bool

    @property
    def execution_record(self) -> ExecutionRecord | None:
        """Its record in the catalog, as it is now; None in a dry run."""
        return None if self._dry_run else self._ml_object.lookup_execution(self.execution_rid)

    def create_dataset(
        self,
        dataset_types: str | list[str] | None = None,
        version: DatasetVersion | str | None = None,
        description: str = "",
    ) -> Dataset:
        """Make a dataset that this execution is the origin of.

        Args:
            dataset_types: Terms of Dataset_Type.
            version: Its first version; 0.1.0 where not given. (The release has the description in this place; a text
                that is no version is taken for it.)
            description: What it is.

        Raises:
            DerivaMLInvalidTerm: No such type.
            DerivaMLExecutionError: This is a dry run.
        """
        self._refuse_dry_run("make a dataset")
        return Dataset.create_dataset(self._ml_object, self.execution_rid, dataset_types, description, version)

    def add_dataset_members(self, dataset_rid: Any, members: Any, **kwargs: Any) -> Any:
        """The release's call: add members to a dataset, which makes a new version. See `Dataset.add_dataset_members`.

        Raises:
            DerivaMLExecutionError: This is a dry run.
        """
        self._refuse_dry_run("add members to a dataset")
        return super().add_dataset_members(getattr(dataset_rid, "dataset_rid", dataset_rid), members, **kwargs)

    def increment_dataset_version(self, dataset_rid: Any, component: Any, description: str = "") -> Any:
        """The release's call: make a new version of a dataset and of those it belongs to.

        Raises:
            DerivaMLExecutionError: This is a dry run.
        """
        self._refuse_dry_run("make a version of a dataset")
        rid = getattr(dataset_rid, "dataset_rid", dataset_rid)
        return super().increment_dataset_version(rid, component, description)

    def add_files(
        self,
        files: Iterable[FileSpec],
        dataset_types: str | list[str] | None = None,
        description: str = "",
        chunk_size: int = 500,
        *,
        root_name: str | None = None,
    ) -> Dataset:
        """Record files that stay where they are, as datasets that mirror their folders.

        Args:
            files: The files.
            dataset_types: Terms of Dataset_Type.
            description: What they are.
            chunk_size: Accepted for main line's sake: the release sends the files of a folder at once.
            root_name: Description of the topmost dataset.

        Raises:
            DerivaMLExecutionError: This is a dry run.
        """
        self._refuse_dry_run("record files")
        return self._ml_object.add_files(
            files, self.execution_rid, dataset_types, description, chunk_size, root_name=root_name
        )

    def add_input_dataset(self, dataset_rid: str, version: DatasetVersion | str | None = None) -> None:
        """Record that this execution uses a dataset, without fetching it; safe to repeat, nothing in a dry run.

        Args:
            dataset_rid: RID of the dataset.
            version: The version that it uses; not recorded where not given.

        Raises:
            DerivaMLDataError: The dataset has no such version.
        """
        if not self._dry_run:
            consumed.note(self._ml_object, self.execution_rid, [(dataset_rid, str(version) if version else None)])

    def list_input_datasets(self) -> list[Dataset]:
        """The datasets that it uses."""
        if record := self.execution_record:
            return record.list_input_datasets()
        return [self._ml_object.lookup_dataset(spec.rid, deleted=True) for spec in self.configuration.datasets]

    def list_assets(self, asset_role: str | None = None) -> list[Asset]:
        """The assets in the catalog that it uses or made; none in a dry run.

        Args:
            asset_role: Only its `Input`, or its `Output`.
        """
        return [] if self._dry_run else self._ml_object.list_execution_assets(self.execution_rid, asset_role)

    def add_nested_execution(
        self, nested_execution: Linked | ExecutionRecord | str, sequence: int | None = None
    ) -> None:
        """Make another execution a part of this one; safe to repeat, nothing if either is a dry run.

        Args:
            nested_execution: The part, its record, or its RID.
            sequence: Its place among the parts.

        Raises:
            DerivaMLExecutionError: It would be a part of itself.
            DerivaMLConfigurationError: The catalog has no nested executions.
        """
        if self._dry_run or getattr(nested_execution, "_dry_run", False):
            return
        child = nested_execution if isinstance(nested_execution, str) else nested_execution.execution_rid
        nested.add(self._ml_object, self.execution_rid, child, sequence)

    def is_nested(self) -> bool:
        """Whether it is a part of another execution."""
        return not self._dry_run and bool(nested.parents(self._ml_object, self.execution_rid))

    def is_parent(self) -> bool:
        """Whether other executions are parts of it."""
        return not self._dry_run and bool(nested.children(self._ml_object, self.execution_rid))

    def list_execution_children(self, recurse: bool = False) -> Iterable[ExecutionRecord]:
        """See `ExecutionRecord.list_execution_children`."""
        record = self.execution_record
        return record.list_execution_children(recurse) if record else []

    def list_execution_parents(self, recurse: bool = False) -> Iterable[ExecutionRecord]:
        """See `ExecutionRecord.list_execution_parents`."""
        record = self.execution_record
        return record.list_execution_parents(recurse) if record else []

    def _refuse_dry_run(self, what: str) -> None:
        if self._dry_run:
            raise DerivaMLExecutionError(
                f"A dry run writes nothing, so it cannot {what}.", remedy="Do so only if it is none: if not dry_run: …"
            )

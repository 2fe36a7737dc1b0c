"""Main line's view of datasets: an object for each, instead of a RID handed to many methods."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from deriva.core.ermrest_model import Table
from deriva_ml.core.definitions import VocabularyTerm
from deriva_ml.dataset.aux_classes import DatasetVersion as ReleasedVersion
from deriva_ml.dataset.aux_classes import VersionPart

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import Row
from deriva_ml_kit.mainline.catalog.single import change_row, has_column, refuse_snapshot
from deriva_ml_kit.mainline.dataset import drift, nesting, periods, types
from deriva_ml_kit.mainline.dataset import members as members_
from deriva_ml_kit.mainline.dataset.creating import create
from deriva_ml_kit.mainline.dataset.elements import element_types
from deriva_ml_kit.mainline.dataset.spec import DatasetHistory, DatasetSpec
from deriva_ml_kit.mainline.dataset.versions import DatasetVersion, own
from deriva_ml_kit.mainline.denormalize.methods import Denormalizing
from deriva_ml_kit.mainline.errors import DerivaMLDatasetNotFound
from deriva_ml_kit.mainline.feature.definition import Feature
from deriva_ml_kit.mainline.feature.records import FeatureRecord
from deriva_ml_kit.mainline.feature.values import CatalogValues, feature_values

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.bag.dataset_bag import DatasetBag
    from deriva_ml_kit.mainline.execution.execution import Execution
    from deriva_ml_kit.mainline.execution.record import ExecutionRecord
    from deriva_ml_kit.mainline.ml import DerivaML

__all__ = ["Dataset", "DatasetSpec"]
Version: TypeAlias = ReleasedVersion | str


class Dataset(Denormalizing):
    """A dataset of a catalog, as it is now; or as it was, if the catalog is a snapshot.

    Code for the release had its RID or its row instead: as text, and compared with text, it is its RID, and
    `dataset["RID"]` reads its row.

    Args:
        catalog: Where it is.
        dataset_rid: Its RID.
        description: Its description.
        execution_rid: Execution that made it, if one did.
    """

    def __init__(
        self, catalog: DerivaML, dataset_rid: str, description: str = "", execution_rid: str | None = None
    ) -> None:
        self._ml = catalog
        self.dataset_rid = dataset_rid
        self.execution_rid = execution_rid
        self._description = description or ""
        self._row: Row = {"RID": dataset_rid, "Description": description}
        self._as_it_was: dict[str, DerivaML] = {}

    @classmethod
    def of_row(cls, ml: DerivaML, row: Row) -> Dataset:
        """The dataset of a row of the table."""
        dataset = cls(ml, row["RID"], row["Description"])
        dataset._row = row
        return dataset

    @staticmethod
    def create_dataset(
        ml_instance: DerivaML,
        execution_rid: str | None,
        dataset_types: types.Types = None,
        description: str = "",
        version: Version | None = None,
        _skip_input_check: bool = False,
    ) -> Dataset:
        """Make a dataset with its first version.

        Args:
            ml_instance: The catalog.
            execution_rid: Execution that makes it.
            dataset_types: Its types, terms of Dataset_Type.
            description: What it holds.
            version: Its first version; 0.1.0 where not given.
            _skip_input_check: Accepted for main line's sake.

        Raises:
            DerivaMLInvalidTerm: A type is no term of Dataset_Type.
        """
        rid = create(ml_instance, execution_rid, dataset_types, description, version)
        made = ml_instance.lookup_dataset(rid)
        made.execution_rid = execution_rid
        return made

    @property
    def description(self) -> str:
        """Description; what is assigned is written to the catalog.

        Raises:
            DerivaMLReadOnlyError: When set: this is a snapshot.
        """
        return self._description

    @description.setter
    def description(self, value: str) -> None:
        change_row(self._ml, "Dataset", self.dataset_rid, {"Description": value})
        self._description = value

    # Types

    @property
    def dataset_types(self) -> list[str]:
        """Names of its types, as they are in the catalog now."""
        return types.types_of(self._ml, [self.dataset_rid])[self.dataset_rid]

    def add_dataset_type(self, dataset_type: str | VocabularyTerm, _skip_version_increment: bool = False) -> None:
        """Give it a type; as `add_dataset_types`."""
        self.add_dataset_types([dataset_type], _skip_version_increment)

    def add_dataset_types(
        self,
        dataset_types: str | VocabularyTerm | list[str | VocabularyTerm],
        _skip_version_increment: bool = False,
    ) -> None:
        """Give it types, which opens a period of development; nothing happens if it has all of them.

        Args:
            dataset_types: Terms of Dataset_Type, or their names or synonyms.
            _skip_version_increment: Without a period of development.

        Raises:
            DerivaMLInvalidTerm: One is no term of Dataset_Type; nothing was written.
        """
        names = types.names(self._ml, dataset_types)
        new = [name for name in names if name not in set(self.dataset_types)]
        if new:
            if _skip_version_increment:
                refuse_snapshot(self._ml)
            else:
                periods.developable(self._ml)
            types.add(self._ml, self.dataset_rid, new)
            if not _skip_version_increment:
                self._develop(f"Added dataset type{'s' if len(new) > 1 else ''}: {', '.join(new)}")

    def remove_dataset_type(self, dataset_type: str | VocabularyTerm) -> None:
        """Take a type from it, which opens a period of development; nothing happens if it does not have it.

        Raises:
            DerivaMLInvalidTerm: It is no term of Dataset_Type.
        """
        [name] = types.names(self._ml, dataset_type)
        if name in self.dataset_types:
            periods.developable(self._ml)
            types.remove(self._ml, self.dataset_rid, name)
            self._develop(f"Removed dataset type: {name}")

    # Versions

    @property
    def current_version(self) -> DatasetVersion:
        """Newest version, such as `0.2.0`; after changes since, the state in development, such as `0.2.0.post1.dev3`.

        Raises:
            DerivaMLDataError: It has no version.
        """
        return periods.versions_of(self._ml, self.dataset_rid).current

    def dataset_history(self) -> list[DatasetHistory]:
        """Its versions, oldest first; the state in development, if it is in development, last.

        Raises:
            DerivaMLDatasetNotFound: It is not there any more.
        """
        found = periods.versions_of(self._ml, self.dataset_rid)
        if not found.rows and not self._exists():
            raise DerivaMLDatasetNotFound(self.dataset_rid)
        return found.history()

    def mark_dev(self, description: str, execution: Execution | None = None) -> None:
        """Say that its content has changed though its members have not: opens a period of development, or continues it.

        Only this dataset is meant, not those that contain it.

        Args:
            description: What changed; replaces what was said before.
            execution: Execution that changed it.

        Raises:
            DerivaMLConfigurationError: The catalog cannot hold states in development; says how it can.
        """
        by = execution.execution_rid if execution else None
        periods.developable(self._ml, by)
        self._develop(description, by)

    def release(self, bump: VersionPart | str, description: str, execution: Execution | None = None) -> DatasetVersion:
        """Mint the version that ends the period of development: of this dataset only, with a snapshot of the catalog.

        If it is cut short, the same call again finishes it.

        Args:
            bump: Which part of the version advances.
            description: What the version is about; replaces what was said in development.
            execution: Execution that releases it.

        Returns:
            The new version.

        Raises:
            DerivaMLValidationError: Nothing changed since the newest version.
            Overtaken: Someone else changed or released it at the same time; a DerivaMLException.
            DerivaMLConfigurationError: The catalog cannot hold states in development; says how it can.
        """
        by = execution.execution_rid if execution else None
        return periods.release(self._ml, self.dataset_rid, bump, description, by)

    def is_dirty(self) -> bool:
        """Whether rows of its content were added or changed since its newest version; deleted ones are not noticed.

        Raises:
            DerivaMLDataError: It has no version.
        """
        return drift.has_changed(self._ml, self.dataset_rid, self._released_at())

    def release_diff(self) -> dict[str, int]:
        """How many rows of its content were added or changed since its newest version, by `schema:table`.

        Raises:
            DerivaMLDataError: It has no version.
        """
        return drift.changed(self._ml, self.dataset_rid, self._released_at())

    def compare_versions(self, v_a: Version, v_b: Version) -> dict[str, int]:
        """How many rows of its content, as it is now, were added or changed between two versions, by `schema:table`.

        Args:
            v_a: A version, or the current state in development.
            v_b: Another; which of them is older does not matter.

        Raises:
            DerivaMLNotFoundError: It has no such version.
        """
        times = [drift.time_of(self._ml, self.dataset_rid, own(version)) for version in (v_a, v_b)]
        known = sorted(time for time in times if time)
        if not known or times[0] == times[1]:
            return {}
        return drift.changed(self._ml, self.dataset_rid, known[0], known[1] if len(known) > 1 else None)

    # Members

    def list_dataset_members(
        self,
        recurse: bool = False,
        limit: int | None = None,
        _visited: set[str] | None = None,
        *,
        version: Version | None = None,
        **kwargs: Any,
    ) -> dict[str, list[Row]]:
        """Members by table name, with a list for each element type; each member once.

        Args:
            recurse: With the members of nested datasets.
            limit: At most so many of each table.
            _visited: Accepted for main line's sake.
            version: As they were in this version; as they are now where not given.
            kwargs: Accepted for main line's sake.

        Raises:
            DerivaMLNotFoundError: It has no such version.
        """
        return members_.members(self._at(version), self.dataset_rid, recurse=recurse, limit=limit)

    def list_members(self, table: str | Table) -> list[str]:
        """RIDs of the members of one table."""
        return members_.member_rids(self._ml, self.dataset_rid, table)

    def add_dataset_members(
        self,
        members: list[str] | Mapping[str, Iterable[str]],
        validate: bool = True,
        description: str | None = "",
        execution_rid: str | None = None,
    ) -> None:
        """Add members, which opens a period of development: call `release` when all changes are made.

        Datasets that contain this one do not enter one. Nothing happens if there is nothing to add.

        Args:
            members: RIDs, or RIDs by table name; in tables that `ml.list_dataset_element_types()` has.
            validate: Whether it is a fault if some are members already; they are left out otherwise.
            description: What is added.
            execution_rid: Execution that adds them.

        Raises:
            DerivaMLFaults: All that is wrong with the members; nothing was written.
            DerivaMLCycleError: The dataset would come to be in itself; nothing was written.
            DerivaMLConfigurationError: The catalog cannot hold states in development; says how it can.
        """
        periods.developable(self._ml, execution_rid)
        links = members_.to_add(self._ml, self.dataset_rid, members, validate=validate)
        if links:
            self._change(members_.add, links, description or "Added members", execution_rid)

    def delete_dataset_members(
        self, members: list[str], description: str = "", execution_rid: str | None = None
    ) -> None:
        """Remove members, which opens a period of development; nothing happens if none are given.

        Args:
            members: RIDs.
            description: What is removed.
            execution_rid: Execution that removes them.

        Raises:
            DerivaMLFaults: Some are no members; nothing was removed.
            DerivaMLConfigurationError: The catalog cannot hold states in development; says how it can.
        """
        periods.developable(self._ml, execution_rid)
        links = members_.to_remove(self._ml, self.dataset_rid, members)
        if links:
            self._change(members_.remove, links, description or "Removed members", execution_rid)

    def list_dataset_element_types(self) -> list[Table]:
        """Tables whose rows can be members."""
        return self._ml.list_dataset_element_types()

    # Datasets within datasets

    def list_dataset_children(
        self,
        recurse: bool = False,
        _visited: set[str] | None = None,
        *,
        version: Version | None = None,
        **kwargs: Any,
    ) -> list[Dataset]:
        """Datasets in it; each once.

        Args:
            recurse: With the datasets in those, and so on.
            _visited: Accepted for main line's sake.
            version: As they were in this version; as they are now where not given.
            kwargs: Accepted for main line's sake.
        """
        ml = self._at(version)
        return datasets(ml, nesting.children(ml, [self.dataset_rid], recurse=recurse))

    def list_dataset_children_rids(self, recurse: bool = False, *, version: Version | None = None) -> list[str]:
        """RIDs of the datasets in it; as `list_dataset_children`."""
        return nesting.children(self._at(version), [self.dataset_rid], recurse=recurse)

    def list_dataset_parents(
        self,
        recurse: bool = False,
        _visited: set[str] | None = None,
        *,
        version: Version | None = None,
        **kwargs: Any,
    ) -> list[Dataset]:
        """Datasets that it is in; each once.

        Args:
            recurse: With the datasets that those are in, and so on.
            _visited: Accepted for main line's sake.
            version: As they were in this version; as they are now where not given.
            kwargs: Accepted for main line's sake.
        """
        ml = self._at(version)
        return datasets(ml, nesting.parents(ml, [self.dataset_rid], recurse=recurse))

    # Features and executions

    def find_features(self, table: str | Table | None = None) -> list[Feature]:
        """Features of a table, or of all."""
        return self._ml.find_features(table)

    def lookup_feature(self, table: str | Table, feature_name: str) -> Feature:
        """What a feature consists of; see `DerivaML.lookup_feature`."""
        return self._ml.lookup_feature(table, feature_name)

    def feature_values(
        self,
        table: str | Table,
        feature_name: str,
        selector: Callable[[list[FeatureRecord]], FeatureRecord | None] | None = None,
        materialize_limit: int | None = None,
        execution_rids: list[str] | None = None,
    ) -> Iterator[FeatureRecord]:
        """The values of a feature for its members and those of nested datasets; see `DerivaML.feature_values`.

        Where rows of the table cannot be members, the values for those that its bag would hold.
        """
        feature = self.lookup_feature(table, feature_name)
        source = CatalogValues(self._ml.catalog, targets=self._targets(feature.target_table))
        return feature_values(feature, source, selector, materialize_limit, execution_rids)

    def list_workflow_executions(self, workflow: str) -> list[str]:
        """RIDs of the executions of a workflow or a type of workflows, whether they touch it or not."""
        return self._ml.list_workflow_executions(workflow)

    def list_executions(self) -> list[ExecutionRecord]:
        """Executions that are linked with it: those that used it, and the one that made it."""
        links = rows_with(self._ml.catalog, self._ml.ml_schema, "Dataset_Execution", "Dataset", [self.dataset_rid])
        rids = dict.fromkeys(row["Execution"] for row in sorted(links, key=lambda row: (row["RCT"], row["RID"])))
        return [self._ml.lookup_execution(rid) for rid in rids]

    # On this disk

    def download_dataset_bag(  # noqa: PLR0917  (main line's signature)
        self,
        version: Version,
        materialize: bool = True,
        use_minid: bool = False,
        exclude_tables: set[str] | None = None,
        timeout: tuple[int, int] | None = None,
        fetch_concurrency: int = 8,
        reachability_concurrency: int = 8,
    ) -> DatasetBag:
        """The dataset as it was in a version, in a local folder; see `DerivaML.download_dataset_bag`.

        Args:
            version: The version.
            materialize: With the files of its assets.
            use_minid: Accepted for main line's sake: said once, to DerivaML.
            exclude_tables: Tables that no way through the schema may pass.
            timeout: Seconds to wait for a connection, and for an answer.
            fetch_concurrency: How many files are fetched at a time.
            reachability_concurrency: How many questions are asked at a time.
        """
        spec = self._spec(
            version,
            materialize=materialize,
            exclude_tables=exclude_tables,
            timeout=timeout,
            fetch_concurrency=fetch_concurrency,
            reachability_concurrency=reachability_concurrency,
        )
        return self._ml.download_dataset_bag(spec)

    def cache(  # noqa: PLR0917  (main line's signature)
        self,
        version: Version,
        materialize: bool = True,
        exclude_tables: set[str] | None = None,
        timeout: tuple[int, int] | None = None,
        fetch_concurrency: int = 8,
        reachability_concurrency: int = 8,
    ) -> dict[str, Any]:
        """Fetch a version to this disk, for later; see `DerivaML.cache_dataset`."""
        spec = self._spec(
            version,
            exclude_tables=exclude_tables,
            timeout=timeout,
            fetch_concurrency=fetch_concurrency,
            reachability_concurrency=reachability_concurrency,
        )
        found: dict[str, Any] = self._ml.cache_dataset(spec, materialize)
        return found

    def bag_info(
        self, version: Version, exclude_tables: set[str] | None = None, reachability_concurrency: int = 8
    ) -> dict[str, Any]:
        """What a version holds, and whether it is on this disk; see `DerivaML.bag_info`."""
        spec = self._spec(version, exclude_tables=exclude_tables, reachability_concurrency=reachability_concurrency)
        found: dict[str, Any] = self._ml.bag_info(spec)
        return found

    def estimate_bag_size(
        self, version: Version, exclude_tables: set[str] | None = None, reachability_concurrency: int = 8
    ) -> dict[str, Any]:
        """How much a version would take on this disk; see `DerivaML.estimate_bag_size`."""
        spec = self._spec(version, exclude_tables=exclude_tables, reachability_concurrency=reachability_concurrency)
        found: dict[str, Any] = self._ml.estimate_bag_size(spec)
        return found

    # Folders that were added as datasets

    @property
    def source_directory(self) -> str | None:
        """The folder that it stands for, relative to where its files were added from; None if it stands for none."""
        if not has_column(self._ml, "Directory_Dataset"):
            return None
        rows = rows_with(self._ml.catalog, self._ml.ml_schema, "Directory_Dataset", "Dataset", [self.dataset_rid])
        return next((row["Path"] for row in rows), None)

    @property
    def is_directory(self) -> bool:
        """Whether it stands for a folder."""
        return self.source_directory is not None

    @property
    def is_source_root(self) -> bool:
        """Whether it stands for the topmost of the folders that were added together."""
        return self.is_directory and not any(parent.is_directory for parent in self.list_dataset_parents())

    # For people

    def get_chaise_url(self) -> str:
        """Its page in Chaise."""
        ml = self._ml
        return f"https://{ml.host_name}/chaise/record/#{ml.catalog_id}/{ml.ml_schema}:Dataset/RID={self.dataset_rid}"

    def to_markdown(self, show_children: bool = False, indent: int = 0) -> str:
        """A line of a list, with a link to its page, version, types and description.

        Args:
            show_children: With a line for each dataset in it.
            indent: How deep the line is in the list.
        """
        kinds = f" [{', '.join(names)}]" if (names := self.dataset_types) else ""
        about = f": {self.description}" if self.description else ""
        line = f"{'  ' * indent}- [{self.dataset_rid}]({self.get_chaise_url()}) v{self.current_version}{kinds}{about}"
        below = self.list_dataset_children() if show_children else []
        return "\n".join([line, *(child.to_markdown(indent=indent + 1) for child in below)])

    def display_markdown(self, show_children: bool = False, indent: int = 0) -> None:
        """Show `to_markdown` in a notebook."""
        display = importlib.import_module("IPython.display")  # only notebooks have it
        display.display(display.Markdown(self.to_markdown(show_children, indent)))

    def __getitem__(self, column: str) -> Any:
        if column == "Dataset_Type":
            return self.dataset_types
        return self._row[column]

    def __str__(self) -> str:
        return self.dataset_rid

    def __repr__(self) -> str:
        return f"Dataset({self.dataset_rid!r}, {self.description!r})"

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, Dataset | str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.dataset_rid)

    def _at(self, version: Version | None) -> DerivaML:
        """The catalog as it was in a version; as it is for none, and for the state in development."""
        if not version:
            return self._ml
        wanted = own(version)
        where = periods.snapshot_of(self._ml, self.dataset_rid, wanted)
        if wanted.is_devrelease:
            return self._ml
        if where not in self._as_it_was:
            self._as_it_was[where] = self._ml.catalog_snapshot(where)
        return self._as_it_was[where]

    def _spec(self, version: Version, **options: Any) -> DatasetSpec:
        return DatasetSpec(rid=self.dataset_rid, version=version, **options)

    def _develop(self, description: str, execution_rid: str | None = None) -> None:
        periods.develop(self._ml, self.dataset_rid, description, execution_rid)

    def _change(
        self,
        change: Callable[[DerivaML, members_.Links], None],
        links: members_.Links,
        description: str,
        execution_rid: str | None,
    ) -> None:
        """Change members, and record it even if it is cut short: part of the change is there then."""
        try:
            change(self._ml, links)
        finally:
            self._develop(description, execution_rid)

    def _released_at(self) -> str:
        newest = periods.versions_of(self._ml, self.dataset_rid).newest
        return str(drift.time_of(self._ml, self.dataset_rid, newest))

    def _exists(self) -> bool:
        return any(rows_with(self._ml.catalog, self._ml.ml_schema, "Dataset", "RID", [self.dataset_rid]))

    def _targets(self, table: Table) -> list[str]:
        """RIDs of rows of a table that belong to it."""
        if any(kind.table is table for kind in element_types(self._ml)):
            return members_.member_rids(self._ml, self.dataset_rid, table, recurse=True)
        return drift.reached(self._ml, self.dataset_rid, table)


def datasets(ml: DerivaML, rids: Iterable[str]) -> list[Dataset]:
    """The datasets of some RIDs, in their order, in a few requests."""
    wanted = list(rids)
    rows = {row["RID"]: row for row in rows_with(ml.catalog, ml.ml_schema, "Dataset", "RID", wanted)}
    return [Dataset.of_row(ml, rows[rid]) for rid in wanted if rid in rows]

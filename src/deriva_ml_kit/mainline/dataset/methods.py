"""What a DerivaML does with datasets.

Main line's names give objects. Names that only the release has take RIDs and keep its meaning: a version is minted with
every change of members, for the dataset and all its relatives. In that view a state in development does not exist.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from deriva.core.ermrest_model import Table
from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.core.exceptions import DerivaMLTableTypeError
from deriva_ml.dataset.aux_classes import DatasetSpec as ReleasedSpec
from deriva_ml.dataset.aux_classes import DatasetVersion as ReleasedVersion
from deriva_ml.dataset.aux_classes import VersionPart

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.paged import paged
from deriva_ml_kit.mainline.catalog.paths import domain_schemas
from deriva_ml_kit.mainline.catalog.rids import tables_of
from deriva_ml_kit.mainline.catalog.rows import Row, table_name
from deriva_ml_kit.mainline.catalog.single import Sort, refuse_snapshot, row_of, sort_clause
from deriva_ml_kit.mainline.dataset import creating, nesting, periods, types
from deriva_ml_kit.mainline.dataset import members as members_
from deriva_ml_kit.mainline.dataset.dataset import Dataset
from deriva_ml_kit.mainline.dataset.elements import element_types
from deriva_ml_kit.mainline.dataset.spec import DatasetHistory, DatasetReference
from deriva_ml_kit.mainline.dataset.versions import DatasetVersion, own
from deriva_ml_kit.mainline.errors import DerivaMLDatasetNotFound, DerivaMLValidationError, listed

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


class DatasetMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML does with datasets."""

    def lookup_dataset(self: DerivaML, dataset: str | ReleasedSpec, deleted: bool = False) -> Dataset:
        """A dataset by its RID.

        Args:
            dataset: RID, or a DatasetSpec (whose version is not looked at).
            deleted: Find it also if it is marked as deleted.

        Raises:
            DerivaMLDatasetNotFound: The catalog has no dataset of that RID.
        """
        return Dataset.of_row(self, _row(self, dataset, deleted=deleted))

    def find_datasets(self: DerivaML, deleted: bool = False, sort: Sort = None) -> list[Dataset]:
        """All datasets.

        Args:
            deleted: With those that are marked as deleted.
            sort: True for newest first; or a function from the table's path to sort keys; by RID where not given.
        """
        order = sort_clause(self, "Dataset", sort) or "@sort(RID)"
        rows = self.catalog.get(f"/entity/{table_name(self.ml_schema, 'Dataset')}{order}").json()
        return [Dataset.of_row(self, row) for row in rows if deleted or not row["Deleted"]]

    def delete_dataset(self: DerivaML, dataset: Dataset | str, recurse: bool = False) -> None:
        """Mark a dataset as deleted; its rows and versions stay.

        Args:
            dataset: The dataset, or its RID.
            recurse: With the datasets in it, and in those, and so on.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset, or it is marked already.
            DerivaMLValidationError: Some are in other datasets; nothing was marked.
        """
        refuse_snapshot(self)
        rid = _row(self, dataset)["RID"]
        gone = [rid, *(nesting.children(self, [rid], recurse=True) if recurse else ())]
        links = rows_with(self.catalog, self.ml_schema, "Dataset_Dataset", "Nested_Dataset", gone)
        outside = {row["Dataset"]: row["Nested_Dataset"] for row in links if row["Dataset"] not in gone}
        alive = rows_with(self.catalog, self.ml_schema, "Dataset", "RID", outside)
        if holding := sorted(row["RID"] for row in alive if not row["Deleted"]):
            raise DerivaMLValidationError(
                f"Not deleted: {listed([f'{outside[one]} is in dataset {one}' for one in holding])}.",
                remedy="Take it out first: ml.lookup_dataset(RID).delete_dataset_members([…])",
            )
        path = f"/attributegroup/{table_name(self.ml_schema, 'Dataset')}/RID;Deleted"
        self.catalog.put(path, json=[{"RID": one, "Deleted": True} for one in gone])

    def list_dataset_element_types(self: DerivaML) -> list[Table]:
        """Tables whose rows can be members of datasets: the domain's that were added, datasets and files."""
        return [kind.table for kind in element_types(self)]

    def add_dataset_element_type(self: DerivaML, element: str | Table) -> Table:
        """Let rows of a table be members of datasets; nothing happens if they can be already.

        Args:
            element: The table, or its name.

        Returns:
            The table that links datasets with its rows.

        Raises:
            DerivaMLTableNotFound: There is no such table.
            DerivaMLTableTypeError: It is none of the domain's.
        """
        table = self.model.name_to_table(element)
        for kind in element_types(self):
            if kind.table is table:
                return kind.links
        refuse_snapshot(self)
        if table.schema.name not in domain_schemas(self.model):
            raise DerivaMLTableTypeError("table of the domain", table.name)
        return super().add_dataset_element_type(table)

    def find_datasets_referencing(
        self: DerivaML, table: str | Table, column: str | None = None
    ) -> list[DatasetReference]:
        """Datasets with rows of a table as members, by RID, with how many: what a change of the table would touch.

        Args:
            table: The table, or its name.
            column: Accepted for main line's sake: members are whole rows.

        Raises:
            DerivaMLTableNotFound: There is no such table.
        """
        wanted = self.model.name_to_table(table)
        counts: Counter[str] = Counter()
        for kind in element_types(self):
            if kind.table is wanted:
                links = paged(self.catalog, kind.links_path, wanted=["RID", kind.dataset_column])
                counts.update(row[kind.dataset_column] for row in links)
        return [
            DatasetReference(dataset_rid=rid, element_table=wanted.name, member_count=count)
            for rid, count in sorted(counts.items())
        ]

    # The release's calls, which take RIDs

    def create_dataset(
        self: DerivaML,
        dataset_types: types.Types = None,
        description: str = "",
        execution_rid: str | None = None,
        version: ReleasedVersion | None = None,
    ) -> str:
        """Make a dataset; gives its RID. Main line's is `Execution.create_dataset`, which gives an object."""
        return creating.create(self, execution_rid, dataset_types, description, version)

    def dataset_history(self: DerivaML, dataset_rid: str | Dataset) -> list[DatasetHistory]:
        """Released versions of a dataset, oldest first.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset.
        """
        rid = _row(self, dataset_rid)["RID"]
        return [entry for entry in periods.versions_of(self, rid).history() if not entry.dataset_version.is_devrelease]

    def dataset_version(self: DerivaML, dataset_rid: str | Dataset) -> DatasetVersion:
        """Newest released version of a dataset.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset.
        """
        history = self.dataset_history(dataset_rid)
        return history[-1].dataset_version if history else creating.FIRST

    def increment_dataset_version(
        self: DerivaML,
        dataset_rid: str | Dataset,
        component: VersionPart | str,
        description: str | None = "",
        execution_rid: str | None = None,
    ) -> DatasetVersion:
        """Mint a version of a dataset and of all its relatives: parents, children, siblings and so on.

        Periods of development end with it. Main line's way is `Dataset.release`, which is about one dataset.

        Returns:
            The new version of the dataset.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset.
        """
        rid = _changeable(self, dataset_rid, execution_rid)
        found = periods.versions(self, nesting.relatives(self, rid))
        new = {
            one: (each.released[-1] if each.released else creating.FIRST).next_release(component)
            for one, each in found.items()
        }
        about = {"Description": description, "Execution": execution_rid}
        periods.mint(self, [{"Dataset": one, "Version": str(version), **about} for one, version in new.items()])
        return new[rid]

    def list_dataset_members(
        self: DerivaML, dataset_rid: str | Dataset, recurse: bool = False, limit: int | None = None
    ) -> dict[str, list[dict[str, Any]]]:
        """Members of a dataset by table name; as `Dataset.list_dataset_members`.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset.
        """
        rid = _row(self, dataset_rid)["RID"]
        return members_.members(self, rid, recurse=recurse, limit=limit)

    def add_dataset_members(
        self: DerivaML,
        dataset_rid: str | Dataset,
        members: list[str] | Mapping[str, Iterable[str]],
        validate: bool = True,
        description: str | None = "",
        execution_rid: str | None = None,
    ) -> None:
        """Add members to a dataset, and mint a minor version of it and all its relatives.

        Main line's way is `Dataset.add_dataset_members`. Arguments and errors are the same.
        """
        rid = _changeable(self, dataset_rid, execution_rid)
        if links := members_.to_add(self, rid, members, validate=validate):
            members_.add(self, links)
            self.increment_dataset_version(rid, VersionPart.minor, description or "Added members", execution_rid)

    def delete_dataset_members(
        self: DerivaML,
        dataset_rid: str | Dataset,
        members: list[str],
        description: str = "",
        execution_rid: str | None = None,
    ) -> None:
        """Remove members from a dataset, and mint a minor version of it and all its relatives.

        Main line's way is `Dataset.delete_dataset_members`. Arguments and errors are the same.
        """
        rid = _changeable(self, dataset_rid, execution_rid)
        if links := members_.to_remove(self, rid, members):
            members_.remove(self, links)
            self.increment_dataset_version(rid, VersionPart.minor, description or "Removed members", execution_rid)

    def list_dataset_parents(self: DerivaML, dataset_rid: str | Dataset) -> list[str]:
        """RIDs of the datasets that a dataset is in.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset.
        """
        return nesting.parents(self, [_row(self, dataset_rid)["RID"]])

    def list_dataset_children(self: DerivaML, dataset_rid: str | Dataset, recurse: bool = False) -> list[str]:
        """RIDs of the datasets in a dataset, and in those and so on if `recurse`."""
        return nesting.children(self, [_rid(dataset_rid)], recurse=recurse)

    # What the release calls on itself

    def _is_dataset_rid(self: DerivaML, dataset_rid: str, deleted: bool = False) -> bool:
        rows = rows_with(self.catalog, self.ml_schema, "Dataset", "RID", [dataset_rid])
        return any(deleted or not row["Deleted"] for row in rows)

    def _version_snapshot(self: DerivaML, dataset: ReleasedSpec) -> str:
        return periods.snapshot_of(self, dataset.rid, own(dataset.version))


def _row(ml: DerivaML, dataset: str | ReleasedSpec | Dataset, *, deleted: bool = False) -> Row:
    rid = _rid(dataset)
    for row in rows_with(ml.catalog, ml.ml_schema, "Dataset", "RID", [rid]):
        if deleted or not row["Deleted"]:
            return row
        raise DerivaMLDatasetNotFound(
            rid, f"Catalog {ml.catalog_id} on {ml.host_name} has this dataset marked as deleted"
        )
    other = tables_of(ml, [rid]).get(rid)
    what = f" ({rid} is a row of {other.name})" if other else ""
    raise DerivaMLDatasetNotFound(rid, f"Catalog {ml.catalog_id} on {ml.host_name} has no such dataset{what}")


def _changeable(ml: DerivaML, dataset: str | Dataset, execution_rid: str | None) -> str:
    """RID of a dataset, after it was found that an execution can change it."""
    refuse_snapshot(ml)
    if execution_rid:
        row_of(ml, "Execution", execution_rid)
    return str(_row(ml, dataset)["RID"])


def _rid(dataset: str | ReleasedSpec | Dataset) -> str:
    if isinstance(dataset, str):
        return dataset
    return str(dataset.dataset_rid if isinstance(dataset, Dataset) else dataset.rid)

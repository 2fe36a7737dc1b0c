"""A downloaded dataset, or one of the datasets nested in it, with main line's names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import sqlalchemy as sa
from deriva.core.ermrest_model import Table
from deriva_ml.core.definitions import ML_SCHEMA, VocabularyTerm
from deriva_ml.core.exceptions import DerivaMLInvalidTerm
from deriva_ml.dataset.aux_classes import DatasetHistory, DatasetVersion
from deriva_ml.dataset.dataset_bag import DatasetBag as ReleasedBag

from deriva_ml_kit.mainline.bag.fetch import fetch_files
from deriva_ml_kit.mainline.bag.loading import quoted
from deriva_ml_kit.mainline.bag.restructure import restructure
from deriva_ml_kit.mainline.bag.samples import Samples, tf_dataset, torch_dataset
from deriva_ml_kit.mainline.bag.source import BagSource, BagValues
from deriva_ml_kit.mainline.catalog.rows import Row
from deriva_ml_kit.mainline.catalog.transport import Limits
from deriva_ml_kit.mainline.denormalize.methods import WideTables
from deriva_ml_kit.mainline.denormalize.source import Source
from deriva_ml_kit.mainline.errors import DerivaMLNotFoundError, DerivaMLTableNotFound, DerivaMLValidationError
from deriva_ml_kit.mainline.feature.definition import Feature
from deriva_ml_kit.mainline.feature.records import FeatureRecord
from deriva_ml_kit.mainline.feature.values import feature_values

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.bag.opened import BagDatabase


class DatasetBag(WideTables, ReleasedBag):  # type: ignore[misc]  # the release is untyped
    """A dataset in a bag on this disk.

    Args:
        catalog: The bag's database.
        dataset_rid: Which of its datasets; the one it was made of where not given.
        dataset_types: Terms of Dataset_Type; those in the bag where not given.
        description: Its description; that in the bag where not given.
        execution_rid: RID of the execution that made its version; that in the bag where not given.

    Raises:
        DerivaMLException: The bag holds no such dataset.
    """

    def __init__(
        self,
        catalog: BagDatabase,
        dataset_rid: str | None = None,
        dataset_types: str | list[str] | None = None,
        description: str = "",
        execution_rid: str | None = None,
    ) -> None:
        self.model = catalog
        self.engine = catalog.engine
        self.metadata = catalog.metadata
        self.dataset_rid = dataset_rid or catalog.dataset_rid
        self.version = catalog.dataset_version(self.dataset_rid)
        self._dataset_table = catalog.dataset_table
        self.dataset_types = [dataset_types] if isinstance(dataset_types, str) else dataset_types or self._types()
        self.description = description or self._description()
        self.execution_rid = execution_rid or self._execution()

    def __repr__(self) -> str:
        return f"DatasetBag({self.dataset_rid!r}, version={str(self.version)!r}, path={str(self.path)!r})"

    @property
    def current_version(self) -> DatasetVersion:
        """The version that was downloaded; of a nested dataset, its version at that time."""
        return self.version

    @property
    def path(self) -> Path:
        """Folder of the bag."""
        return Path(self.model.bag_path)

    @property
    def source_directory(self) -> str | None:
        """The folder whose files the dataset was made of, if it was."""
        table = self.model.model.schemas[ML_SCHEMA].tables.get("Directory_Dataset")
        rows = [] if table is None else list(self.model.json_rows_with(table, "Dataset", [self.dataset_rid]))
        return rows[0]["Path"] if rows else None

    @property
    def is_directory(self) -> bool:
        """Whether the dataset was made of a folder of files."""
        return self.source_directory is not None

    @property
    def is_source_root(self) -> bool:
        """Whether that folder was the topmost one."""
        return self.is_directory and not any(parent.is_directory for parent in self.list_dataset_parents())

    def dataset_history(self) -> list[DatasetHistory]:
        """The versions of the dataset, the oldest first."""
        rows = self.model.json_rows_with(self._ml_table("Dataset_Version"), "Dataset", [self.dataset_rid])
        found = [
            DatasetHistory(
                dataset_version=DatasetVersion.parse(row["Version"]),
                minid=row["Minid"],
                snapshot=row["Snapshot"],
                dataset_rid=self.dataset_rid,
                version_rid=row["RID"],
                description=row["Description"] or "",
                execution_rid=row["Execution"],
            )
            for row in rows
        ]
        return sorted(found, key=lambda one: one.dataset_version)

    def materialize(self, *, fetch_concurrency: int = 8) -> DatasetBag:
        """Fetch the asset files that are not there yet, and verify them.

        Args:
            fetch_concurrency: How many files are fetched at once.

        Returns:
            This bag.

        Raises:
            DerivaMLDataError: Files are gone, or differ from their checksums.
        """
        fetch_files(self.path, Limits.from_environment(workers=fetch_concurrency))
        return self

    def list_tables(self) -> list[str]:
        """Names of the tables, as `schema.table`."""
        return sorted(str(name) for name in self.metadata.tables)

    def list_dataset_element_types(self) -> list[Table]:
        """The tables that datasets may have members of."""
        return [self._member_table(link, column) for link, column in self._associations().values()]

    def list_dataset_members(
        self, recurse: bool = False, limit: int | None = None, _visited: set[str] | None = None, **kwargs: Any
    ) -> dict[str, list[dict[str, Any]]]:
        """The members by table name, each with all its columns, in the order of their RIDs.

        `Filename` of an asset is the path of its local file.

        Args:
            recurse: With the members of nested datasets; a record in several counts once.
            limit: At most so many of each table.
            _visited: Not used; datasets that hold one another are followed once.
            kwargs: Not used; main line accepts a version here, of which a bag has one.
        """
        found = {}
        for name, (link, column) in self._associations().items():
            table = self._sql_table(self._member_table(link, column))
            wanted = sa.text(self._members_query(link, column, recurse=recurse))
            found[name] = self._select(
                sa.select(table).where(table.c.RID.in_(wanted)).order_by(table.c.RID).limit(limit)
            )
        return found

    def list_dataset_children(
        self, recurse: bool = False, _visited: set[str] | None = None, **kwargs: Any
    ) -> list[DatasetBag]:
        """The datasets in this one; with those in them if `recurse`, each once."""
        return self._walk(self.model.nested, recurse)

    def list_dataset_parents(
        self, recurse: bool = False, _visited: set[str] | None = None, **kwargs: Any
    ) -> list[DatasetBag]:
        """The datasets of the bag that this one is in; with those that they are in if `recurse`, each once."""
        above: dict[str, list[str]] = {}
        for parent, children in self.model.nested.items():
            for child in children:
                above.setdefault(child, []).append(parent)
        return self._walk(above, recurse)

    def get_table(self, table: str) -> Iterator[tuple[Any, ...]]:
        """Rows of a table to which foreign keys lead from this dataset, as tuples."""
        return (tuple(row.values()) for row in self.get_table_as_dict(table))

    def get_table_as_dict(self, table: str) -> Iterator[dict[str, Any]]:
        """Rows of a table to which foreign keys lead from this dataset, in the order of their RIDs."""
        yield from self._select(self._dataset_table_view(table))

    def get_table_as_dataframe(self, table: str) -> pd.DataFrame:
        """Rows of a table to which foreign keys lead from this dataset, in the order of their RIDs."""
        view = self._dataset_table_view(table)
        return pd.DataFrame(self._select(view), columns=[column.name for column in view.selected_columns])

    def lookup_term(self, table: str | Table, term_name: str) -> VocabularyTerm:
        """A term by its name or a synonym.

        Raises:
            DerivaMLInvalidTerm: The vocabulary has no such term.
            DerivaMLValidationError: The table is no vocabulary.
        """
        for term in self.list_vocabulary_terms(table):
            if term_name == term.name or term_name in (term.synonyms or ()):
                return term
        raise DerivaMLInvalidTerm(self.model.name_to_table(table).name, term_name)

    def list_vocabulary_terms(self, table: str | Table) -> list[VocabularyTerm]:
        """All terms of a vocabulary.

        Raises:
            DerivaMLValidationError: The table is no vocabulary.
        """
        vocabulary = self.model.name_to_table(table)
        if not self.model.is_vocabulary(vocabulary):
            raise DerivaMLValidationError(f"{vocabulary.name} is no vocabulary.")
        return [
            VocabularyTerm.model_validate(row | {"Synonyms": row.get("Synonyms") or []})
            for row in self.model.json_rows(vocabulary)
        ]

    def find_features(self, table: str | Table | None = None) -> list[Feature]:
        """The features of a table, or of all.

        Raises:
            DerivaMLTableNotFound: There is no such table.
        """
        found: list[Feature] = self.model.find_features(table)
        return found

    def lookup_feature(self, table: str | Table, feature_name: str) -> Feature:
        """What a feature consists of.

        Raises:
            DerivaMLFeatureNotFound: The table has no such feature; names those it has.
        """
        found: Feature = self.model.lookup_feature(table, feature_name)
        return found

    def feature_values(
        self,
        table: str | Table,
        feature_name: str,
        selector: Callable[[list[FeatureRecord]], FeatureRecord | None] | None = None,
        materialize_limit: int | None = None,
        execution_rids: list[str] | None = None,
    ) -> Iterator[FeatureRecord]:
        """The values of a feature of this dataset's records; as `DerivaML.feature_values`."""
        feature = self.lookup_feature(table, feature_name)
        return feature_values(feature, BagValues(self), selector, materialize_limit, execution_rids)

    def list_feature_values(self, table: Table | str, feature_name: str) -> list[dict[str, Any]]:
        """Rows of a feature's table, for this dataset's records.

        The release gives those of all datasets in the bag, each row wrapped under the name of its class.
        """
        feature_table = self.lookup_feature(table, feature_name).feature_table
        return self._select(self._dataset_table_view(feature_table))

    def list_executions(self) -> list[str]:
        """RIDs of the executions that this dataset was an input or an output of, oldest first."""
        tables = [self._ml_table(name) for name in ("Dataset_Execution", "Dataset_Version")]
        rows = [row for table in tables for row in self.model.json_rows_with(table, "Dataset", [self.dataset_rid])]
        return self._by_age({row["Execution"] for row in rows if row["Execution"]})

    def list_workflow_executions(self, workflow: str) -> list[str]:
        """RIDs of the bag's executions of a workflow, or of all workflows of a type, oldest first.

        Args:
            workflow: RID of a workflow, or a workflow type.

        Raises:
            DerivaMLNotFoundError: The bag knows neither.
        """
        workflows = [row["RID"] for row in self.model.json_rows_with(self._ml_table("Workflow"), "RID", [workflow])]
        for table, column in (("Workflow", "RID"), ("Workflow_Workflow_Type", "Workflow")):
            found = self.model.model.schemas[ML_SCHEMA].tables.get(table)
            if found is not None and "Workflow_Type" in found.columns.elements:
                workflows += [row[column] for row in self.model.json_rows_with(found, "Workflow_Type", [workflow])]
        if not workflows:
            raise DerivaMLNotFoundError(
                f"{workflow!r} is neither the RID of a workflow in this bag, nor the type of one."
            )
        executions = self.model.json_rows_with(self._ml_table("Execution"), "Workflow", workflows)
        return [row["RID"] for row in sorted(executions, key=lambda row: (row["RCT"], row["RID"]))]

    def restructure_assets(
        self,
        output_dir: Path | str,
        *,
        asset_table: str | None = None,
        targets: list[str] | dict[str, Callable[..., Any]] | None = None,
        target_transform: Callable[..., str] | None = None,
        missing: Literal["error", "skip", "unknown"] = "unknown",
        use_symlinks: bool = True,
        type_selector: Callable[[list[str]], str] | None = None,
        type_to_dir_map: dict[str, str] | None = None,
        enforce_vocabulary: bool = True,
        file_transformer: Callable[[Path, Path], Path] | None = None,
    ) -> dict[Path, Path]:
        """Put the asset files into folders by dataset type and label, as torchvision's ImageFolder reads them.

        Args:
            output_dir: Where the folders are made; a file of the same name there is replaced.
            asset_table: Whose files; found by itself where the dataset leads to one asset table only.
            targets: Features or columns of the asset table, a level of folders for each; or features with a selector
                for each, such as `FeatureRecord.select_newest`.
            target_transform: Makes the folder's name of the record of a feature (of a dict of them by name if there are
                several targets, of the value if the target is a column).
            missing: What becomes of files without a label: a folder `Unknown`, left out, or an error.
            use_symlinks: Link to the bag's files instead of copying them.
            type_selector: Chooses one of the types of a dataset; the first in the alphabet where not given.
            type_to_dir_map: Dataset type to folder; datasets of other types add no folder. By default Training, Testing
                and Validation in lower case; a dataset without types counts as Testing.
            enforce_vocabulary: Only features with a term, and one value for each record.
            file_transformer: Writes a file (source, proposed place) and gives the place; instead of link or copy.

        Returns:
            Local file in the bag to its new place.

        Raises:
            DerivaMLValidationError: Asset table, target or label cannot be told; names them.
        """
        return restructure(
            self,
            Path(output_dir),
            asset_table=asset_table,
            targets=targets,
            target_transform=target_transform,
            missing=missing,
            use_symlinks=use_symlinks,
            type_selector=type_selector,
            type_to_dir_map=type_to_dir_map,
            enforce_vocabulary=enforce_vocabulary,
            file_transformer=file_transformer,
        )

    def as_torch_dataset(
        self,
        element_type: str,
        *,
        sample_loader: Callable[[Path | None, dict[str, Any]], Any] | None = None,
        transform: Callable[[Any], Any] | None = None,
        targets: list[str] | dict[str, Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        missing: Literal["error", "skip", "unknown"] = "error",
        reachable: bool = True,
    ) -> Any:
        """The records of a table as a `torch.utils.data.Dataset`: (sample, RID), or (sample, target, RID).

        Args:
            element_type: The table.
            sample_loader: Makes a sample of the local file (None where the table has no files) and the record; needed
                for asset tables, else the record is the sample.
            transform: Applied to each sample.
            targets: Features or columns; features with a selector for each, such as `FeatureRecord.select_newest`.
            target_transform: Makes the target of the record of a feature (of a dict of them by name if there are
                several targets).
            missing: What becomes of records without a label: an error, left out, or kept with None as label.
            reachable: All rows to which the dataset leads, not only members.

        Raises:
            ImportError: torch is not installed.
            DerivaMLValidationError: Labels are missing or cannot be told; an asset table has no loader.
        """
        return torch_dataset(
            Samples(
                self,
                element_type,
                sample_loader=sample_loader,
                transform=transform,
                targets=targets,
                target_transform=target_transform,
                missing=missing,
                reachable=reachable,
            )
        )

    def as_tf_dataset(
        self,
        element_type: str,
        *,
        sample_loader: Callable[[Path | None, dict[str, Any]], Any] | None = None,
        transform: Callable[[Any], Any] | None = None,
        targets: list[str] | dict[str, Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        missing: Literal["error", "skip", "unknown"] = "error",
        output_signature: Any = None,
        reachable: bool = True,
    ) -> Any:
        """The records of a table as a `tf.data.Dataset`; arguments as for `as_torch_dataset`.

        Args:
            output_signature: TensorFlow's description of a sample; that of the first one where not given.

        Raises:
            ImportError: tensorflow is not installed.
            DerivaMLValidationError: Labels are missing or cannot be told; an asset table has no loader.
        """
        return tf_dataset(
            Samples(
                self,
                element_type,
                sample_loader=sample_loader,
                transform=transform,
                targets=targets,
                target_transform=target_transform,
                missing=missing,
                reachable=reachable,
            ),
            output_signature,
        )

    def _row_source(self, version: DatasetVersion | str | None = None, system_columns: Collection[str] = ()) -> Source:
        if version is not None and str(version) != str(self.version):
            raise DerivaMLValidationError(
                f"This bag holds version {self.version} of {self.dataset_rid}, not {version}."
            )
        return BagSource(self)

    @cached_property
    def _datasets(self) -> list[str]:
        """RIDs of this dataset and all that are nested in it."""
        return [self.dataset_rid, *self._reached(self.model.nested, recurse=True)]

    def _walk(self, graph: dict[str, list[str]], recurse: bool) -> list[DatasetBag]:
        return [DatasetBag(self.model, rid) for rid in self._reached(graph, recurse)]

    def _reached(self, graph: dict[str, list[str]], recurse: bool) -> list[str]:
        found: dict[str, None] = {}
        waiting = list(graph.get(self.dataset_rid, ()))
        while waiting:
            rid = waiting.pop(0)
            if rid not in found and rid != self.dataset_rid:
                found[rid] = None
                waiting += graph.get(rid, ()) if recurse else ()
        return list(found)

    def _associations(self) -> dict[str, tuple[Table, str]]:
        """Name of an element's table to the table that links it with datasets, and the column of the element there."""
        found = {}
        for link in self._dataset_table.find_associations():
            [other] = link.other_fkeys
            element = other.pk_table
            walked = element.schema.name in self.model.domain_schemas or element.name in {"Dataset", "File"}
            if walked and not self.model.is_vocabulary(element):
                if element is self._dataset_table:  # either key could be taken for that of the parent
                    found[element.name] = (link.table, "Nested_Dataset")
                else:
                    found[element.name] = (link.table, other.foreign_key_columns[0].name)
        return found

    def _members_query(self, link: Table, column: str, *, recurse: bool) -> str:
        rids = ", ".join(f"'{rid}'" for rid in (self._datasets if recurse else [self.dataset_rid]))
        return f"SELECT {quoted(column)} FROM {quoted(link.schema.name, link.name)} WHERE Dataset IN ({rids})"

    def _member_table(self, link: Table, column: str) -> Table:
        return next(key.pk_table for key in link.foreign_keys if key.foreign_key_columns[0].name == column)

    def _sql_table(self, table: Table) -> sa.Table:
        found: sa.Table = self.metadata.tables[f"{table.schema.name}.{table.name}"]
        return found

    def _dataset_table_view(self, table: str | Table) -> Any:
        name = table.replace(".", ":") if isinstance(table, str) else table
        found = self.model.name_to_table(name)
        if found.schema.name not in {*self.model.domain_schemas, ML_SCHEMA}:
            raise DerivaMLTableNotFound(str(found.name), "Not in a bag")
        view = self._sql_table(found)
        wanted = sa.text(self.model.rids_of(found, self._datasets))
        return sa.select(view).where(view.c.RID.in_(wanted)).order_by(view.c.RID)

    def _select(self, query: Any) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            result = connection.execute(query)
            names = list(result.keys())
            return [dict(zip(names, row, strict=True)) for row in result]

    def _ml_table(self, name: str) -> Table:
        return self.model.model.schemas[ML_SCHEMA].tables[name]

    def _own(self, table: str, column: str = "Dataset") -> list[Row]:
        return list(self.model.json_rows_with(self._ml_table(table), column, [self.dataset_rid]))

    def _types(self) -> list[str]:
        return sorted(row["Dataset_Type"] for row in self._own("Dataset_Dataset_Type"))

    def _description(self) -> str:
        return next((row["Description"] or "" for row in self._own("Dataset", "RID")), "")

    def _execution(self) -> str | None:
        return next(
            (row["Execution"] for row in self._own("Dataset_Version") if row["Version"] == str(self.version)), None
        )

    def _by_age(self, rids: Sequence[str] | set[str]) -> list[str]:
        rows = self.model.json_rows_with(self._ml_table("Execution"), "RID", rids)
        age = {row["RID"]: row["RCT"] for row in rows}
        return sorted(rids, key=lambda rid: (age.get(rid, ""), rid))

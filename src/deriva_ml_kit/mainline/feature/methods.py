"""What a DerivaML does with features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from deriva.core.ermrest_model import Key, Table
from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.core.definitions import MLVocab
from deriva_ml.core.ermrest import ColumnDefinition
from deriva_ml.core.exceptions import DerivaMLException, DerivaMLInvalidTerm

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.errors import DerivaMLNotFoundError
from deriva_ml_kit.mainline.execution.finding import execution_rows
from deriva_ml_kit.mainline.feature import creating
from deriva_ml_kit.mainline.feature.definition import Feature, FeatureReference, references
from deriva_ml_kit.mainline.feature.records import FeatureRecord
from deriva_ml_kit.mainline.feature.values import CatalogValues, feature_values

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


class FeatureMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML does with features."""

    def find_features(self: DerivaML, table: str | Table | None = None) -> list[Feature]:
        """The features of a table, or of all, by table and name.

        Raises:
            DerivaMLTableNotFound: There is no such table.
        """
        found: list[Feature] = self.model.find_features(table)
        return found

    def lookup_feature(self: DerivaML, table: str | Table, feature_name: str) -> Feature:
        """What a feature consists of; not its values, which `feature_values` gives.

        Raises:
            DerivaMLTableNotFound: There is no such table.
            DerivaMLFeatureNotFound: The table has no such feature; names those it has.
        """
        found: Feature = self.model.lookup_feature(table, feature_name)
        return found

    def feature_record_class(self, table: str | Table, feature_name: str) -> type[FeatureRecord]:
        """The class of a feature's records: a field for each column, of its type; only the target must be given.

        Raises:
            DerivaMLTableNotFound: There is no such table.
            DerivaMLFeatureNotFound: The table has no such feature; names those it has.
        """
        return self.lookup_feature(table, feature_name).feature_record_class()

    def feature_values(
        self: DerivaML,
        table: str | Table,
        feature_name: str,
        selector: Callable[[list[FeatureRecord]], FeatureRecord | None] | None = None,
        materialize_limit: int | None = None,
        execution_rids: list[str] | None = None,
    ) -> Iterator[FeatureRecord]:
        """The values of a feature, read in pages as they are asked for.

        Args:
            table: Table that the feature is about.
            feature_name: Name of the feature.
            selector: Chooses one of a target's records, such as `FeatureRecord.select_newest`, or None to leave the
                target out; without it, all are given.
            materialize_limit: How many rows there may be before a selector chooses.
            execution_rids: Only values that these executions have given; none, if it is empty.

        Raises:
            DerivaMLTableNotFound: There is no such table.
            DerivaMLFeatureNotFound: The table has no such feature; names those it has.
            DerivaMLMaterializeLimitExceeded: There are more rows; none of them was read.
        """
        feature = self.lookup_feature(table, feature_name)
        return feature_values(feature, CatalogValues(self.catalog), selector, materialize_limit, execution_rids)

    def create_feature(  # noqa: PLR0917  (main line's signature)
        self: DerivaML,
        target_table: Table | str,
        feature_name: str,
        terms: Sequence[Table | str] | None = None,
        assets: Sequence[Table | str] | None = None,
        metadata: Sequence[ColumnDefinition | dict[str, Any] | Table | Key | str] | None = None,
        optional: Sequence[str] | None = None,
        comment: str = "",
        update_navbar: bool = True,
    ) -> type[FeatureRecord]:
        """Make a feature: the table of its values, and its name in the vocabulary Feature_Name.

        Args:
            target_table: Table that the values are about.
            feature_name: Name of the feature: letters, digits, `_` and `-`.
            terms: Vocabularies; each gives a column that holds a term.
            assets: Asset tables; each gives a column that holds the RID of an asset.
            metadata: Further columns: definitions, or tables or keys to refer to.
            optional: Names of columns that may stay empty. Columns of `metadata` may anyway, if their definition
                does not say otherwise.
            comment: What the feature means.
            update_navbar: Accepted for main line's sake: the menu of the catalog's pages shows no features.

        Returns:
            The class of its records.

        Raises:
            DerivaMLFaults: Everything that is wrong with the definition; nothing was written.
        """
        name = self._feature_term(feature_name)
        definition = creating.table_of(
            self.model,
            target_table,
            name,
            terms=terms or (),
            assets=assets or (),
            metadata=metadata or (),
            optional=optional or (),
            comment=comment,
        )
        # The table first: who may not make it leaves no name behind.
        self.model.schemas[self.domain_schema].create_table(definition)
        self.add_term(MLVocab.feature_name, name, description=comment)
        return self.feature_record_class(target_table, name)

    def _feature_term(self, name: str) -> str:
        """The term of a feature's name, which may be a synonym of it."""
        try:
            return str(self.lookup_term(MLVocab.feature_name, name).name)
        except DerivaMLInvalidTerm:
            return name

    def delete_feature(self: DerivaML, table: Table | str, feature_name: str) -> bool:
        """Remove a feature with all its values, for good.

        Returns:
            Whether there was one.

        Raises:
            DerivaMLTableNotFound: There is no such table.
        """
        for feature in self.find_features(table):
            if feature.feature_name == feature_name:
                feature.feature_table.drop()
                return True
        return False

    def find_features_referencing(
        self: DerivaML, table: str | Table, column: str | None = None
    ) -> list[FeatureReference]:
        """The features that a change of a table would touch: those about it, or with terms or assets of it.

        Args:
            table: The table.
            column: Only references to this column of it.

        Raises:
            DerivaMLTableNotFound: There is no such table.
        """
        return references(self.model, table, column)

    def list_workflow_executions(self: DerivaML, workflow: str) -> list[str]:
        """RIDs of the executions of a workflow, or of all workflows of a type, oldest first.

        Args:
            workflow: RID of a workflow, or a workflow type.

        Raises:
            DerivaMLNotFoundError: It is neither the RID of a workflow, nor a workflow type with executions.
        """
        if list(rows_with(self.catalog, self.ml_schema, "Workflow", "RID", [workflow], wanted=["RID"])):
            found = execution_rows(self, workflow=workflow)
        else:
            try:
                found = execution_rows(self, workflow_type=workflow)
            except DerivaMLInvalidTerm:
                found = []
            if not found:
                raise DerivaMLNotFoundError(
                    f"{workflow!r} is neither the RID of a workflow, nor a workflow type with executions."
                )
        return [row["RID"] for row in sorted(found, key=lambda row: (row["RCT"], row["RID"]))]

    def add_features(self, *args: Any, **kwargs: Any) -> int:
        """Nothing: values belong to an execution.

        Raises:
            DerivaMLException: Always; says what to call.
        """
        raise DerivaMLException(
            "A DerivaML takes no feature values: they belong to the execution that gives them. "
            "Call exe.add_features(records) in `with ml.create_execution(…) as exe:`, "
            "and exe.commit_output_assets() after it."
        )

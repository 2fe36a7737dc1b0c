"""Records of features: one class for each feature, typed as its columns are, with the selectors that choose among them.

The release makes every column text but integers and floats, and its records know neither when they were created nor
how to choose among several.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from deriva.core.ermrest_model import Column
from deriva_ml.core.exceptions import DerivaMLException
from deriva_ml.feature import FeatureRecord as ReleasedRecord
from pydantic import create_model

from deriva_ml_kit.mainline.feature import selectors
from deriva_ml_kit.mainline.feature.selectors import Selector
from deriva_ml_kit.mainline.feature.types import python_type

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.feature.definition import Feature

Self = TypeVar("Self", bound="FeatureRecord")


class FeatureRecord(ReleasedRecord):  # type: ignore[misc]  # the release is untyped
    """One value of a feature. Its classes are made by `feature_record_class`, with a field for each column.

    The `select_…` methods are, or give, selectors for `feature_values`: they get the records of one target and choose
    one, or None if the target is to have no value. Their choice does not depend on the records' order.

    Attributes:
        Execution: RID of the execution that gave the value.
        Feature_Name: Name of the feature.
        RCT: When the row was created, ISO 8601; filled in when values are read, never written.
        feature: Definition of the feature.
    """

    RCT: str | None = None

    @staticmethod
    def select_newest(records: list[Self]) -> Self:
        """The record that was created last; one without a time counts as older than all."""
        return selectors.newest(records)

    @staticmethod
    def select_latest(records: list[Self]) -> Self:
        """Another name for `select_newest`."""
        return selectors.newest(records)

    @staticmethod
    def select_first(records: list[Self]) -> Self:
        """The record that was created first; one without a time counts as older than all."""
        return selectors.first(records)

    @staticmethod
    def select_by_execution(execution_rid: str) -> Selector:
        """A selector of the newest value that one execution has given; without one, the target has no value.

        Args:
            execution_rid: RID of the execution.
        """
        return selectors.newest_of({execution_rid})

    @classmethod
    def select_by_workflow(
        cls, workflow: str, *, container: Any
    ) -> Callable[[list[FeatureRecord]], FeatureRecord | None]:
        """A selector of the newest value from any execution of a workflow; without one, the target has no value.

        Args:
            workflow: RID of a workflow, or a workflow type.
            container: DerivaML, Dataset or DatasetBag: its `list_workflow_executions` is asked at once.

        Raises:
            DerivaMLException: The container knows no such workflow.
        """
        return selectors.newest_of(frozenset(container.list_workflow_executions(workflow)))

    @classmethod
    def select_majority_vote(cls, column: str | None = None) -> Selector:
        """A selector of the most frequent value; of equally frequent ones, that of the newest record.

        Args:
            column: Column whose values are counted (an absent value counts too); without it, the only term column.

        Raises:
            DerivaMLException: By the selector: the feature has no such column, or not exactly one term column.
        """

        def select(records: list[FeatureRecord]) -> FeatureRecord | None:
            return selectors.most_frequent(records, _voted(type(records[0]), column)) if records else None

        return select

    @staticmethod
    def select_as_of(time: datetime | str) -> Selector:
        """A selector of the newest value that existed at a moment, so that nothing of later leaks into training.

        A target that had no value then has none.

        Args:
            time: The moment, itself included: a datetime with time zone, or ISO 8601 text with offset.

        Raises:
            DerivaMLValidationError: It is no time, or lacks its offset from UTC.
        """
        return selectors.select_as_of(time)

    @classmethod
    def feature_columns(cls) -> set[Column]:
        """All columns that hold the value."""
        return set(cls._feature().feature_columns)

    @classmethod
    def asset_columns(cls) -> set[Column]:
        """Columns that hold the RID of an asset."""
        return set(cls._feature().asset_columns)

    @classmethod
    def term_columns(cls) -> set[Column]:
        """Columns that hold a term."""
        return set(cls._feature().term_columns)

    @classmethod
    def value_columns(cls) -> set[Column]:
        """Columns that hold neither."""
        return set(cls._feature().value_columns)

    @classmethod
    def _feature(cls) -> Feature:
        if cls.feature is None:
            raise DerivaMLException(f"{cls.__name__} is of no feature; ask a class that feature_record_class has made.")
        feature: Feature = cls.feature
        return feature


def record_class(feature: Feature) -> type[FeatureRecord]:
    """The class of a feature's records.

    As in main line, only the target must be given; a value that the catalog requires is missed when it is sent.
    """
    fields: dict[str, Any] = {"Feature_Name": (str, feature.feature_name), feature.target_column: (str, ...)}
    for column in feature.feature_table.columns:
        if column in feature.feature_columns:
            kind = str | Path if column in feature.asset_columns else python_type(column)
            fields[column.name] = (kind | None if column.nullok else kind, column.default)
    name = f"{feature.target_table.name}Feature{feature.feature_name}"
    text = f"A value of feature {feature.feature_name} on {feature.target_table.name}: {', '.join(fields)}."
    made: type[FeatureRecord] = create_model(name, __base__=FeatureRecord, __doc__=text, **fields)
    made.feature = feature
    return made


def _voted(kind: type[FeatureRecord], column: str | None) -> str:
    if column is not None:
        if column in kind.model_fields:
            return column
        raise DerivaMLException(f"{kind.__name__} has no column {column}; it has {', '.join(kind.model_fields)}.")
    terms = sorted(str(term.name) for term in kind.term_columns())
    if len(terms) != 1:
        raise DerivaMLException(
            f"{kind.__name__} has {len(terms)} term columns ({', '.join(terms) or 'none'}): "
            "say which column select_majority_vote(column=…) is about."
        )
    return terms[0]

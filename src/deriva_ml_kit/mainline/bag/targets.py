"""The labels of a bag's records: values of features, or of the records' own columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from deriva.core.ermrest_model import Table

from deriva_ml_kit.mainline.errors import DerivaMLValidationError, listed
from deriva_ml_kit.mainline.feature.definition import Feature
from deriva_ml_kit.mainline.feature.records import FeatureRecord

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.bag.dataset_bag import DatasetBag


class Labels:
    """What training is to learn of each record.

    Args:
        bag: Where the records are.
        table: Their table.
        targets: Features or columns; features with a selector for each.
        missing: What a record without a label means.
        strict: Refuse features without a term, and records with several values; else the first value counts.

    Attributes:
        features: The targets that are features.

    Raises:
        DerivaMLValidationError: A target is neither a feature nor a column of the table, or has no term; `missing` is
            none of the three.
    """

    def __init__(
        self,
        bag: DatasetBag,
        table: Table,
        targets: list[str] | dict[str, Callable[..., Any]] | None,
        missing: Literal["error", "skip", "unknown"],
        *,
        strict: bool = True,
    ) -> None:
        if missing not in {"error", "skip", "unknown"}:
            raise DerivaMLValidationError(f"missing={missing!r}: it is one of error, skip, unknown.")
        if isinstance(targets, str):
            raise DerivaMLValidationError(f"targets takes a list, such as [{targets!r}].")
        self._table = table
        self._names = list(targets or ())
        self._missing = missing
        known = {feature.feature_name: feature for feature in bag.find_features(table)}
        self.features: dict[str, Feature] = {name: known[name] for name in self._names if name in known}
        columns = {column.name for column in table.columns}
        if unknown := [name for name in self._names if name not in {*known, *columns}]:
            raise DerivaMLValidationError(
                f"{listed(unknown)}: neither a feature nor a column of {table.name}.",
                remedy=f"Features: {listed(sorted(known)) or 'none'}. Columns: {listed(sorted(columns))}.",
            )
        if strict and (bare := [name for name, feature in self.features.items() if not feature.term_columns]):
            raise DerivaMLValidationError(
                f"{listed(bare)}: no term in this feature, so its values are no labels of a fixed set.",
                remedy="If that is meant: enforce_vocabulary=False.",
            )
        selectors = targets if isinstance(targets, dict) else {}
        self._records = {
            name: _by_target(bag, table, feature, selectors.get(name), strict)
            for name, feature in self.features.items()
        }

    def of(self, row: dict[str, Any]) -> dict[str, Any]:
        """A record's labels by target: the record of a feature, or the value of a column; None where there is none."""
        return {
            name: self._records[name].get(row["RID"]) if name in self.features else row[name] for name in self._names
        }

    def complete(self, row: dict[str, Any]) -> bool:
        """Whether the record has every label."""
        return all(value is not None for value in self.of(row).values())

    def check(self, rows: dict[str, dict[str, Any]]) -> None:
        """Make sure that no label is missing, if none may be.

        Raises:
            DerivaMLValidationError: Some are; names the records.
        """
        if self._missing == "error" and (bare := [rid for rid, row in rows.items() if not self.complete(row)]):
            raise DerivaMLValidationError(
                f"{len(bare)} of {len(rows)} records of {self._table.name} lack a label of {listed(self._names)}: "
                f"{listed(bare, 20)}.",
                remedy="missing='skip' leaves them out, missing='unknown' keeps them apart.",
            )


def _by_target(
    bag: DatasetBag, table: Table, feature: Feature, selector: Callable[..., Any] | None, strict: bool
) -> dict[str, FeatureRecord]:
    """Record to its value.

    Raises:
        DerivaMLValidationError: A record has several values that differ.
    """
    found: dict[str, FeatureRecord] = {}
    columns = sorted(column.name for column in feature.feature_columns)
    several: set[str] = set()
    for record in bag.feature_values(table, feature.feature_name, selector=selector):
        target = getattr(record, feature.target_column)
        other = found.setdefault(target, record)
        if [getattr(other, name) for name in columns] != [getattr(record, name) for name in columns]:
            several.add(target)
    if strict and several:
        raise DerivaMLValidationError(
            f"{len(several)} records have several values of {feature.feature_name}: {listed(sorted(several))}.",
            remedy=f"Choose: targets={{{feature.feature_name!r}: FeatureRecord.select_newest}}",
        )
    return found

"""A new feature's table, made in one request after everything that can be wrong with it was looked at.

The release makes the table first and then alters it column by column, gives it the key that comes first instead of the
RID where a target has a Name or ID of its own, and numbers a column whose name begins like another's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from deriva.core.ermrest_model import Key, Table
from deriva_ml.model.catalog import DerivaModel

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.mainline.catalog.rows import SYSTEM_COLUMNS
from deriva_ml_kit.mainline.errors import DerivaMLFaults, DerivaMLTableNotFound
from deriva_ml_kit.mainline.feature.records import FeatureRecord

# What the release's uploader accepts as a folder's name.
NAME = re.compile(r"[-\w]+")
LONGEST_NAME = 63  # bytes, PostgreSQL's limit


def table_of(
    model: DerivaModel,
    target: Table | str,
    name: str,
    *,
    terms: Sequence[Table | str],
    assets: Sequence[Table | str],
    metadata: Sequence[Any],
    optional: Sequence[str],
    comment: str,
    again: bool = False,
) -> dict[str, Any]:
    """The definition of a feature's table, as ERMrest takes it; the arguments are those of `create_feature`.

    With `again` it is no fault that there is such a feature already, so that the two can be compared.

    Raises:
        DerivaMLFaults: Everything that is wrong with it.
    """
    draft = _Draft(model)
    about = draft.target(target, name, again=again)
    for table in draft.listed("assets", assets):
        draft.reference(table, "assets", "an asset table", model.is_asset)
    for table in draft.listed("terms", terms):
        draft.reference(table, "terms", "a vocabulary", model.is_vocabulary)
    for given in draft.listed("metadata", metadata):
        draft.metadata(given)
    draft.make_optional(draft.listed("optional", optional))
    if about is None or draft.faults:
        message = f"The feature {name} on {_called(target)} cannot be made. Nothing was written."
        raise DerivaMLFaults(draft.faults, message=message)
    definition: dict[str, Any] = Table.define_association(
        table_name=_table_name(about, name),
        associates=[
            ("Execution", _key(model.schemas[model.ml_schema].tables["Execution"])),
            (about.name, _key(about)),
            ("Feature_Name", model.schemas[model.ml_schema].tables["Feature_Name"].key_by_columns(["Name"])),
        ],
        metadata=draft.columns,
        comment=comment,
    )
    for column in definition["column_definitions"]:
        if column["name"] == "Feature_Name":
            column["default"] = name
    return definition


class _Draft:
    """The columns of the feature, and what was found wrong so far."""

    def __init__(self, model: DerivaModel) -> None:
        self.model = model
        self.columns: list[Any] = []  # as Table.define_association takes them
        self.faults: list[Fault] = []
        self.used = {*SYSTEM_COLUMNS, "Execution", "Feature_Name"}

    def fault(self, argument: str, value: Any, message: str, remedy: str | None = None) -> None:
        self.faults.append(Fault(message, column=argument, value=_called(value), remedy=remedy))

    def listed(self, argument: str, given: Sequence[Any]) -> Sequence[Any]:
        if not isinstance(given, str):
            return given
        self.fault(argument, given, "is a name where a list of them is taken", remedy=f"write [{given!r}]")
        return ()

    def target(self, target: Table | str, name: str, *, again: bool) -> Table | None:
        if not NAME.fullmatch(name):
            self.fault("feature_name", name, "is no name of letters, digits, _ and -")
        table = self._table("target_table", target)
        if table is None:
            return None
        if table.schema.name == self.model.ml_schema and table.name in {"Execution", "Feature_Name"}:
            self.fault("target_table", table, "every feature refers to this table, none can be about it")
        self.used.add(table.name)
        values = _table_name(table, name)
        if any(feature.feature_name == name for feature in self.model.find_features(table)):
            if not again:
                self.fault("feature_name", name, f"{table.name} has this feature already")
        elif values in self.model.schemas[self.model.domain_schema].tables:
            self.fault("feature_name", name, f"there is already a table {values} in {self.model.domain_schema}")
        if (length := len(values.encode())) > LONGEST_NAME:
            self.fault("feature_name", name, f"its table {values} would have a name of {length} bytes, more than 63")
        return table

    def reference(self, given: Table | str, argument: str, kind: str, is_kind: Any = None) -> None:
        table = self._table(argument, given)
        if table is None:
            return
        if is_kind and not is_kind(table):
            self.fault(argument, given, f"is not {kind}")
            return
        self._refer(table.key_by_columns(["Name"]) if self.model.is_vocabulary(table) else _key(table))

    def metadata(self, given: Any) -> None:
        if isinstance(given, str | Table):
            self.reference(given, "metadata", "a table")
        elif isinstance(given, Key):
            self._refer(given)
        else:
            self._column(given if isinstance(given, dict) else given.model_dump())

    def make_optional(self, names: Iterable[str]) -> None:
        known = {
            column["name"] if isinstance(column, dict) else column[0]: at for at, column in enumerate(self.columns)
        }
        for name in names:
            if name not in known:
                there = ", ".join(known) or "it has none"
                self.fault("optional", name, "is no column of this feature", remedy=f"its columns: {there}")
                continue
            column = self.columns[known[name]]
            if isinstance(column, dict):
                self.columns[known[name]] = column | {"nullok": True}
            else:
                self.columns[known[name]] = (name, True, column[2])

    def _refer(self, key: Key) -> None:
        """A column for a reference, named after the table; a second one to the same table is numbered."""
        base = name = str(key.table.name)
        number = 1
        while name in self.used:
            number += 1
            name = f"{base}{number}"
        self.used.add(name)
        self.columns.append((name, False, key))

    def _column(self, column: dict[str, Any]) -> None:
        name = column["name"]
        if name in self.used:
            self.fault("metadata", name, "the feature has another column of this name")
        elif name.startswith("_") or hasattr(FeatureRecord, name):
            self.fault("metadata", name, "records cannot have a field of this name")
        self.used.add(name)
        self.columns.append(column)

    def _table(self, argument: str, given: Table | str) -> Table | None:
        try:
            return self.model.name_to_table(given)
        except DerivaMLTableNotFound as error:
            self.fault(argument, given, error.message.rstrip("."), error.remedy)
            return None


def _key(table: Table) -> Key:
    return table.key_by_columns(["RID"])


def _table_name(target: Table, feature_name: str) -> str:
    return f"Execution_{target.name}_{feature_name}"


def _called(value: Any) -> str:
    return str(getattr(value, "name", value))

"""Which members of a dataset go into which part: reads the catalog, writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import pandas as pd

from deriva_ml_kit.datasets import elements
from deriva_ml_kit.errors import Fault
from deriva_ml_kit.mainline import Dataset, DerivaML, DerivaMLDenormalizeDownstreamLeaf
from deriva_ml_kit.sampling import (
    CannotSample,
    Missing,
    Records,
    SelectionFunction,
    assign,
    leaks,
    records,
    stratified_split,
)
from deriva_ml_kit.sampling.faults import listed
from deriva_ml_kit.sampling.selectors import column

PartitionBy = Literal["element", "row"]
Sizes = Callable[[int], dict[str, int]]


@dataclass(frozen=True)
class Choice:
    """How parts shall be chosen; the words of `split_dataset`.

    Attributes:
        seed: Of the draw.
        stratify_by_column: Column whose values have like shares in all parts.
        stratify_missing: What to do with records without a value there.
        selection_fn: A function that chooses instead.
        element_table: Table of the records.
        include_tables: Tables of the denormalised dataset.
        row_per: Table of which that has a row each.
        via: Tables that it passes through.
        ignore_unrelated_anchors: Leave out members without a way to the others.
        partition_by: Whether records or rows are split.
        group_by: What records belong to.
        shuffle: False takes the records in the order of their RIDs.
    """

    seed: int
    stratify_by_column: str | None = None
    stratify_missing: Missing = "error"
    selection_fn: SelectionFunction | None = None
    element_table: str | None = None
    include_tables: list[str] | None = None
    row_per: str | None = None
    via: list[str] | None = None
    ignore_unrelated_anchors: bool = False
    partition_by: PartitionBy | None = None
    group_by: str | None = None
    shuffle: bool = True

    @property
    def by_rows(self) -> bool:
        """Whether rows are split, so that a record may be in several parts."""
        return self.partition_by == "row"

    @property
    def strategy(self) -> str:
        """How, in words."""
        if self.selection_fn is not None:
            return "custom selection function"
        how = f"stratified by {self.stratify_by_column}" if self.stratify_by_column else "random"
        return how + (f", whole groups by {self.group_by}" if self.group_by else "")

    def check(self) -> None:
        """Refuse arguments that do not go together.

        Raises:
            CannotSample: Every fault.
        """
        frame = [name for name in ("stratify_by_column", "selection_fn") if getattr(self, name)]
        unclear = self.row_per is not None and self.row_per != self.element_table and self.partition_by is None
        found = {
            "stratify_by_column and selection_fn exclude each other: give one": len(frame) > 1,
            f"{' and '.join(frame)} needs include_tables, such as ['Image', 'Image_Class']": bool(frame)
            and not self.include_tables,
            f"partition_by must be 'element' or 'row', not {self.partition_by!r}": self.partition_by is not None
            and self.partition_by not in get_args(PartitionBy),
            f"row_per {self.row_per!r} is not element_table {self.element_table!r}, so that a record can have several "
            "rows: say partition_by='element' (each record in one part) or 'row' (in several, perhaps)": unclear,
            "group_by keeps records together, and partition_by='row' tears them apart": bool(self.group_by)
            and self.by_rows,
            "group_by needs shuffle=True": bool(self.group_by) and not self.shuffle,
        }
        if faults := [Fault(message) for message, wrong in found.items() if wrong]:
            raise CannotSample(faults)


@dataclass(frozen=True)
class Drawn:
    """Parts of a dataset.

    Attributes:
        table: Table of the records.
        parts: Part -> RIDs, sorted.
    """

    table: str
    parts: dict[str, list[str]]


def draw(ml: DerivaML, source: str, choice: Choice, sizes: Sizes) -> Drawn:
    """Choose the members of each part.

    Args:
        ml: The connection.
        source: RID of the dataset, whose nested datasets count too.
        choice: How.
        sizes: Given how many records, or rows, there are: part -> how many of them.

    Raises:
        CannotSample: Arguments, sizes or records that do not allow it; lists all.
        DerivaMLException: There is no such dataset or table.
    """
    choice.check()
    dataset = ml.lookup_dataset(source)
    table, rids = _members(dataset, choice.element_table)
    groups = elements.groups(ml, table, choice.group_by, rids) if choice.group_by else None
    if choice.stratify_by_column or choice.selection_fn:
        parts = _by_frame(_frame(dataset, table, rids, choice), f"{table}.RID", groups, choice, sizes)
    elif choice.shuffle:
        parts = _by_label(Records(dict.fromkeys(rids, "")), groups, sizes, choice.seed)
    else:
        parts, start = {}, 0
        for name, size in sizes(len(rids)).items():
            parts[name] = rids[start : start + size]
            start += size
    if not choice.by_rows and (torn := leaks(parts, groups)):
        shown = listed(f"{leak.key} in {' and '.join(leak.parts)}" for leak in torn)
        raise CannotSample([Fault(f"{len(torn)} records or groups are in several parts: {shown}")])
    return Drawn(table, {name: sorted(set(chosen)) for name, chosen in parts.items()})


def _members(dataset: Dataset, table: str | None) -> tuple[str, list[str]]:
    members = dataset.list_dataset_members(recurse=True)
    rids = {name: sorted({row["RID"] for row in rows}) for name, rows in members.items() if rows and name != "Dataset"}
    held = f"tables with members: {', '.join(sorted(rids)) or 'none'}"
    if table is None and len(rids) != 1:
        raise CannotSample([Fault(f"element_table must be given for dataset {dataset.dataset_rid}; {held}")])
    table = table or next(iter(rids))
    if table not in rids:
        raise CannotSample([Fault(f"dataset {dataset.dataset_rid} has no members from {table}; {held}")])
    return table, rids[table]


def _frame(dataset: Dataset, table: str, rids: list[str], choice: Choice) -> pd.DataFrame:
    """Return the denormalised dataset, rows of its members alone."""
    get = partial(
        dataset.get_denormalized_as_dataframe,
        choice.include_tables or [],
        via=choice.via,
        ignore_unrelated_anchors=choice.ignore_unrelated_anchors,
    )
    try:
        frame = get(row_per=choice.row_per or table)
    except DerivaMLDenormalizeDownstreamLeaf:
        if choice.row_per or choice.by_rows or not choice.stratify_by_column:
            raise
        frame = get()  # labels stand in a table that refers to the records: the rows are theirs
    if choice.stratify_by_column:
        column(frame, choice.stratify_by_column)
    inside: pd.DataFrame = frame[column(frame, f"{table}.RID").isin(rids)]
    return inside


def _by_frame(
    frame: pd.DataFrame, rid_of: str, groups: Mapping[str, str] | None, choice: Choice, sizes: Sizes
) -> dict[str, list[str]]:
    """Choose by what stands beside the records."""
    if choice.selection_fn:
        rows = frame if choice.by_rows else frame.sort_values(rid_of, kind="stable").drop_duplicates(rid_of)
        return _rows_of(choice.selection_fn, rows.reset_index(drop=True), rid_of, sizes, choice)
    labels = column(frame, str(choice.stratify_by_column))
    if choice.by_rows:
        rows = frame[labels.notna()] if choice.stratify_missing == "drop" else frame
        select = stratified_split(str(choice.stratify_by_column), choice.stratify_missing)
        return _rows_of(select, rows, rid_of, sizes, choice)
    known, faults = records(frame[rid_of], labels, missing=choice.stratify_missing)
    if faults:
        raise CannotSample(faults)
    return _by_label(known, groups, sizes, choice.seed)


def _by_label(known: Records, groups: Mapping[str, str] | None, sizes: Sizes, seed: int) -> dict[str, list[str]]:
    rids = list(known.label)
    strata = list(known.label.values())
    found = assign(
        rids,
        sizes(len(rids)),
        seed,
        strata=strata if len(set(strata)) > 1 else None,
        groups=[groups.get(rid, rid) for rid in rids] if groups is not None else None,
    )
    return {name: [rids[n] for n in positions] for name, positions in found.items()}


def _rows_of(
    select: SelectionFunction, frame: pd.DataFrame, rid_of: str, sizes: Sizes, choice: Choice
) -> dict[str, list[str]]:
    wanted = sizes(len(frame))
    found = select(frame, wanted, choice.seed)
    if set(found) != set(wanted):
        raise CannotSample([Fault(f"the selection function gave the parts {listed(found)}, not {listed(wanted)}")])
    return {name: [str(rid) for rid in frame[rid_of].iloc[found[name]]] for name in wanted}

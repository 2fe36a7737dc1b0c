"""Members of datasets: read, added and removed in batches.

What is added or removed is checked as a whole before anything is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import requests
from deriva.core import urlquote
from deriva.core.ermrest_model import Table

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.mainline.catalog.lookup import LOOKUP_BATCH, rows_with
from deriva_ml_kit.mainline.catalog.paged import PAGE_ROWS, paged
from deriva_ml_kit.mainline.catalog.rids import tables_of
from deriva_ml_kit.mainline.catalog.rows import Row, any_of, batches, insert
from deriva_ml_kit.mainline.dataset import nesting
from deriva_ml_kit.mainline.dataset.elements import ElementType, element_types
from deriva_ml_kit.mainline.errors import DerivaMLCycleError, DerivaMLFaults, DerivaMLValidationError, listed

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

Members = Iterable[str] | Mapping[str, Iterable[str]]


@dataclass
class Links:
    """Rows that link a dataset with members.

    Attributes:
        dataset_rid: The dataset.
        values: For each element type, RIDs of members with the value that refers to them, mostly the RID itself.
    """

    dataset_rid: str
    values: dict[ElementType, dict[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(self.values.values())


def members(ml: DerivaML, rid: str, *, recurse: bool = False, limit: int | None = None) -> dict[str, list[Row]]:
    """Members of a dataset by table name, with a list for each element type; each member once.

    Args:
        ml: The catalog, or a snapshot of it.
        rid: RID of the dataset.
        recurse: With the members of nested datasets.
        limit: At most so many of each table.
    """
    within = [rid, *nesting.children(ml, [rid], recurse=True)] if recurse else [rid]
    found: dict[str, list[Row]] = {}
    for kind in element_types(ml):
        rows = {row["RID"]: row for row in islice(_linked(ml, kind, within, limit), limit)}
        found.setdefault(kind.table.name, []).extend(rows.values())
    return found


def member_rids(ml: DerivaML, rid: str, table: str | Table, *, recurse: bool = False) -> list[str]:
    """RIDs of a dataset's members of one table."""
    within = [rid, *nesting.children(ml, [rid], recurse=True)] if recurse else [rid]
    kinds = [kind for kind in element_types(ml) if kind.table is ml.model.name_to_table(table)]
    rows = (row for kind in kinds for row in _linked(ml, kind, within, None, wanted=["RID"]))
    return list(dict.fromkeys(row["RID"] for row in rows))


def _linked(
    ml: DerivaML, kind: ElementType, datasets: Collection[str], limit: int | None, wanted: Collection[str] = ()
) -> Iterator[Row]:
    seen: set[str] = set()
    for batch in batches(datasets, LOOKUP_BATCH):
        path = f"{kind.links_path}/{any_of(kind.dataset_column, batch)}/{kind.members_path}"
        for row in paged(ml.catalog, path, wanted=[*wanted], page_rows=min(limit or PAGE_ROWS, PAGE_ROWS)):
            if row["RID"] not in seen:
                seen.add(row["RID"])
                yield row


def to_add(ml: DerivaML, rid: str, given: Members, *, validate: bool = True) -> Links:
    """What has to be written so that a dataset has further members, after it was found that it may have them.

    Args:
        ml: The catalog.
        rid: RID of the dataset.
        given: RIDs, or RIDs by table name.
        validate: Whether it is a fault if some are members already; they are left out otherwise.

    Raises:
        DerivaMLFaults: RIDs that do not exist, are of no element type or of another table than said, or are members
            already; datasets that are marked as deleted, or would come to be in themselves.
        DerivaMLCycleError: Only the last of these.
        DerivaMLTableNotFound: There is no such table.
    """
    faults: list[Fault] = []
    kinds = {kind.table: kind for kind in element_types(ml)}
    links = Links(rid)
    for kind, rids in _by_type(ml, kinds, given, faults).items():
        there = _members_among(ml, rid, kind, rids.values())
        if validate and (already := sorted(one for one, value in rids.items() if value in there)):
            faults.append(Fault(f"members of dataset {rid} already: {listed(already)}"))
        links.values[kind] = {one: value for one, value in rids.items() if value not in there}
    nested = links.values.get(kinds[ml.model.schemas[ml.ml_schema].tables["Dataset"]], {})
    if gone := _deleted(ml, nested):
        faults.append(Fault(f"datasets that are marked as deleted: {listed(gone)}"))
    above = {rid, *nesting.parents(ml, [rid], recurse=True)} if nested else set()
    cycle = sorted(above & nested.keys())
    if cycle and not faults:
        raise DerivaMLCycleError([rid, *cycle], "A dataset cannot come to be in itself")
    if cycle:
        faults.append(Fault(f"datasets that contain dataset {rid}, or are it: {listed(cycle)}"))
    _refuse(faults, f"Nothing was added to dataset {rid}")
    return links


def add(ml: DerivaML, links: Links) -> None:
    """Write links; those that exist are left as they are."""
    for kind, values in links.values.items():
        rows = ({kind.dataset_column: links.dataset_rid, kind.member_column: value} for value in values.values())
        insert(ml.catalog, kind.links.schema.name, kind.links.name, rows, skip_conflicts=True)


def to_remove(ml: DerivaML, rid: str, given: Iterable[str]) -> Links:
    """What has to be deleted so that a dataset no longer has some members.

    Raises:
        DerivaMLFaults: Some are no members.
    """
    missing = set(_listed(given))
    links = Links(rid)
    for kind in element_types(ml):
        values = {one: one for one in missing} if kind.key_column == "RID" else _values(ml, kind, missing)
        there = _members_among(ml, rid, kind, values.values())
        links.values[kind] = {one: value for one, value in values.items() if value in there}
        missing -= links.values[kind].keys()
    faults = [Fault(f"no members of dataset {rid}: {listed(sorted(missing))}")] if missing else []
    _refuse(faults, f"Nothing was removed from dataset {rid}")
    return links


def remove(ml: DerivaML, links: Links) -> None:
    """Delete links; those that are gone are no fault."""
    for kind, values in links.values.items():
        for batch in batches(values.values(), LOOKUP_BATCH):
            path = f"/entity/{_links_to(kind, links.dataset_rid, batch)}"
            try:
                ml.catalog.delete(path)
            except requests.HTTPError as error:
                if error.response.status_code != 404:  # another client was faster
                    raise


def _by_type(
    ml: DerivaML, kinds: Mapping[object, ElementType], given: Members, faults: list[Fault]
) -> dict[ElementType, dict[str, str]]:
    """For each element type, RIDs with the value by which links refer to them."""
    said = isinstance(given, Mapping)
    grouped: dict[ElementType, list[str]] = defaultdict(list)
    if isinstance(given, Mapping):
        for name, of_it in given.items():
            if kind := kinds.get(ml.model.name_to_table(name)):
                grouped[kind] += _listed(of_it)
            else:
                faults.append(_no_element_type(kinds, name))
    else:
        rids = _listed(given)
        tables = tables_of(ml, rids, [kind.table for kind in kinds.values()])
        for one in rids:
            if one in tables:
                grouped[kinds[tables[one]]].append(one)
        if rest := [one for one in rids if one not in tables]:
            faults += _strangers(ml, kinds, rest)
    found = {}
    for kind, rids in grouped.items():
        needs_look = said or kind.key_column != "RID"
        found[kind] = _values(ml, kind, rids) if needs_look else {one: one for one in rids}
        if unknown := [one for one in rids if one not in found[kind]]:
            faults.append(Fault(f"no rows of table {kind.table.name}: {listed(unknown)}"))
    return found


def _strangers(ml: DerivaML, kinds: Mapping[object, ElementType], rids: list[str]) -> Iterator[Fault]:
    tables = tables_of(ml, rids)
    for name in sorted({table.name for table in tables.values()}):
        of_it = [one for one in rids if one in tables and tables[one].name == name]
        yield _no_element_type(kinds, name, f" ({listed(of_it)})")
    if unknown := [one for one in rids if one not in tables]:
        yield Fault(f"RIDs that the catalog does not have: {listed(unknown)}")


def _no_element_type(kinds: Mapping[object, ElementType], name: str, rids: str = "") -> Fault:
    known = ", ".join(kind.table.name for kind in kinds.values())
    return Fault(
        f"rows of table {name} cannot be members{rids}; those of {known} can",
        remedy=f"ml.add_dataset_element_type({name!r}) allows it",
    )


def _values(ml: DerivaML, kind: ElementType, rids: Collection[str]) -> dict[str, str]:
    """RIDs that the table has, with the values by which links refer to them."""
    wanted = list(dict.fromkeys(["RID", kind.key_column]))
    rows = rows_with(ml.catalog, kind.table.schema.name, kind.table.name, "RID", rids, wanted=wanted)
    return {row["RID"]: str(row[kind.key_column]) for row in rows}


def _deleted(ml: DerivaML, rids: Collection[str]) -> list[str]:
    rows = rows_with(ml.catalog, ml.ml_schema, "Dataset", "RID", rids, wanted=["RID", "Deleted"])
    return sorted(row["RID"] for row in rows if row["Deleted"])


def _members_among(ml: DerivaML, rid: str, kind: ElementType, values: Collection[str]) -> set[str]:
    """Those of some values that link a dataset with a member."""
    column = urlquote(kind.member_column, "")
    paths = (_links_to(kind, rid, batch) for batch in batches(sorted(set(values)), LOOKUP_BATCH))
    rows = (row for path in paths for row in ml.catalog.get(f"/attribute/{path}/{column}").json())
    return {str(row[kind.member_column]) for row in rows}


def _links_to(kind: ElementType, rid: str, values: Collection[str]) -> str:
    """Path of the links of a dataset with some members."""
    return f"{kind.links_path}/{any_of(kind.dataset_column, [rid])}/{any_of(kind.member_column, [*values])}"


def _listed(rids: Iterable[str]) -> list[str]:
    """RIDs, each once; datasets stand for theirs, and one alone for a list of one."""
    given = [getattr(one, "dataset_rid", one) for one in ([rids] if isinstance(rids, str) else rids)]
    if strange := [repr(one) for one in given if not isinstance(one, str) or not one]:
        raise DerivaMLValidationError(f"Members are given by RID, and these are none: {listed(strange)}.")
    return list(dict.fromkeys(given))


def _refuse(faults: list[Fault], what: str) -> None:
    if faults:
        raise DerivaMLFaults(faults, message=f"{what}, because of these:")

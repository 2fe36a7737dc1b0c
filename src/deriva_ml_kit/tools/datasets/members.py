"""Members that are to be added to a dataset: all that is wrong with them at once, then written in batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from deriva_ml_kit.errors import Fault, Faults
from deriva_ml_kit.nearest import suggestion
from deriva_ml_kit.tools.datasets.queries import kind_names
from deriva_ml_kit.tools.failure import ToolError
from deriva_ml_kit.tools.tables import table_of

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Table

    from deriva_ml_kit.mainline.dataset.elements import ElementType
    from deriva_ml_kit.mainline.dataset.members import Links
    from deriva_ml_kit.mainline.dataset.versions import DatasetVersion
    from deriva_ml_kit.ops.writes import Writes
    from deriva_ml_kit.tools.call import Call

Given: TypeAlias = Sequence[str] | Mapping[str, Sequence[str]]
# RIDs that one fault names, and strangers that are looked for in all tables.
NAMED = 100
LOOKED_FOR = 500


def checked_members(call: Call, dataset_rid: str, given: Given) -> tuple[Links, int]:
    """What has to be written so that a dataset has these members, and how many of them it has already.

    Raises:
        Faults: Everything that is wrong with them.
    """
    from deriva_ml_kit.mainline import DerivaMLCycleError  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.dataset.elements import element_types  # noqa: PLC0415
    from deriva_ml_kit.mainline.dataset.members import Links, to_add  # noqa: PLC0415

    ml = call.ml
    kinds = {kind.table: kind for kind in element_types(ml)}
    faults: list[Fault] = []
    by_table = _said(call, kinds, given, faults) if isinstance(given, Mapping) else _found(call, kinds, given, faults)
    call.check()
    links = Links(dataset_rid)
    try:
        links = to_add(ml, dataset_rid, {_full(table): rids for table, rids in by_table.items()}, validate=False)
    except Faults as error:
        faults += error.faults
    except DerivaMLCycleError as error:
        faults.append(Fault(error.message))
    if faults:
        raise Faults(faults, message=f"Nothing was added to dataset {dataset_rid}: {len(faults)} things are wrong.")
    new = sum(len(values) for values in links.values.values())
    return links, sum(len(rids) for rids in by_table.values()) - new


def write_members(call: Call, writes: Writes, links: Links, description: str) -> DatasetVersion:
    """Write the links, note each batch, and record the change even if it is cut short: part of it is there then.

    Returns:
        The dataset's version after the change.
    """
    from deriva_ml_kit.mainline.catalog.rows import BATCH_ROWS, batches, insert  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.dataset.periods import develop  # noqa: PLC0415

    done, total = 0, sum(len(values) for values in links.values.values())
    changed = False
    try:
        for kind, values in links.values.items():
            schema, table = kind.links.schema.name, kind.links.name
            for batch in batches(values.values(), BATCH_ROWS):
                call.progress(done, total, f"{done} of {total} members added")
                rows = [{kind.dataset_column: links.dataset_rid, kind.member_column: value} for value in batch]
                changed = True
                made = insert(call.ml.catalog, schema, table, rows, skip_conflicts=True)
                writes.rows(schema, table, [row["RID"] for row in made])
                done += len(batch)
    except BaseException:
        if changed:
            develop(call.ml, links.dataset_rid, description, writes.rid)
        raise
    return develop(call.ml, links.dataset_rid, description, writes.rid)


def _found(
    call: Call, kinds: Mapping[Table, ElementType], rids: Iterable[str], faults: list[Fault]
) -> dict[Table, list[str]]:
    """RIDs by the table that they are found in."""
    from deriva_ml_kit.mainline.catalog.rids import tables_of  # noqa: PLC0415  (takes seconds)

    wanted = list(dict.fromkeys(rids))
    tables = tables_of(call.ml, wanted, list(kinds))
    by_table: dict[Table, list[str]] = defaultdict(list)
    for rid in wanted:
        if rid in tables:
            by_table[tables[rid]].append(rid)
    for table, of_it in _elsewhere(call, [rid for rid in wanted if rid not in tables], faults).items():
        faults.append(_no_element_type(call, kinds, table, of_it))
    return by_table


def _said(
    call: Call, kinds: Mapping[Table, ElementType], given: Mapping[str, Sequence[str]], faults: list[Fault]
) -> dict[Table, list[str]]:
    """RIDs by the table that they are said to be of."""
    from deriva_ml_kit.mainline.catalog.rids import tables_of  # noqa: PLC0415  (takes seconds)

    by_table: dict[Table, list[str]] = defaultdict(list)
    for name, rids in given.items():
        wanted = list(dict.fromkeys(rids))
        try:
            table = table_of(call.ml, name)
        except ToolError as error:
            faults.append(Fault(error.message, column=name, remedy=suggestion(name, [each.name for each in kinds])))
            continue
        if table not in kinds:
            faults.append(_no_element_type(call, kinds, table, wanted))
            continue
        there = tables_of(call.ml, wanted, [table])
        by_table[table] += [rid for rid in wanted if rid in there]
        for other, of_it in _elsewhere(call, [rid for rid in wanted if rid not in there], faults).items():
            faults.append(Fault(f"{_are(of_it, 'row', 'rows')} of {other.name}, not of {table.name}", column=name))
    return by_table


def _elsewhere(call: Call, rids: list[str], faults: list[Fault]) -> dict[Table, list[str]]:
    """RIDs that are not where they should be, by the table that they are in; those of no table are faults."""
    from deriva_ml_kit.mainline.catalog.rids import tables_of  # noqa: PLC0415  (takes seconds)

    looked_for = rids[:LOOKED_FOR]
    tables = tables_of(call.ml, looked_for)
    if unknown := [rid for rid in looked_for if rid not in tables]:
        faults.append(Fault(f"the catalog does not have {_listed(unknown)}"))
    if len(rids) > LOOKED_FOR:
        faults.append(Fault(f"{len(rids) - LOOKED_FOR} further RIDs are in no such table, either"))
    by_table: dict[Table, list[str]] = {}
    for rid, table in tables.items():
        by_table.setdefault(table, []).append(rid)
    return dict(sorted(by_table.items(), key=lambda item: _full(item[0])))


def _no_element_type(call: Call, kinds: Mapping[Table, ElementType], table: Table, rids: list[str]) -> Fault:
    from deriva_ml_kit.mainline.catalog.paths import domain_schemas  # noqa: PLC0415  (takes seconds)

    known = ", ".join(kind_names([*kinds.values()]).values())
    allowed = table.schema.name in domain_schemas(call.ml.model)
    return Fault(
        f"{_are(rids, 'row', 'rows')} of {table.name}, which is no element type; those are {known}",
        column=table.name,
        remedy=call.example("deriva_ml_add_dataset_element_type", table=_full(table)) if allowed else None,
    )


def _are(rids: list[str], one: str, many: str) -> str:
    return f"{_listed(rids)} {f'is a {one}' if len(rids) == 1 else f'are {many}'}"


def _listed(rids: list[str]) -> str:
    from deriva_ml_kit.mainline.errors import listed  # noqa: PLC0415  (takes seconds)

    return listed(rids, NAMED)


def _full(table: Table) -> str:
    return f"{table.schema.name}:{table.name}"

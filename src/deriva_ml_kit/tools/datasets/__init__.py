"""Datasets: which there are, in which versions, and what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BaseModel, Field

from deriva_ml_kit.tools.answers import Answer, Page
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.datasets.queries import dataset_row, kind_names, links_of, named_version, type_names
from deriva_ml_kit.tools.failure import not_found
from deriva_ml_kit.tools.paging import Row, as_rid, no_cursor, part, total
from deriva_ml_kit.tools.registry import Effect, also, tool
from deriva_ml_kit.tools.types import Cursor, DatasetRid, Limit, Name, Version

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.mainline.dataset.elements import ElementType

SHOWN_VERSIONS = 30
SHOWN_RELATIVES = 30
# Columns that tell a person which row it is.
LABELS = ("Name", "Filename", "Title", "Label", "Description")

ElementTable = Annotated[
    Name | None,
    Field(
        description="Only members of this table, one of its element types",
        validation_alias=also("table", "table_name", "element_table"),
    ),
]


class DatasetSummary(BaseModel):
    """A dataset."""

    rid: str
    description: str
    dataset_types: list[str]
    current_version: str | None = Field(description="Newest version; X.Y.Z.post1.devN if it changed since")
    deleted: bool = False


class DatasetsAnswer(Page):
    """Datasets, by RID."""

    ROWS: ClassVar[str] = "datasets"

    datasets: list[DatasetSummary]


class VersionEntry(BaseModel):
    """A version of a dataset."""

    version: str
    snapshot: str | None = Field(description="Snapshot of the catalog in which it can be read; none in development")
    description: str
    execution_rid: str | None = Field(description="Execution that made it")


class Relative(BaseModel):
    """A dataset that contains this one, or is in it."""

    rid: str
    description: str


class DatasetAnswer(DatasetSummary, Answer):
    """A dataset."""

    released_version: str | None = Field(description="Newest version that a run can use")
    in_development: bool = Field(description="Whether it was changed since, by its members or by mark_dev")
    dirty: bool | None = Field(description="Whether rows that belong to it were added or changed since that version")
    execution_rid: str | None = Field(description="Execution that made it")
    chaise_url: str
    version_count: int
    version_history: list[VersionEntry] = Field(description=f"Newest first; the newest {SHOWN_VERSIONS}")
    member_count: int
    members: dict[str, int] = Field(description="Number of members by table")
    parent_count: int
    parents: list[Relative] = Field(description=f"Datasets that it is in; the first {SHOWN_RELATIVES}")
    child_count: int
    children: list[Relative] = Field(description=f"Datasets in it; the first {SHOWN_RELATIVES}")


class Member(BaseModel):
    """A member of a dataset."""

    table: str
    rid: str
    label: str | None = Field(None, description="Its name, file name or the like")


class MembersAnswer(Page):
    """Members of a dataset, by table and RID."""

    ROWS: ClassVar[str] = "members"

    dataset_rid: str
    version: str | None = Field(description="The version that was read; what is in development can change")
    summary: dict[str, int] = Field(description="Number of members by table")
    members: list[Member]


class ElementTypeEntry(BaseModel):
    """A table whose rows can be members of datasets."""

    table: str
    schema_name: str
    links: str = Field(description="Table that links datasets with these rows")


class ElementTypesAnswer(Answer):
    """Tables whose rows can be members of datasets."""

    element_types: list[ElementTypeEntry]
    other_tables: list[str] = Field(description="Tables of the domain whose rows cannot be members yet")


@tool("List datasets", Effect.READ)
def deriva_ml_list_datasets(
    call: Call,
    *,
    dataset_type: Annotated[Name | None, Field(description="Only datasets of this type, such as Training")] = None,
    deleted: Annotated[bool, Field(description="With those that are marked as deleted")] = False,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> DatasetsAnswer:
    """Datasets of the catalog with types and current version, a page at a time.

    Call it to find the RID of a dataset; deriva_ml_get_dataset then tells what is in it.
    """
    from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

    from deriva_ml_kit.mainline.catalog.rows import table_name  # noqa: PLC0415

    ml = call.ml
    path = f"D:={table_name(ml.ml_schema, 'Dataset')}"
    if not deleted:
        path += "/Deleted=false;Deleted::null::"
    if dataset_type:
        [name] = type_names(call, [dataset_type])
        links = table_name(ml.ml_schema, "Dataset_Dataset_Type")
        path += f"/(RID)=({links}:Dataset)/Dataset_Type={urlquote(name, '')}/$D"
    rows, more = part(ml.catalog, path, limit, after=[as_rid(cursor)] if cursor else ())
    found = _summaries(ml, rows)
    following = call.example("deriva_ml_get_dataset", dataset_rid=found[0].rid) if found else None
    if not found and not cursor:
        following = call.example("deriva_ml_create_dataset", description="…", dataset_types=[dataset_type or "…"])
    return DatasetsAnswer.of(
        found,
        total=total(ml.catalog, path),
        cursor=lambda n: found[n].rid,
        more=more,
        next_step=following,
    )


@tool("Describe a dataset", Effect.READ)
def deriva_ml_get_dataset(call: Call, *, dataset_rid: DatasetRid) -> DatasetAnswer:
    """A dataset: types, versions, number of members by table, the datasets that it is in and those in it.

    Call it before a run, to pin a released version; it also says whether anything changed since that version.
    """
    from deriva_ml_kit.mainline.catalog.rows import any_of  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.dataset.elements import element_types  # noqa: PLC0415
    from deriva_ml_kit.mainline.dataset.periods import versions_of  # noqa: PLC0415

    [summary] = _summaries(call.ml, [dataset_row(call, dataset_rid)])
    ml = call.ml
    dataset, found = ml.lookup_dataset(dataset_rid, deleted=True), versions_of(ml, dataset_rid)
    history = found.history()
    released = str(found.newest) if found.released else None
    dirty = dataset.is_dirty() if released else None
    kinds = element_types(ml)
    names = kind_names(kinds)
    members = {kind: total(ml.catalog, links_of(kind, dataset_rid)) for kind in kinds}
    nested = next(kind for kind in kinds if kind.table.name == "Dataset" and kind.table.schema.name == ml.ml_schema)
    above = f"{nested.links_path}/{any_of(nested.member_column, [dataset_rid])}"
    parents, _ = part(ml.catalog, f"{above}/({nested.dataset_column})=({ml.ml_schema}:Dataset:RID)", SHOWN_RELATIVES)
    below = f"{links_of(nested, dataset_rid)}/{nested.members_path}"
    children, _ = part(ml.catalog, below, SHOWN_RELATIVES)
    return DatasetAnswer(
        **summary.model_dump(),
        released_version=released,
        in_development=found.development is not None,
        dirty=dirty,
        execution_rid=history[0].execution_rid if history else None,
        chaise_url=dataset.get_chaise_url(),
        version_count=len(history),
        version_history=[
            VersionEntry(
                version=str(entry.dataset_version),
                snapshot=entry.snapshot,
                description=entry.description or "",
                execution_rid=entry.execution_rid,
            )
            for entry in history[: -SHOWN_VERSIONS - 1 : -1]
        ],
        member_count=sum(members.values()),
        members={names[kind]: number for kind, number in members.items() if number},
        parent_count=total(ml.catalog, above),
        parents=_relatives(parents),
        child_count=members[nested],
        children=_relatives(children),
        next_step=None
        if summary.deleted
        else _next(call, dataset_rid, released, developing=found.development is not None, dirty=bool(dirty)),
    )


@tool("List the members of a dataset", Effect.READ)
def deriva_ml_list_dataset_members(
    call: Call,
    *,
    dataset_rid: DatasetRid,
    table: ElementTable = None,
    version: Annotated[Version | None, Field(description="As they were in this version; now where not given")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> MembersAnswer:
    """Members of a dataset, table by table and by RID, now or as they were in a version; members of nested datasets are
    not among them. To see rows with their labels side by side, call deriva_ml_denormalize_dataset instead.
    """
    from deriva_ml_kit.mainline.dataset.elements import element_types  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.dataset.periods import snapshot_of, versions_of  # noqa: PLC0415

    dataset_row(call, dataset_rid)
    ml, found = call.ml, versions_of(call.ml, dataset_rid)
    shown = named_version(call, found, version) if version else found.current if found.released else None
    if version and shown is not None and not shown.is_devrelease:
        ml = ml.catalog_snapshot(snapshot_of(ml, dataset_rid, shown))
    kinds = element_types(ml)
    if table:
        kinds = [_kind(kinds, table)]
    counts = {kind: total(ml.catalog, links_of(kind, dataset_rid)) for kind in kinds}
    first, after = _place(kinds, cursor)
    names, members = kind_names(kinds), list[Member]()
    places = {names[kind]: place for place, kind in enumerate(kinds)}
    more = False
    for kind in kinds[first:]:
        if len(members) == limit:
            more = more or counts[kind] > 0
            continue
        if counts[kind]:
            path = f"{links_of(kind, dataset_rid)}/{kind.members_path}"
            rows, more = part(ml.catalog, path, limit - len(members), after=[after] if after else ())
            members += [Member(table=names[kind], rid=row["RID"], label=_label(row)) for row in rows]
        after = None
    return MembersAnswer.of(
        members,
        total=sum(counts.values()),
        cursor=lambda n: f"{places[members[n].table]}:{members[n].rid}",
        more=more,
        dataset_rid=dataset_rid,
        version=str(shown) if shown else None,
        summary={names[kind]: number for kind, number in counts.items() if number},
        next_step=call.example("deriva_ml_denormalize_dataset", dataset_rid=dataset_rid, limit=20)
        if members
        else call.example("deriva_ml_add_dataset_members", dataset_rid=dataset_rid, member_rids=["…"]),
    )


@tool("List element types of datasets", Effect.READ)
def deriva_ml_list_dataset_element_types(call: Call) -> ElementTypesAnswer:
    """Tables whose rows can be members of datasets, and those of the domain whose rows cannot yet.

    Call it before members are added; deriva_ml_add_dataset_element_type registers another table.
    """
    from deriva_ml_kit.mainline.catalog.paths import domain_schemas  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.dataset.elements import element_types  # noqa: PLC0415

    ml = call.ml
    kinds = element_types(ml)
    there = {kind.table for kind in kinds}
    model = ml.model
    there |= {feature.feature_table for feature in ml.find_features()}
    others = [
        table.name
        for name in sorted(domain_schemas(model))
        for table in model.model.schemas[name].tables.values()
        if table not in there and not model.is_vocabulary(table) and not model.is_association(table, pure=False)
    ]
    return ElementTypesAnswer(
        element_types=[
            ElementTypeEntry(table=kind.table.name, schema_name=kind.table.schema.name, links=kind.links.name)
            for kind in kinds
        ],
        other_tables=sorted(others),
        next_step=call.example("deriva_ml_add_dataset_element_type", table=sorted(others)[0])
        if others and len(kinds) <= 2
        else call.example("deriva_ml_add_dataset_members", dataset_rid="…", member_rids=["…"]),
    )


def _summaries(ml: DerivaML, rows: list[Row]) -> list[DatasetSummary]:
    from deriva_ml_kit.mainline.dataset.periods import versions  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.dataset.types import types_of  # noqa: PLC0415

    rids = [row["RID"] for row in rows]
    types, found = types_of(ml, rids), versions(ml, rids)
    return [
        DatasetSummary(
            rid=row["RID"],
            description=row["Description"] or "",
            dataset_types=sorted(types[row["RID"]]),
            current_version=str(found[row["RID"]].current) if found[row["RID"]].released else None,
            deleted=bool(row["Deleted"]),
        )
        for row in rows
    ]


def _relatives(rows: list[Row]) -> list[Relative]:
    return [Relative(rid=row["RID"], description=(row["Description"] or "")[:200]) for row in rows]


def _next(call: Call, rid: str, released: str | None, *, developing: bool, dirty: bool) -> str:
    if developing or released is None:
        return call.example("deriva_ml_release_dataset", dataset_rid=rid, bump="minor", description="…")
    if dirty:
        mark = call.example("deriva_ml_mark_dev", dataset_rid=rid, description="what changed")
        return f"{mark}, then deriva_ml_release_dataset, so that a version holds what changed"
    return call.example("deriva_ml_bag_info", dataset_rid=rid, version=released)


def _kind(kinds: list[ElementType], table: str) -> ElementType:
    """The element type of a table, by its name or `schema:name`."""
    schema, _, name = table.rpartition(":")
    for kind in kinds:
        if kind.table.name == name and schema in ("", kind.table.schema.name):
            return kind
    raise not_found(
        "element type",
        table,
        [kind.table.name for kind in kinds],
        remedy="deriva_ml_list_dataset_element_types lists them; rows of other tables are in no dataset.",
    )


def _place(kinds: list[ElementType], cursor: str | None) -> tuple[int, str | None]:
    """Which of the tables a page begins with, and behind which RID; of a single table the RID alone will do."""
    if cursor is None:
        return 0, None
    number, colon, rid = cursor.rpartition(":")
    as_rid(rid)
    if not colon and len(kinds) == 1:
        return 0, rid
    if not (number.isdecimal() and number.isascii() and int(number) < len(kinds)):
        raise no_cursor(cursor)
    return int(number), rid


def _label(row: Row) -> str | None:
    return next((str(row[name])[:200] for name in LABELS if row.get(name)), None)

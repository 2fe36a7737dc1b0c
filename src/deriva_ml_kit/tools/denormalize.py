"""Tables of a dataset side by side: what training will see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.tools.answers import Page
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.datasets.queries import dataset_row, named_version
from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.paging import no_cursor
from deriva_ml_kit.tools.registry import Effect, also, tool
from deriva_ml_kit.tools.types import Cursor, DatasetRid, Limit, Name, Version

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.denormalize.page import PagedCatalogSource
    from deriva_ml_kit.mainline.denormalize.plan import Plan
    from deriva_ml_kit.mainline.errors import MainlineError

CHOSEN_BECAUSE = (
    "include_tables was not given: tables of the members, those with most members first, then their features, those "
    "with most values first, as far as they stand side by side."
)

IncludeTables = Annotated[
    list[Name] | None,
    Field(
        min_length=1,
        max_length=30,
        description="Tables whose columns are wanted, and features as Table_Feature, such as Image_Diagnosis; "
        "by default those of the members and their features",
        validation_alias=also("include_tables", "tables"),
    ),
]
RowPer = Annotated[Name | None, Field(description="Table that a row is one of; the lowest where not given")]
Via = Annotated[
    list[Name] | None,
    Field(max_length=30, description="Tables to pass without their columns, or Table.column for a foreign key"),
]


class WideColumn(BaseModel):
    """A column: Table.column, and its type."""

    name: str
    type: str


class LeftOut(BaseModel):
    """A table that does not stand beside the others, and why."""

    table: str
    why: str


class Unmatched(BaseModel):
    """Records of the dataset that nothing in a lower table refers to, such as images without a label."""

    records_of: str
    nothing_in: str
    count: int = Field(description="How many there are in the dataset; their rows come last")
    on_this_page: int


class WideRows(Page):
    """Rows of tables side by side."""

    ROWS: ClassVar[str] = "rows"

    dataset_rid: str
    version: str | None = Field(default=None, description="The dataset in this version; none: as it is now")
    row_per: str | None = Field(default=None, description="Table that a row is one of")
    include_tables: list[str] = Field(default_factory=list)
    chosen_because: str | None = Field(default=None, description="Why these tables, where the call named none")
    left_out: list[LeftOut] = Field(default_factory=list)
    members: dict[str, int] = Field(default_factory=dict, description="Members of the dataset by table")
    columns: list[WideColumn] = Field(default_factory=list)
    unmatched: list[Unmatched] = Field(default_factory=list)
    rows: list[dict[str, Any]]


@tool("Put a dataset's tables side by side", Effect.READ)
def deriva_ml_denormalize_dataset(
    call: Call,
    dataset_rid: DatasetRid,
    include_tables: IncludeTables = None,
    *,
    version: Version | None = None,
    row_per: RowPer = None,
    via: Via = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    ignore_unrelated_anchors: Annotated[
        bool, Field(description="Accept members that no foreign keys connect with the tables")
    ] = False,
    preflight_count: Annotated[bool, Field(description="Only say which columns and how many rows there are")] = False,
) -> WideRows:
    """Rows of a dataset with tables joined side by side, such as images with their labels: what a training run will
    see. Call it to check labels before a run. Members without a label have rows of their own, at the end, and are
    counted; nested datasets count.
    """
    from deriva_ml_kit.mainline.denormalize.join import check_related  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.errors import MainlineError  # noqa: PLC0415

    source = _source(call, dataset_rid, version)
    members = source.member_counts
    here: dict[str, Any] = {"dataset_rid": dataset_rid, "version": version, "members": members}
    if not members:
        add = call.example("deriva_ml_add_dataset_members", dataset_rid=dataset_rid, member_rids=["…"])
        return WideRows.of([], total=0, cursor=str, **here, next_step=f"The dataset has no members. {add}")
    try:
        if include_tables is None:
            chosen, left_out = _chosen(source, row_per, via)
            made = _plan(source, chosen, row_per, via)
            here |= {"chosen_because": CHOSEN_BECAUSE, "left_out": left_out}
        else:
            made = _plan(source, include_tables, row_per, via)
            if not ignore_unrelated_anchors:
                check_related(made, source.model, members)
    except MainlineError as error:
        raise _refused(error, source) from error
    call.check()
    answer = _rows(source, made, 0 if preflight_count else limit, cursor, here)
    answer.next_step = _next(call, answer, source)
    return answer


def _source(call: Call, dataset_rid: str, version: str | None) -> PagedCatalogSource:
    """The dataset as it is, or as it was in a version."""
    from deriva_ml_kit.mainline import DatasetSpec  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.dataset import periods  # noqa: PLC0415
    from deriva_ml_kit.mainline.denormalize.page import PagedCatalogSource  # noqa: PLC0415

    ml = call.ml
    dataset_row(call, dataset_rid)
    if version is None:
        return PagedCatalogSource(ml, dataset_rid)
    wanted = named_version(call, periods.versions(ml, [dataset_rid])[dataset_rid], version)
    snapshot = ml._version_snapshot(DatasetSpec(rid=dataset_rid, version=str(wanted)))
    return PagedCatalogSource(ml.catalog_snapshot(snapshot), dataset_rid)


def _plan(source: PagedCatalogSource, tables: list[str], row_per: str | None, via: list[str] | None) -> Plan:
    from deriva_ml_kit.mainline.denormalize.plan import asked, plan  # noqa: PLC0415  (takes seconds)

    return plan(source.model, asked(source.model, tables, row_per, via))


def _chosen(source: PagedCatalogSource, row_per: str | None, via: list[str] | None) -> tuple[list[str], list[LeftOut]]:
    """Tables to take where none are named, and those that cannot stand beside them; see CHOSEN_BECAUSE."""
    from deriva_ml_kit.mainline.errors import DerivaMLDenormalizeError  # noqa: PLC0415  (takes seconds)

    counts = source.member_counts
    elements = sorted(counts, key=lambda name: -counts[name])
    features = [feature.feature_table for name in elements for feature in source.model.find_features(name)]
    features.sort(key=lambda table: -source.size(table))
    taken: list[str] = []
    left_out: list[LeftOut] = []
    for name in dict.fromkeys([*([row_per] if row_per else []), *elements, *(table.name for table in features)]):
        try:
            _plan(source, [*taken, name], row_per, via)
            taken.append(name)
        except DerivaMLDenormalizeError as error:
            if not taken:
                raise
            left_out.append(LeftOut(table=name, why=error.message))
    return taken, left_out


def _rows(source: PagedCatalogSource, made: Plan, limit: int, cursor: str | None, fields: dict[str, Any]) -> WideRows:
    from deriva_ml_kit.mainline import DerivaMLValidationError  # noqa: PLC0415  (takes seconds)

    missing = {table: source.missing(made, made.routes[table]) for table in made.above}
    try:
        part = source.part(made, limit, cursor) if limit else None
    except DerivaMLValidationError:
        raise no_cursor(str(cursor)) from None
    cursors = part.cursors if part else []
    return WideRows.of(
        part.rows if part else [],
        total=None if made.fans_out else source.row_count(made) + sum(missing.values()),
        cursor=lambda n: str(cursors[n]),
        more=bool(part and part.more),
        row_per=made.row_per.name,
        include_tables=[table.name for table in made.include],
        columns=[WideColumn(name=column.label, type=column.kind) for column in made.columns],
        unmatched=[
            Unmatched(
                records_of=table.name,
                nothing_in=source.shown_by(made, made.routes[table]).name,
                count=missing[table],
                on_this_page=sum(each.section == number for each in cursors),
            )
            for number, table in enumerate(made.above, 1)
            if missing[table]
        ],
        **fields,
    )


def _next(call: Call, answer: WideRows, source: PagedCatalogSource) -> str | None:
    """Label what has no label; that comes before anything else."""
    features = {feature.feature_table.name: feature for feature in source.model.find_features()}
    for each in answer.unmatched:
        if feature := features.get(each.nothing_in):
            return (
                f"{each.count} of the dataset's records of {each.records_of} have no {feature.feature_name}. "
                f"Label them: uv run python src/scripts/populate_feature_values.py --hostname {call.hostname} "
                f"--catalog-id {call.catalog_id} --workflow-type Annotation --csv labels/….csv "
                f"--target-table {each.records_of} --feature-name {feature.feature_name}; then release a new version."
            )
    if answer.count == 0 and answer.total != 0:
        return call.example("deriva_ml_denormalize_dataset", dataset_rid=answer.dataset_rid, limit=20)
    return None


def _refused(error: MainlineError, source: PagedCatalogSource) -> ToolError:
    """What the call can name instead."""
    from deriva_ml_kit.mainline import errors  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.catalog.paths import domain_schemas  # noqa: PLC0415

    candidates: list[str] = []
    code, remedy = Code.BAD_ARGUMENT, error.remedy
    match error:
        case errors.DerivaMLTableNotFound():
            code = Code.NOT_FOUND
            model = source.model
            known = {f"{each.target_table.name}_{each.feature_name}" for each in model.find_features()}
            known |= {name for schema in domain_schemas(model) for name in model.schemas[schema].tables}
            candidates = nearest(error.table_name, sorted(known)) or sorted(source.member_counts)
            remedy = "Tables are named as in the schema, features as Table_Feature."
        case errors.DerivaMLDenormalizeMultiLeaf():
            candidates = [f"row_per={name}" for name in error.candidates]
        case errors.DerivaMLDenormalizeAmbiguousPath():
            between = [*error.suggested_intermediates, *(name for path in error.paths for name in path[1:-1])]
            candidates = [f"via={name}" for name in dict.fromkeys(between)]
            remedy = "Say which with via=[…]; a table may be named in include_tables instead, for its columns."
        case errors.DerivaMLDenormalizeDownstreamLeaf():
            lower = ", ".join(error.downstream_tables)
            remedy = f"Leave out row_per (a row is then one of {error.downstream_tables[0]}), or leave out {lower}."
        case errors.DerivaMLDenormalizeUnrelatedAnchor():
            candidates = error.unrelated_tables
            remedy = "Name a table that they lead to, too; or, if that is meant, ignore_unrelated_anchors=true."
    return ToolError(code, error.message, remedy=remedy or "get_table tells foreign keys.", candidates=candidates)

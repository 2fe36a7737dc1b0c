"""Features and their values."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from deriva_ml_kit.tools.answers import Answer, Page
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.datasets.queries import living_row
from deriva_ml_kit.tools.features import new as new_feature
from deriva_ml_kit.tools.features.new import FeatureColumn, MetadataColumn, NewFeature
from deriva_ml_kit.tools.features.selecting import Choice, filters_of, selector_of
from deriva_ml_kit.tools.paging import as_rid, no_cursor
from deriva_ml_kit.tools.registry import Effect, also, tool
from deriva_ml_kit.tools.tables import feature_of, table_of
from deriva_ml_kit.tools.types import (
    Cursor,
    DatasetRid,
    Description,
    DryRun,
    ExecutionRid,
    FeatureName,
    Limit,
    Name,
    Rid,
    TargetTable,
)

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import Feature
    from deriva_ml_kit.tools.features.values import Row

POPULATE = "skills/create-feature/scripts/populate_feature_values.py"

OptionalTable = Annotated[
    Name | None, Field(description="Only features of this table", validation_alias=also("table", "target_table"))
]
ChosenBy = Annotated[
    Choice,
    Field(
        description="none: every value. Else one for each record: newest (or latest), first, majority_vote; "
        "by_workflow and by_execution: the newest that a workflow, or an execution, gave"
    ),
]
SelectorWorkflow = Annotated[
    Name | None, Field(description="For by_workflow: a workflow's RID or name, or a type such as Training")
]
Executions = Annotated[
    list[Rid] | None,
    Field(
        min_length=1,
        max_length=100,
        description="Only values that these executions gave",
    ),
]
Preflight = Annotated[bool, Field(description="Only count; show no value")]
Tables = Annotated[list[Name] | None, Field(max_length=50)]


class FeatureSummary(BaseModel):
    """A feature, in short."""

    feature_name: str
    target_table: str
    feature_table: str
    term_columns: list[str]
    asset_columns: list[str]
    value_columns: list[str]
    comment: str | None = None


class FeatureList(Page):
    """Features."""

    ROWS: ClassVar[str] = "features"

    features: list[FeatureSummary]


class FeatureAnswer(Answer):
    """A feature."""

    feature_name: str
    target_table: str
    feature_table: str = Field(description="Table that holds its values")
    target_column: str = Field(description="Column of it with the RID of the record that the value is about")
    comment: str | None = None
    columns: list[FeatureColumn]
    values: int = Field(description="How many values there are")
    targets_with_value: int = Field(description="How many records have at least one")
    targets_without_value: int


class ExecutionCount(BaseModel):
    """How many values an execution gave."""

    execution_rid: str
    values: int


class FeatureValues(Page):
    """Values of a feature: each with its RID, the record it is about, and the execution that gave it."""

    ROWS: ClassVar[str] = "records"

    feature_name: str
    target_table: str
    selector: Choice
    targets_with_value: int = Field(description="How many records have such a value")
    targets_without_value: int = Field(description="How many records of the table, or of the dataset, have none")
    executions: list[ExecutionCount] = Field(default_factory=list, description="By execution, where some were named")
    records: list[dict[str, Any]]
    next_after_rid: str | None = Field(default=None, description="The same as next_cursor")

    def as_json(self) -> dict[str, Any]:
        """It as JSON holds it, of bounded size."""
        document = super().as_json()
        return document | {"next_after_rid": document["next_cursor"]}


class FeatureMade(Answer):
    """What became of a new feature."""

    feature_name: str
    target_table: str
    feature_table: str
    dry_run: bool
    created: bool = Field(description="Whether it is new; in a dry run, whether it would be")
    columns: list[FeatureColumn]
    notes: list[str] = Field(default_factory=list)
    execution_rid: str | None = Field(default=None, description="The execution that made it")


@tool("List the features", Effect.READ)
def deriva_ml_list_features(
    call: Call, table: OptionalTable = None, limit: Limit = 100, cursor: Cursor = None
) -> FeatureList:
    """Features of a table, or of all tables: labels, scores and predictions on records, each with its columns.

    Call it to see what is known about records; `deriva_ml_get_feature` describes one.
    """
    ml = call.ml
    found = ml.find_features(None if table is None else table_of(ml, table))
    names = [f"{feature.feature_table.schema.name}:{feature.feature_table.name}" for feature in found]
    if cursor is not None and cursor not in names:
        raise no_cursor(cursor)
    start = 0 if cursor is None else names.index(cursor) + 1
    page = found[start : start + limit]
    example = {"target_table": page[0].target_table.name, "feature_name": page[0].feature_name} if page else {}
    return FeatureList.of(
        [_summary(feature) for feature in page],
        total=len(found),
        cursor=lambda n: names[start + n],
        more=start + limit < len(found),
        next_step=call.example("deriva_ml_get_feature", **example)
        if page
        else "There are none yet; deriva_ml_create_feature makes one.",
    )


@tool("Describe a feature", Effect.READ)
def deriva_ml_get_feature(call: Call, target_table: TargetTable, feature_name: FeatureName) -> FeatureAnswer:
    """Columns of a feature: which are required, which hold terms, of which vocabulary; and how many records have it.

    Call it before writing values or training on them; `deriva_ml_list_feature_values` shows the values.
    """
    from deriva_ml_kit.tools.features.values import Values, how_many  # noqa: PLC0415  (takes seconds)

    feature = feature_of(call.ml, target_table, feature_name)
    columns = new_feature.columns_of(feature, call.ml)
    counts = Values(call, feature).counts()
    vocabularies = [column.refers_to for column in columns if column.kind == "term" and column.refers_to]
    schema, _, table = vocabularies[0].partition(":") if vocabularies else ("", "", "")
    about = {"target_table": feature.target_table.name, "feature_name": feature.feature_name}
    return FeatureAnswer(
        **about,
        feature_table=feature.feature_table.name,
        target_column=feature.target_column,
        comment=feature.feature_table.comment or None,
        columns=columns,
        values=counts.values,
        targets_with_value=counts.records,
        targets_without_value=max(how_many(call, feature, None) - counts.records, 0),
        next_step=call.example("list_vocabulary_terms", schema=schema, table=table)
        if vocabularies
        else call.example("deriva_ml_list_feature_values", **about, selector="newest"),
    )


@tool("List the values of a feature", Effect.READ)
def deriva_ml_list_feature_values(
    call: Call,
    target_table: TargetTable,
    feature_name: FeatureName,
    *,
    selector: ChosenBy = "none",
    selector_workflow: SelectorWorkflow = None,
    selector_execution_rid: ExecutionRid | None = None,
    dataset_rid: DatasetRid | None = None,
    execution_rids: Executions = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    preflight_count: Preflight = False,
) -> FeatureValues:
    """Values of a feature: of all records or of a dataset's members, every one or one for each record.

    Call it with selector="newest" to check that labels are there before training, and with execution_rids to compare
    what several runs predicted. Says how many records have no value. Sorted by RID; with a selector, by the record's.
    """
    from deriva_ml_kit.tools.features.values import Values, how_many, records_of  # noqa: PLC0415  (takes seconds)

    ml = call.ml
    feature = feature_of(ml, target_table, feature_name)
    asked = {
        "target_table": feature.target_table.name,
        "feature_name": feature.feature_name,
        "selector": selector,
        "selector_workflow": selector_workflow,
        "selector_execution_rid": selector_execution_rid,
        "dataset_rid": dataset_rid,
        "execution_rids": execution_rids,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    choose = selector_of(feature, selector, selector_workflow, selector_execution_rid)
    only = filters_of(call, selector_workflow, selector_execution_rid, execution_rids)
    if dataset_rid is not None:
        living_row(call, dataset_rid)
    among = records_of(ml, feature, dataset_rid)
    values = Values(call, feature, among, only)
    counts = values.counts()
    given = values.by_execution() if execution_rids else {}
    after = None if cursor is None else as_rid(cursor)
    rows: list[Row] = []
    more = False
    if not preflight_count:
        rows, more = values.page(limit, after) if choose is None else values.chosen(choose, limit, after)
    # Qualifiers tell several values of one record apart; how many are chosen is then known only when all are read.
    total = counts.values if choose is None else None if feature.qualifier_columns else counts.records
    missing = max(how_many(call, feature, among) - counts.records, 0)
    return FeatureValues.of(
        rows,
        total=total,
        cursor=lambda n: str(rows[n]["RID"]) if choose is None else _after(rows, n, feature.target_column),
        more=more,
        feature_name=feature.feature_name,
        target_table=feature.target_table.name,
        selector=selector,
        targets_with_value=counts.records,
        targets_without_value=missing,
        executions=[{"execution_rid": rid, "values": given.get(rid, 0)} for rid in execution_rids or ()],
        next_step=call.example("deriva_ml_list_feature_values", **asked)
        if preflight_count
        else _next_step(
            call, asked, given, values=counts.values, missing=missing, feature_table=feature.feature_table.name
        ),
    )


@tool("Make a feature", Effect.WRITE, idempotent=True)
def deriva_ml_create_feature(
    call: Call,
    target_table: TargetTable,
    feature_name: FeatureName,
    *,
    terms: Annotated[Tables, Field(description="Vocabularies: each gives a column that holds a term")] = None,
    assets: Annotated[Tables, Field(description="Asset tables: each gives a column that holds a file's RID")] = None,
    metadata: Annotated[list[MetadataColumn] | None, Field(max_length=50, description="Further columns")] = None,
    optional: Annotated[Tables, Field(description="Columns of terms and assets that a value may leave empty")] = None,
    comment: Annotated[Description, Field(validation_alias=also("comment", "description"))] = "",
    dry_run: DryRun = False,
) -> FeatureMade:
    """Define a feature: what a value on a record of a table consists of. If it is there just so, write nothing.

    Columns cannot be changed afterwards: write the definition down, try dry_run, then make it. Values are written by a
    script with an execution of its own, not by a tool.
    """
    ml = call.ml
    name = new_feature.name_in_use(ml, feature_name)
    new = NewFeature(target_table, name, terms or (), assets or (), metadata or (), optional or (), comment)
    there = new.existing(ml)
    document = new.document(ml, again=there is not None)
    target = table_of(ml, target_table)
    columns = new_feature.columns_in(document, target, ml)
    if there is not None:
        new_feature.refuse_other(there, new_feature.columns_of(there, ml), columns)
    answer = FeatureMade(
        feature_name=name,
        target_table=target.name,
        feature_table=document["table_name"],
        dry_run=dry_run,
        created=there is None,
        columns=columns,
        notes=[] if there else new_feature.advice(new),
        next_step=_to_populate(call, target.name, name),
    )
    if name != feature_name:
        answer.notes.append(f"{feature_name!r} is a synonym of {name!r} in the vocabulary Feature_Name.")
    if there is None and not dry_run:
        answer.execution_rid = new_feature.make(call, new, document)
    return answer


def _summary(feature: Feature) -> FeatureSummary:
    def names(columns: set[Any]) -> list[str]:
        return sorted(str(column.name) for column in columns)

    return FeatureSummary(
        feature_name=feature.feature_name,
        target_table=feature.target_table.name,
        feature_table=feature.feature_table.name,
        term_columns=names(feature.term_columns),
        asset_columns=names(feature.asset_columns),
        value_columns=names(feature.value_columns),
        comment=feature.feature_table.comment or None,
    )


def _after(rows: Sequence[Row], place: int, target: str) -> str:
    """The last record whose values are all among the first rows, so that the next page has those that are not."""
    last = rows[place][target]
    if place + 1 == len(rows) or rows[place + 1][target] != last:
        return str(last)
    return str(next((row[target] for row in reversed(rows[:place]) if row[target] != last), last))


def _next_step(
    call: Call, asked: Mapping[str, Any], given: Mapping[str, int], *, values: int, missing: int, feature_table: str
) -> str | None:
    executions = asked.get("execution_rids", ())
    if silent := [rid for rid in executions if rid not in given]:
        return f"{silent[0]} gave no value: {call.example('deriva_ml_get_execution', execution_rid=silent[0])}"
    if executions:
        return f"Judge one by its design document: uv run record-verdict --execution {executions[0]}"
    if missing and asked["selector"] not in ("by_workflow", "by_execution"):
        return _to_populate(call, asked["target_table"], asked["feature_name"])
    if "dataset_rid" in asked and values:
        tables = [asked["target_table"], feature_table]
        return call.example(
            "deriva_ml_denormalize_dataset", dataset_rid=asked["dataset_rid"], include_tables=tables, limit=20
        )
    return None


def _to_populate(call: Call, target_table: str, feature_name: str) -> str:
    script = f"src/scripts/populate_{feature_name.lower()}.py"
    command = ["uv", "run", "python", script, "--hostname", call.hostname, "--catalog-id", call.catalog_id]
    command += ["--workflow-type", "Annotation", "--csv", "labels.csv"]
    command += ["--target-table", target_table, "--feature-name", feature_name]
    return (
        f"To write values: copy the plugin's {POPULATE} to {script}, commit it, and run it, first with --dry-run: "
        f"{shlex.join(command)}"
    )

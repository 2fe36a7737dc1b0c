"""Which values of a feature are meant: those that some executions gave, and one of several about the same record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from deriva_ml_kit.tools.failure import Code, ToolError, not_found
from deriva_ml_kit.tools.kinds import meant

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML, Feature
    from deriva_ml_kit.tools.call import Call
    from deriva_ml_kit.tools.features.values import Selector

SOUGHT = 5  # unknown RIDs for which those that may have been meant are looked for
Choice = Literal["none", "newest", "first", "latest", "majority_vote", "by_workflow", "by_execution"]


def selector_of(feature: Feature, selector: Choice, workflow: str | None, execution: str | None) -> Selector | None:
    """The function that chooses one of a record's values; None for all.

    Raises:
        ToolError: The arguments do not fit each other, or the feature.
    """
    from deriva_ml_kit.mainline import FeatureRecord  # noqa: PLC0415  (takes seconds)

    wrong = []
    for name, given, chosen in (
        ("selector_workflow", workflow, "by_workflow"),
        ("selector_execution_rid", execution, "by_execution"),
    ):
        if selector == chosen and given is None:
            wrong.append(f"selector={chosen!r} needs {name}")
        if selector != chosen and given is not None:
            wrong.append(f"{name} needs selector={chosen!r}")
    terms = sorted(column.name for column in feature.term_columns)
    if selector == "majority_vote" and len(terms) != 1:
        wrong.append(f"majority_vote counts terms, and {feature.feature_name} has {len(terms)} columns with terms")
    if wrong:
        raise ToolError(Code.BAD_ARGUMENT, f"{'; '.join(wrong)}.")
    if selector == "none":
        return None
    if selector == "majority_vote":
        return FeatureRecord.select_majority_vote(terms[0])
    return FeatureRecord.select_first if selector == "first" else FeatureRecord.select_newest


def filters_of(
    call: Call, workflow: str | None, execution: str | None, executions: Sequence[str] | None
) -> tuple[str, ...]:
    """Filters of values by whom they were given, as they stand in a request; any of them may let a value through.

    Raises:
        ToolError: There is no such workflow, or some of the executions are none.
    """
    from deriva_ml_kit.mainline.catalog.lookup import LOOKUP_BATCH  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.catalog.rows import any_of, batches, table_name  # noqa: PLC0415

    named = [rids for rids in (executions, [execution] if execution else None) if rids is not None]
    _refuse_unknown(call, [rid for rids in named for rid in rids])
    given = "".join(f"/{any_of('Execution', sorted(set(rids)))}" for rids in named)
    if workflow is None:
        return (given,)
    runs = f"(Execution)=({table_name(call.ml.ml_schema, 'Execution')}:RID)"
    # Each version of a script is a workflow: there may be more of a type than a request can name.
    found = batches(_workflows(call.ml, workflow), LOOKUP_BATCH)
    return tuple(f"{given}/{runs}/{any_of('Workflow', batch)}/$V" for batch in found)


def _workflows(ml: DerivaML, name: str) -> list[str]:
    """RIDs of the workflows that are meant: the one of a RID, all of a type, or all of a name.

    Raises:
        ToolError: There is none.
    """
    from deriva_ml_kit.mainline import DerivaMLInvalidTerm  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.catalog.lookup import rows_with  # noqa: PLC0415
    from deriva_ml_kit.mainline.execution.finding import workflows_of_type  # noqa: PLC0415

    for column in ("RID", "Name"):
        found = rows_with(ml.catalog, ml.ml_schema, "Workflow", column, [name], wanted=["RID"])
        if rids := sorted(row["RID"] for row in found):
            return rids
    try:
        if rids := sorted(workflows_of_type(ml, name)):
            return rids
        message = f"No workflow is of type {name}."
        raise ToolError(Code.NOT_FOUND, message, remedy="deriva_ml_list_workflows lists the workflows.")
    except DerivaMLInvalidTerm:
        known = [term.name for term in ml.list_vocabulary_terms("Workflow_Type")]
        known += [workflow.name for workflow in ml.find_workflows()]
        raise not_found("workflow, or workflow type,", name, known) from None


def _refuse_unknown(call: Call, executions: Sequence[str]) -> None:
    """Make sure that all are executions.

    Raises:
        ToolError: Some are not; names them all, and what they are instead.
    """
    from deriva_ml_kit.mainline.catalog.lookup import rows_with  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.catalog.rids import tables_of  # noqa: PLC0415

    ml = call.ml
    there = {row["RID"] for row in rows_with(ml.catalog, ml.ml_schema, "Execution", "RID", executions, wanted=["RID"])}
    unknown = [rid for rid in dict.fromkeys(executions) if rid not in there]
    if unknown:
        tables = tables_of(ml, unknown)
        said = [f"{rid} ({f'a row of {tables[rid].name}' if rid in tables else 'no RID of it'})" for rid in unknown]
        raise ToolError(
            Code.NOT_FOUND,
            f"Catalog {call.catalog_id} on {call.hostname} has no executions {', '.join(said)}.",
            remedy=f"{call.example('deriva_ml_list_executions')} lists those there are.",
            candidates=list(
                dict.fromkeys(other for rid in unknown[:SOUGHT] for other in meant(call, "Execution", rid))
            ),
        )

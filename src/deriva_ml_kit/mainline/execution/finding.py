"""Which executions fit a question, asked so that the server sorts out what does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deriva_ml.core.definitions import MLVocab
from deriva_ml.dataset.aux_classes import DatasetSpec
from deriva_ml.execution.workflow import Workflow as ReleasedWorkflow

from deriva_ml_kit.mainline.catalog.lookup import LOOKUP_BATCH, rows_with
from deriva_ml_kit.mainline.catalog.rows import Row, any_of, table_name
from deriva_ml_kit.mainline.catalog.single import Sort, has_column, sort_clause
from deriva_ml_kit.mainline.errors import DerivaMLValidationError
from deriva_ml_kit.mainline.execution.consumed import inputs_of
from deriva_ml_kit.mainline.execution.status import AnyStatus, ExecutionStatus, read, words_for

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

ROLES = ("any", "input", "output")


def execution_rows(
    ml: DerivaML,
    *,
    workflow: ReleasedWorkflow | str | None = None,
    workflow_type: str | None = None,
    status: AnyStatus | None = None,
    sort: Sort = None,
    dataset: str | DatasetSpec | None = None,
    dataset_role: str = "any",
) -> list[Row]:
    """Rows of Execution that fit all that is given; see `DerivaML.find_executions`.

    Raises:
        DerivaMLInvalidTerm: No such workflow type.
        ValueError: No such status or role, or a role without a dataset.
    """
    if dataset_role not in ROLES or (dataset is None and dataset_role != "any"):
        raise ValueError(f"dataset_role={dataset_role!r} is none of {', '.join(ROLES)}, or there is no dataset.")
    filters: list[str] = []
    among: list[tuple[str, set[str]]] = []
    if workflow is not None:
        among.append(("Workflow", {workflow if isinstance(workflow, str) else _rid_of(workflow)}))
    if workflow_type is not None:
        among.append(("Workflow", workflows_of_type(ml, workflow_type)))
    if dataset is not None:
        among.append(("RID", _of_dataset(ml, dataset, dataset_role)))
    if status is not None:
        filters.append(_with_status(status))
    for column, values in among:
        if not values:
            return []
        if len(values) <= LOOKUP_BATCH:
            filters.append(any_of(column, sorted(values)))
    where = "".join(f"/{part}" for part in filters)
    path = f"/entity/{table_name(ml.ml_schema, 'Execution')}{where}{sort_clause(ml, 'Execution', sort)}"
    rows: list[Row] = ml.catalog.get(path).json()
    return [row for row in rows if all(row[column] in values for column, values in among)]


def _rid_of(workflow: ReleasedWorkflow) -> str:
    rid = getattr(workflow, "workflow_rid", None) or workflow.rid
    if not rid:
        raise DerivaMLValidationError(
            f"The workflow {workflow.name} is not recorded, so no execution has it.",
            remedy="Look it up: ml.lookup_workflow_by_url(workflow.url).",
        )
    return str(rid)


def workflows_of_type(ml: DerivaML, workflow_type: str) -> set[str]:
    """RIDs of the workflows of a type.

    Raises:
        DerivaMLInvalidTerm: No such type.
    """
    name = ml.lookup_term(MLVocab.workflow_type, workflow_type).name
    found: set[str] = set()
    for table, column in (("Workflow", "RID"), ("Workflow_Workflow_Type", "Workflow")):
        if has_column(ml, table, "Workflow_Type"):
            rows = rows_with(ml.catalog, ml.ml_schema, table, "Workflow_Type", [name], wanted=[column])
            found |= {row[column] for row in rows}
    return found


def _of_dataset(ml: DerivaML, dataset: str | DatasetSpec, role: str) -> set[str]:
    rid, version = (dataset, None) if isinstance(dataset, str) else (dataset.rid, str(dataset.version))
    found, versions = inputs_of(ml, datasets=[rid])
    users = {each.execution for each in found if version in (None, each.version)}
    makers = {row["Execution"] for row in versions.rows if row["Execution"] and version in (None, row["Version"])}
    return {"input": users, "output": makers, "any": users | makers}[role]


def _with_status(status: AnyStatus) -> str:
    words = words_for(status)
    asked = any_of("Status", words)
    everything = len(words) > 1 and read(words[0]) is ExecutionStatus.Created
    return f"{asked};Status::null::" if everything else asked

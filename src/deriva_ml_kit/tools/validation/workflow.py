"""The workflow of a configuration: one that is recorded, or the fields of one that a run will record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.paging import NEWEST_FIRST, part
from deriva_ml_kit.tools.types import RID_PATTERN
from deriva_ml_kit.tools.validation.configurations import UNSET, Problem

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.validation.report import WorkflowSpecResult

SHOWN = 20
LONGEST = 500


class WorkflowResult(BaseModel):
    """The workflow of an execution."""

    rid: str | None = Field(description="RID, if it is recorded in the catalog")
    valid: bool
    reasons: list[str]
    workflow_name: str | None


def workflow_rid(given: str | Mapping[str, Any] | None) -> str | None:
    """The RID by which a workflow is given, if it is."""
    rid = given.get("rid") or given.get("workflow_rid") if isinstance(given, Mapping) else given
    return rid if isinstance(rid, str) and RID_PATTERN.fullmatch(rid) else None


def looked_at(
    call: Call, given: str | Mapping[str, Any] | None, found: WorkflowSpecResult | None
) -> tuple[WorkflowResult | None, list[Problem]]:
    """What can be said about the workflow: one that is recorded, or the fields of one that the run will record."""
    if given is None:
        return None, []
    if found:
        kind = f"is a row of {found.actual_table}, not a workflow" if found.actual_table else "is no RID of the catalog"
        remedy = f"{call.example('deriva_ml_list_workflows')} lists the workflows."
        wrong = [
            Problem(place="workflow", reason=reason, message=f"{found.rid} {kind}.", remedy=remedy)
            for reason in found.reasons
        ]
        return WorkflowResult.model_validate(found.model_dump(exclude={"actual_table"})), wrong
    if isinstance(given, str):
        wrong = [
            Problem(
                place="workflow",
                reason="not_a_rid",
                message=f"{given!r} is no RID of a workflow.",
                remedy='Write the RID of one that is recorded, or {"name": …, "workflow_type": …}.',
                candidates=_recorded(call, given),
            )
        ]
        return WorkflowResult(rid=None, valid=False, reasons=["not_a_rid"], workflow_name=None), wrong
    wrong = list(_of_fields(call, given))
    name, url = given.get("name"), given.get("url")
    there = _recorded(call, url) if isinstance(url, str) and url else []
    result = WorkflowResult(
        rid=there[0] if there else None,
        valid=not wrong,
        reasons=[each.reason for each in wrong],
        workflow_name=name if isinstance(name, str) else None,
    )
    return result, wrong


def _of_fields(call: Call, given: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the fields of a workflow that is not recorded yet."""
    if rid := given.get("rid") or given.get("workflow_rid"):
        yield Problem(place="workflow.rid", reason="unreadable", message=f"{rid!r} is no RID.")
    if not isinstance(given.get("name"), str) or given["name"] in UNSET:
        yield Problem(place="workflow.name", reason="name_missing", message="The workflow has no name.")
    types = given.get("workflow_type") or given.get("types") or given.get("type")
    named = [types] if isinstance(types, str) else types
    terms = call.ml.list_vocabulary_terms("Workflow_Type")
    known = sorted({name for term in terms for name in [term.name, *(term.synonyms or [])]})
    if not isinstance(named, list) or not named or named == ["???"]:
        yield Problem(
            place="workflow.workflow_type",
            reason="workflow_type_missing",
            message="The workflow has no type.",
            remedy="Name terms of Workflow_Type.",
            candidates=known[:SHOWN],
        )
        return
    for each in named:
        if each not in known:
            add = call.example(
                "add_term", schema=call.ml.ml_schema, table="Workflow_Type", name=str(each), description="…"
            )
            yield Problem(
                place="workflow.workflow_type",
                reason="workflow_type_not_found",
                message=f"Workflow_Type has no term {each!r}.",
                remedy=f"To add it: {add}",
                candidates=nearest(str(each), known) or known[:SHOWN],
            )


def _recorded(call: Call, text: str) -> list[str]:
    """RIDs of workflows of this name, URL or checksum, the newest first."""
    from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

    if len(text) > LONGEST:  # no request can hold it
        return []
    value = urlquote(text, "")
    path = f"{call.ml.ml_schema}:Workflow/Name={value};URL={value};Checksum={value}"
    return [row["RID"] for row in part(call.ml.catalog, path, 5, sort=NEWEST_FIRST)[0]]

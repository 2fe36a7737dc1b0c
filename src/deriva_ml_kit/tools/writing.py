"""What tools write happens inside an execution, which names every row and every table that it made (`ops.writes`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deriva_ml_kit.ops.writes import TYPES, Writes
from deriva_ml_kit.tools.failure import Code, ToolError, failure_of
from deriva_ml_kit.tools.registry import tools

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML, Workflow
    from deriva_ml_kit.tools.call import Call


@contextmanager
def recorded(call: Call, what: str, workflow_type: str) -> Iterator[Writes]:
    """An execution for what a tool writes.

    It is committed at the end. Where the work fails after it had written, the record is committed all the same, and the
    execution is Failed, for that reason. What a process leaves that dies, `ml.commit_pending_executions()` commits.

    Args:
        call: The call of the tool.
        what: What is written and why, for people.
        workflow_type: Term of Workflow_Type; added, and noted, if the catalog lacks it.

    Raises:
        ToolError: What was written could not be recorded; says how to complete it.
    """
    ml = call.ml
    added = _ensure_workflow_type(ml, workflow_type)
    workflow = _workflow(ml, call.tool, workflow_type)
    execution = ml.create_execution(description=f"{call.tool}: {what}", workflow=workflow)
    writes = Writes(execution, next((term for term in TYPES if _has_term(ml, "Asset_Type", term)), TYPES[-1]))
    if added:
        writes.rows(ml.ml_schema, "Workflow_Type", [added])
    try:
        with execution:
            try:
                yield writes
            except BaseException as error:
                if writes.anything:
                    writes.failed(failure_of(error).message)
                raise
    except BaseException as error:
        if writes.anything:
            _commit(call, writes, after=error)
        raise
    _commit(call, writes)


def _commit(call: Call, writes: Writes, after: BaseException | None = None) -> None:
    """Commit an execution, which stays Failed or Aborted if it was.

    Raises:
        ToolError: The record could not be sent; it lies on this disk.
    """
    from deriva_ml_kit.mainline import DerivaMLException  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.catalog.rows import said  # noqa: PLC0415

    execution = writes.execution
    ended, reason = execution.status, execution.error
    try:
        execution.commit_output_assets()
        if after is not None:
            execution.update_status(ended, error=reason)
    except (DerivaMLException, OSError) as error:  # errors of the network are OSErrors
        told = f"{failure_of(after).message}\nWhat it had written before" if after else "All was written, but it"
        raise ToolError(
            Code.FAILED,
            f"{told} is not recorded in the catalog yet, in execution {writes.rid}: {said(error)}",
            remedy="The record lies on this disk. When the host answers again, and this process has ended: "
            f'DerivaML("{call.hostname}", "{call.catalog_id}").commit_pending_executions()',
        ) from (after or error)


def _ensure_workflow_type(ml: DerivaML, name: str) -> str | None:
    """Have a workflow type; gives its RID if it was added."""
    from deriva_ml_kit.mainline import DerivaMLInvalidTerm  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.schema.terms import TERMS  # noqa: PLC0415

    if _has_term(ml, "Workflow_Type", name):
        return None
    try:
        meaning = TERMS["Workflow_Type"].get(name, name)
        return str(ml.add_term("Workflow_Type", name, description=meaning, exists_ok=False).rid)
    except DerivaMLInvalidTerm:  # somebody else has just added it
        return None


def _has_term(ml: DerivaML, vocabulary: str, name: str) -> bool:
    from deriva_ml_kit.mainline import DerivaMLInvalidTerm  # noqa: PLC0415  (takes seconds)

    try:
        ml.lookup_term(vocabulary, name)
    except DerivaMLInvalidTerm:
        return False
    return True


def _workflow(ml: DerivaML, tool: str, workflow_type: str) -> Workflow:
    """The module that holds the tool: a workflow is a file, and its tools share it."""
    from deriva_ml_kit.mainline.workflow.installed import installed_program  # noqa: PLC0415  (takes seconds)

    module = tools()[tool].function.__module__
    about = (sys.modules[module].__doc__ or module).splitlines()[0]
    return installed_program(ml, f"Tools: {module.rpartition('.')[2]}", workflow_type, about, module=module)

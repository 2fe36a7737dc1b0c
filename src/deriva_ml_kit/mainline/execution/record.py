"""`ExecutionRecord`: an execution as the catalog has it, without its inputs and outputs on this disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, PrivateAttr

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import Row
from deriva_ml_kit.mainline.catalog.single import change_row
from deriva_ml_kit.mainline.errors import DerivaMLExecutionError
from deriva_ml_kit.mainline.execution import nested
from deriva_ml_kit.mainline.execution.consumed import inputs_of
from deriva_ml_kit.mainline.execution.status import AnyStatus, ExecutionStatus, read, word_of
from deriva_ml_kit.mainline.workflow.methods import bound
from deriva_ml_kit.mainline.workflow.workflow import Workflow

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.asset.asset import Asset
    from deriva_ml_kit.mainline.dataset.dataset import Dataset
    from deriva_ml_kit.mainline.ml import DerivaML


class ExecutionRecord(BaseModel):
    """An execution in a catalog. Setting `status` or `description` changes the catalog.

    Args:
        execution_rid: Its RID.
        workflow: What ran.
        status: How far it is.
        description: What it was for.
        start_time: When it started; no catalog of the release keeps it.
        stop_time: When it ended; no catalog of the release keeps it.
        duration: How long the work took, as the catalog writes it (`0.0H 1.0min 2.5sec`).
        download_duration: How long fetching its inputs took.
        upload_duration: How long sending its outputs took.
        **kwargs: `_ml_instance`: the catalog.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    execution_rid: str
    start_time: datetime | None = None
    stop_time: datetime | None = None
    duration: str | None = None
    download_duration: str | None = None
    upload_duration: str | None = None

    _workflow: Any = PrivateAttr(default=None)
    _status: ExecutionStatus = PrivateAttr(default=ExecutionStatus.Created)
    _description: str | None = PrivateAttr(default=None)
    _ml: Any = PrivateAttr(default=None)

    def __init__(  # noqa: PLR0917  (main line's signature)
        self,
        execution_rid: str,
        workflow: Workflow | None = None,
        status: ExecutionStatus = ExecutionStatus.Created,
        description: str | None = None,
        start_time: datetime | None = None,
        stop_time: datetime | None = None,
        duration: str | None = None,
        download_duration: str | None = None,
        upload_duration: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            execution_rid=execution_rid,
            start_time=start_time,
            stop_time=stop_time,
            duration=duration,
            download_duration=download_duration,
            upload_duration=upload_duration,
        )
        self._workflow = workflow
        self._status = status
        self._description = description
        self._ml = kwargs.get("_ml_instance")

    @property
    def workflow(self) -> Workflow | None:
        """What ran."""
        workflow: Workflow | None = self._workflow
        return workflow

    @property
    def workflow_rid(self) -> str | None:
        """RID of its workflow."""
        return self._workflow.workflow_rid if self._workflow else None

    @property
    def status(self) -> ExecutionStatus:
        """How far it is. Setting it changes the catalog."""
        return self._status

    @status.setter
    def status(self, value: AnyStatus) -> None:
        self.update_status(value)

    @property
    def description(self) -> str | None:
        """What it was for. Setting it changes the catalog."""
        return self._description

    @description.setter
    def description(self, value: str | None) -> None:
        change_row(self._catalog(), "Execution", self.execution_rid, {"Description": value})
        self._description = value

    def update_status(self, status: AnyStatus, status_detail: str = "") -> None:
        """Record how far it is.

        Args:
            status: New status.
            status_detail: One line for a person; the one that is there stays where not given.

        Raises:
            ValueError: No such status.
            DerivaMLReadOnlyError: This was read from a snapshot.
        """
        word = word_of(status)
        values: Row = {"Status": word} | ({"Status_Detail": status_detail} if status_detail else {})
        change_row(self._catalog(), "Execution", self.execution_rid, values)
        self._status = read(word)

    def is_nested(self) -> bool:
        """Whether it is a part of another execution."""
        return bool(nested.parents(self._catalog(), self.execution_rid))

    def is_parent(self) -> bool:
        """Whether other executions are parts of it."""
        return bool(nested.children(self._catalog(), self.execution_rid))

    def list_execution_children(
        self, recurse: bool = False, _visited: set[str] | None = None
    ) -> Iterable[ExecutionRecord]:
        """The executions that are parts of it, by their Sequence.

        Args:
            recurse: Each followed by its own parts, each execution once.
        """
        found = nested.children(self._catalog(), self.execution_rid, recurse=recurse)
        return records_of(self._catalog(), [rid for rid in found if rid not in (_visited or ())])

    def list_execution_parents(
        self, recurse: bool = False, _visited: set[str] | None = None
    ) -> Iterable[ExecutionRecord]:
        """The executions that it is a part of.

        Args:
            recurse: Each followed by its own parents, each execution once.
        """
        found = nested.parents(self._catalog(), self.execution_rid, recurse=recurse)
        return records_of(self._catalog(), [rid for rid in found if rid not in (_visited or ())])

    def add_nested_execution(self, child: ExecutionRecord | str, sequence: int | None = None) -> None:
        """Make another execution a part of this one; safe to repeat.

        Args:
            child: The part, or its RID.
            sequence: Its place among the parts.

        Raises:
            DerivaMLExecutionError: It would be a part of itself.
            DerivaMLConfigurationError: The catalog has no nested executions.
        """
        rid = child if isinstance(child, str) else child.execution_rid
        nested.add(self._catalog(), self.execution_rid, rid, sequence)

    def list_input_datasets(self) -> list[Dataset]:
        """The datasets that it used."""
        ml = self._catalog()
        found, _ = inputs_of(ml, executions=[self.execution_rid])
        return [ml.lookup_dataset(rid, deleted=True) for rid in dict.fromkeys(each.dataset for each in found)]

    def list_assets(self, asset_role: str | None = None) -> list[Asset]:
        """The assets that it used or made.

        Args:
            asset_role: Only its `Input`, or its `Output`.
        """
        return self._catalog().list_execution_assets(self.execution_rid, asset_role)

    def _catalog(self) -> DerivaML:
        if self._ml is None:
            raise DerivaMLExecutionError(f"The record of execution {self.execution_rid} belongs to no catalog.")
        ml: DerivaML = self._ml
        return ml

    def __str__(self) -> str:
        parts = {"workflow": self.workflow_rid, "status": self.status, "description": self.description}
        parts |= {name: getattr(self, name) for name in ("duration", "download_duration", "upload_duration")}
        return "\n  ".join([f"Execution {self.execution_rid}", *(f"{k}: {v}" for k, v in parts.items() if v)])

    def __repr__(self) -> str:
        return f"ExecutionRecord({self.execution_rid!r}, status={self.status.value!r})"


class MultirunStatusSummary(BaseModel):
    """How far the executions of a workflow are.

    Attributes:
        workflow_rid: RID of the workflow.
        counts: Number of executions by status.
        total: Number of executions.
    """

    model_config = ConfigDict(extra="forbid")

    workflow_rid: str
    counts: dict[str, int]
    total: int


def records(ml: DerivaML, rows: Sequence[Row]) -> list[ExecutionRecord]:
    """Rows of Execution as records, in the same order; their workflows are read together.

    Args:
        ml: The catalog.
        rows: Whole rows of Execution.
    """
    rids = {row["Workflow"] for row in rows if row["Workflow"]}
    found = bound(ml, rows_with(ml.catalog, ml.ml_schema, "Workflow", "RID", rids))
    workflows = {workflow.workflow_rid: workflow for workflow in found}
    return [
        ExecutionRecord(
            row["RID"],
            workflow=workflows.get(row["Workflow"]),
            status=read(row["Status"]),
            description=row["Description"],
            duration=row.get("Execution_Duration") or row.get("Duration"),
            download_duration=row.get("Download_Duration"),
            upload_duration=row.get("Upload_Duration"),
            _ml_instance=ml,
        )
        for row in rows
    ]


def records_of(ml: DerivaML, rids: Sequence[str]) -> list[ExecutionRecord]:
    """The records of executions, in the order of their RIDs."""
    rows = {row["RID"]: row for row in rows_with(ml.catalog, ml.ml_schema, "Execution", "RID", rids)}
    return records(ml, [rows[rid] for rid in rids if rid in rows])

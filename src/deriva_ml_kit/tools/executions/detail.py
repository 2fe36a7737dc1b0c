"""One execution: its workflow, inputs and outputs, what its receipt says, and what is left of it on this machine."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.tools import paging
from deriva_ml_kit.tools.answers import Answer
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.executions import advice as execution_advice
from deriva_ml_kit.tools.executions.rows import duration, parts_by_status, wholes
from deriva_ml_kit.tools.kinds import row_of

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.mainline.asset.links import Link
    from deriva_ml_kit.mainline.execution.leftovers import State

# Files of one table, and datasets, that are named; of others there is only the count.
SHOWN = 20
RECEIPTS = {"receipt-tier2.json": 2, "receipt-tier3.json": 3}


class WorkflowPart(BaseModel):
    """What ran."""

    rid: str
    name: str | None
    workflow_type: list[str]
    url: str | None
    version: str | None
    checksum: str | None = Field(description="git's hash of the script")


class DatasetPart(BaseModel):
    """A dataset as an input or an output."""

    rid: str
    version: str | None = Field(description="None where the catalog does not say")
    description: str | None


class FilePart(BaseModel):
    """A file as an input or an output."""

    rid: str
    asset_table: str
    filename: str | None
    length: int | None = Field(description="Bytes")


class TableCount(BaseModel):
    """How many files of a table, and how many bytes."""

    files: int
    bytes: int


class Inputs(BaseModel):
    """What an execution used."""

    datasets: list[DatasetPart]
    assets: list[FilePart] = Field(description=f"The first {SHOWN} of each table")
    by_table: dict[str, TableCount]


class Outputs(BaseModel):
    """What an execution made."""

    assets: list[FilePart] = Field(description=f"The first {SHOWN} of each table")
    by_table: dict[str, TableCount]
    feature_values: dict[str, int] = Field(description="Number of values by feature, as Table.Feature")
    datasets: list[DatasetPart] = Field(description=f"Versions of datasets, the first {SHOWN}")


class ReceiptPart(BaseModel):
    """What the checks of a tier said of the run."""

    tier: int
    asset_rid: str
    verdict: str | None = Field(description="pass, fail or insufficient; None if the file cannot be read")
    unmet: list[str] = Field(description="Checks that did not pass, with what is wrong")


class LeftHere(BaseModel):
    """What lies on this machine of an execution whose outputs are not, or not all, in the catalog."""

    process_alive: bool | None = Field(description="Whether its process still runs; None if it ran on another machine")
    pending_files: int
    pending_feature_values: int


class ExecutionAnswer(Answer):
    """An execution."""

    rid: str
    status: str = Field(description="Only Uploaded is complete")
    status_detail: str | None
    description: str | None
    workflow_rid: str | None
    workflow: WorkflowPart | None
    created: str = Field(description="When it was recorded")
    changed: str = Field(description="When its record was last changed")
    start_time: datetime | None = Field(description="Known only on the machine that ran it, until all is uploaded")
    stop_time: datetime | None
    duration: str | None
    download_duration: str | None
    upload_duration: str | None
    tier: int | None = Field(description="2 for a small run, 3 for a full run; None if it left no receipt")
    receipt: ReceiptPart | None
    inputs: Inputs
    outputs: Outputs
    children: dict[str, int] = Field(description="Number of its direct parts by status")
    parents: list[str] = Field(description="RIDs of executions that it is a part of")
    left_here: LeftHere | None


def detail(call: Call, rid: str) -> ExecutionAnswer:
    """All that is known about an execution.

    Raises:
        ToolError: There is no such execution.
    """
    from deriva_ml_kit.mainline.execution import leftovers  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.execution.status import read  # noqa: PLC0415

    row = row_of(call, "Execution", rid)
    ml = call.ml
    used, made = _files(call, rid)
    state = leftovers.read(ml.working_dir, rid)
    receipt = _receipt(ml, rid)
    answer = ExecutionAnswer(
        rid=rid,
        status=read(row["Status"]).value,
        status_detail=row["Status_Detail"],
        description=row["Description"],
        workflow_rid=row["Workflow"],
        workflow=_workflow(ml, row["Workflow"]) if row["Workflow"] else None,
        created=row["RCT"],
        changed=row["RMT"],
        start_time=_time(state.started) if state else None,
        stop_time=_time(state.stopped) if state else None,
        duration=duration(row),
        download_duration=row.get("Download_Duration"),
        upload_duration=row.get("Upload_Duration"),
        tier=receipt.tier if receipt else None,
        receipt=receipt,
        inputs=Inputs(datasets=_datasets_used(ml, rid), assets=used.shown, by_table=used.by_table),
        outputs=Outputs(
            assets=made.shown,
            by_table=made.by_table,
            feature_values=dict(_values(call, rid)),
            datasets=_datasets_made(ml, rid),
        ),
        children=parts_by_status(ml, rid),
        parents=wholes(ml, rid, SHOWN),
        left_here=_left(ml, state) if state else None,
    )
    answer.next_step = execution_advice.next_step(call, answer)
    return answer


@dataclass
class _Files:
    shown: list[FilePart] = field(default_factory=list)
    by_table: dict[str, TableCount] = field(default_factory=dict)


def _files(call: Call, rid: str) -> tuple[_Files, _Files]:
    """The files that an execution used, and those that it made."""
    from deriva_ml_kit.mainline.asset.links import execution_link  # noqa: PLC0415  (takes seconds)

    found = {"Input": _Files(), "Output": _Files()}
    for table in call.ml.list_asset_tables():
        call.check()
        if link := execution_link(table):
            for role, count in _counts(call.ml, link, rid).items():
                if role in found:
                    found[role].by_table[table.name] = count
                    found[role].shown += _first(call.ml, link, rid, role)
    return found["Input"], found["Output"]


def _counts(ml: DerivaML, link: Link, rid: str) -> dict[str, TableCount]:
    """How many files an execution had of a table, by role."""
    from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

    from deriva_ml_kit.mainline.catalog.rows import table_name  # noqa: PLC0415

    files = table_name(link.asset_table.schema.name, link.asset_table.name)
    path = f"/attributegroup/L:={link.path}/{urlquote(link.other, '')}={rid}/({urlquote(link.asset, '')})=({files}:RID)"
    path += "/role:=L:Asset_Role;n:=cnt(*),bytes:=sum(Length)"
    return {row["role"]: TableCount(files=row["n"], bytes=row["bytes"] or 0) for row in ml.catalog.get(path).json()}


def _first(ml: DerivaML, link: Link, rid: str, role: str) -> Iterator[FilePart]:
    rows, _ = paging.part(ml.catalog, link.assets_of(rid, f"&Asset_Role={role}"), SHOWN)
    for row in rows:
        table = link.asset_table.name
        yield FilePart(rid=row["RID"], asset_table=table, filename=row["Filename"], length=row["Length"])


def _workflow(ml: DerivaML, rid: str) -> WorkflowPart:
    found = ml.lookup_workflow(rid)
    return WorkflowPart(
        rid=rid,
        name=found.name,
        workflow_type=found.workflow_type,
        url=found.url,
        version=found.version,
        checksum=found.checksum,
    )


def _datasets_used(ml: DerivaML, rid: str) -> list[DatasetPart]:
    from deriva_ml_kit.mainline.execution.consumed import inputs_of  # noqa: PLC0415  (takes seconds)

    used, _ = inputs_of(ml, executions=[rid])
    return _described(ml, [(each.dataset, each.version) for each in used])


def _datasets_made(ml: DerivaML, rid: str) -> list[DatasetPart]:
    rows, _ = paging.part(ml.catalog, f"{ml.ml_schema}:Dataset_Version/Execution={rid}", SHOWN)
    return _described(ml, [(row["Dataset"], row["Version"]) for row in rows])


def _described(ml: DerivaML, datasets: list[tuple[str, str | None]]) -> list[DatasetPart]:
    from deriva_ml_kit.mainline.catalog.lookup import rows_with  # noqa: PLC0415  (takes seconds)

    rids = {rid for rid, _ in datasets}
    rows = rows_with(ml.catalog, ml.ml_schema, "Dataset", "RID", rids, wanted=["RID", "Description"])
    said = {row["RID"]: row["Description"] for row in rows}
    return [DatasetPart(rid=rid, version=version, description=said.get(rid)) for rid, version in datasets]


def _values(call: Call, rid: str) -> Iterator[tuple[str, int]]:
    from deriva_ml_kit.mainline.catalog.rows import table_name  # noqa: PLC0415  (takes seconds)

    for feature in call.ml.find_features():
        call.check()
        table = feature.feature_table
        count = paging.total(call.ml.catalog, f"{table_name(table.schema.name, table.name)}/Execution={rid}")
        if count:
            yield f"{feature.target_table.name}.{feature.feature_name}", count


def _receipt(ml: DerivaML, rid: str) -> ReceiptPart | None:
    """The receipt of the highest tier among the outputs; of several of one tier, the newest."""
    from deriva_ml_kit.mainline.asset.links import execution_link  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.catalog.rows import any_of  # noqa: PLC0415

    link = execution_link(ml.model.name_to_table("Execution_Asset"))
    if link is None:
        return None
    path = f"{link.assets_of(rid, '&Asset_Role=Output')}/{any_of('Filename', list(RECEIPTS))}"
    rows, _ = paging.part(ml.catalog, path, 1, sort=("Filename::desc::", *paging.NEWEST_FIRST))
    return _judged(ml, rows[0]) if rows else None


def _judged(ml: DerivaML, row: paging.Row) -> ReceiptPart:
    import requests  # noqa: PLC0415  (takes time)

    from deriva_ml_kit.mainline import Asset  # noqa: PLC0415
    from deriva_ml_kit.tiers.receipt import Status, parse  # noqa: PLC0415

    part = ReceiptPart(tier=RECEIPTS[row["Filename"]], asset_rid=row["RID"], verdict=None, unmet=[])
    asset = Asset(ml, row["RID"], "Execution_Asset", row["Filename"], row["URL"], row["Length"], row["MD5"])
    with tempfile.TemporaryDirectory(prefix="deriva-ml-receipt-") as folder:
        try:
            receipt = parse(asset.download(folder).read_bytes(), row["Filename"])
        except (KitError, requests.RequestException):
            return part
    part.verdict = receipt.verdict.value
    part.unmet = [
        f"{check.id}: {check.detail or check.title}"
        for check in receipt.checks
        if check.status is Status.FAIL or (check.status is Status.INSUFFICIENT and check.required)
    ]
    return part


def _left(ml: DerivaML, state: State) -> LeftHere:
    alive = state.running_elsewhere or state.pid == os.getpid()
    waiting = [each for each in ml.list_executions() if each.rid == state.execution_rid]
    return LeftHere(
        process_alive=alive if state.host == platform.node() else None,
        pending_files=sum(each.pending_files for each in waiting),
        pending_feature_values=sum(each.pending_rows for each in waiting),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone() if text else None

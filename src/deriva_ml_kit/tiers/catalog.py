"""Receipts in the catalog: found among the outputs of executions, and judged by the catalog's rows.

In: a connection. Out: the receipts of small runs, the newest first, each with what speaks against it. A document that
lies in the catalog proves nothing by itself: its execution must have ended well, the receipt must be its output with
the MD5 on record, and what it says of datasets and code must be what the catalog says.

Four requests for the rows, then two files for each receipt that is looked at.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.errors import Faults, KitError
from deriva_ml_kit.tiers.checks import RULES
from deriva_ml_kit.tiers.receipt import Receipt, Status, parse
from deriva_ml_kit.tiers.state import blob

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML

TABLE = "Execution_Asset"
FIRST, SMALL = "receipt-tier1.json", "receipt-tier2.json"
REAL = {2: SMALL, 3: "receipt-tier3.json"}
LOOKED_AT = 50
AFTERWARDS = frozenset({"status", "outputs_uploaded", "provenance", "no_orphans"})  # of every real run
GIT_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Found:
    """A receipt of a real run in the catalog.

    Attributes:
        asset_rid: The asset.
        execution_rid: The execution whose output it is.
        made: When it was stored.
        receipt: What it says; None if it cannot be read.
        first: The receipt of tier 1 beside it; None if there is none, or it is not the one that it builds on.
        faults: What speaks against it; it proves something only if nothing does.
    """

    asset_rid: str
    execution_rid: str
    made: str
    receipt: Receipt | None
    first: Receipt | None
    faults: tuple[str, ...]


def small_runs(ml: DerivaML, root: Path, script: str) -> Iterator[Found]:
    """Yield receipts of tier 2, those of a script first, the newest first; files are fetched as they are asked for.

    Args:
        ml: The connection.
        root: Folder of the repository.
        script: Path of the script in it.
    """
    seen: set[str] = set()
    for about in (script, None):
        rows = [row for row in _rows(ml, SMALL, script=about) if row["asset"] not in seen]
        seen |= {row["asset"] for row in rows}
        yield from _judged(ml, rows, root)


def real_runs(
    ml: DerivaML, root: Path, tiers: Collection[int], *, limit: int, after: tuple[str, str] | None = None
) -> Iterator[Found]:
    """Yield the receipts of real runs, the newest first; those of tier 2 judged as `small_runs` does.

    Args:
        ml: The connection.
        root: Folder of the repository.
        tiers: 2, 3 or both.
        limit: How many at most.
        after: `made` and `asset_rid` of the one behind which to go on.
    """
    rows = list(_rows(ml, *(REAL[tier] for tier in sorted(tiers)), limit=limit, after=after))
    small = {found.asset_rid: found for found in _judged(ml, [row for row in rows if row["name"] == SMALL], root)}
    for row in rows:
        faults = list(_of_row(row))
        yield small.get(row["asset"]) or Found(
            row["asset"], row["execution"], row["made"], _fetched(ml, row, faults), None, tuple(faults)
        )


def _judged(ml: DerivaML, rows: Collection[Mapping[str, Any]], root: Path) -> Iterator[Found]:
    from deriva_ml_kit.mainline.execution.consumed import inputs_of  # noqa: PLC0415  (takes seconds)

    if not rows:
        return
    executions = {row["execution"] for row in rows}
    beside = {row["execution"]: row for row in reversed(list(_rows(ml, FIRST, executions=executions)))}
    consumed, _ = inputs_of(ml, executions=executions)
    inputs: dict[str, set[tuple[str, str | None]]] = {rid: set() for rid in executions}
    for each in consumed:
        inputs[each.execution].add((each.dataset, each.version))
    for row in rows:
        yield _judge(ml, row, beside.get(row["execution"]), inputs[row["execution"]], root)


def _judge(
    ml: DerivaML,
    row: Mapping[str, Any],
    beside: Mapping[str, Any] | None,
    inputs: Collection[tuple[str, str | None]],
    root: Path,
) -> Found:
    faults = list(_of_row(row))
    receipt = _fetched(ml, row, faults)
    first = None
    if receipt is not None:
        faults += [*_of_receipt(receipt, ml, row), *_of_inputs(receipt, inputs), *_of_code(receipt, row, root)]
        first = _first(ml, receipt, row, beside, faults)
    return Found(row["asset"], row["execution"], row["made"], receipt, first, tuple(faults))


def _of_row(row: Mapping[str, Any]) -> Iterator[str]:
    from deriva_ml_kit.mainline.execution import status  # noqa: PLC0415  (takes seconds)

    if (now := status.read(row["status"])) is not status.ExecutionStatus.Uploaded:
        yield f"its execution did not end well: its status is {now.value}"
    if row["asset_by"] != row["execution_by"]:
        yield "it was stored by somebody else than its execution"


def _of_receipt(receipt: Receipt, ml: DerivaML, row: Mapping[str, Any]) -> Iterator[str]:
    if receipt.tier != 2:
        yield f"it says that it is of tier {receipt.tier}"
    if receipt.execution_rid != row["execution"]:
        yield f"it is about execution {receipt.execution_rid}, but an output of {row['execution']}"
    if (receipt.hostname, receipt.catalog_id) != (ml.host_name, str(ml.catalog_id)):
        yield f"it is about another catalog, {receipt.catalog_id} on {receipt.hostname}"
    if receipt.verdict is not Status.PASS:
        unmet = ", ".join(check.id for check in receipt.checks if check.status is receipt.verdict)
        yield f"it did not pass: {receipt.verdict} ({unmet})"
    asked = {rule.id for rule in RULES if 2 in rule.tiers} | AFTERWARDS
    if lacking := sorted(asked - {check.id for check in receipt.checks}):
        yield f"it lacks checks: {', '.join(lacking)}"


def _of_inputs(receipt: Receipt, recorded: Collection[tuple[str, str | None]]) -> Iterator[str]:
    """Compare datasets with those on record; older catalogs do not say in which version."""
    versions = dict(recorded)
    said = {each.rid: each.version for each in receipt.datasets}
    same = said.keys() == versions.keys() and all(versions[rid] in (None, said[rid]) for rid in said)
    if not same:
        names = [", ".join(f"{rid}@{version}" for rid, version in sorted(each.items())) for each in (said, versions)]
        yield f"it names the datasets {names[0] or 'none'}, its execution had {names[1] or 'none'}"


def _of_code(receipt: Receipt, row: Mapping[str, Any], root: Path) -> Iterator[str]:
    """Compare with the workflow's checksum, where that is git's hash of the script."""
    script = receipt.code.script
    comparable = script.endswith(".py") and str(row["workflow"]).endswith(f"/{script}")
    if not comparable or not GIT_HASH.fullmatch(row["checksum"] or ""):
        return
    there = blob(root, receipt.code.commit, script)
    if there and there != row["checksum"]:
        yield f"its execution ran another {script} than commit {receipt.code.commit[:10]} holds"


def _first(
    ml: DerivaML, receipt: Receipt, row: Mapping[str, Any], beside: Mapping[str, Any] | None, faults: list[str]
) -> Receipt | None:
    """The receipt of tier 1 that a receipt builds on; an override stands for it if the execution tells of it."""
    overridden = next((each for each in receipt.overrides if each.tier == 2), None)
    if overridden is not None and f"[tier override: {overridden.reason}]" in (row["description"] or ""):
        return _fetched(ml, beside, []) if beside else None
    if beside is None:
        faults.append(f"{FIRST} is not beside it")
        return None
    wrong: list[str] = []
    first = _fetched(ml, beside, wrong)
    if first is not None:
        if first.digest not in receipt.builds_on:
            wrong.append("is not the one that it builds on")
        if first.tier != 1 or first.verdict is not Status.PASS:
            wrong.append(f"is of tier {first.tier} and says {first.verdict}")
        if first.code.commit != receipt.code.commit:
            wrong.append("is about another commit")
    faults += [f"{FIRST} beside it: {each}" for each in wrong]
    return None if wrong else first


def _fetched(ml: DerivaML, row: Mapping[str, Any], faults: list[str]) -> Receipt | None:
    """The receipt of a row's file; None if it is not what the row describes, or no receipt."""
    from deriva_ml_kit.mainline import Asset  # noqa: PLC0415  (takes seconds)

    asset = Asset(ml, row["asset"], TABLE, row["name"], row["url"], row["length"], row["md5"])
    with tempfile.TemporaryDirectory(prefix="deriva-ml-receipt-") as folder:
        try:
            return parse(asset.download(folder).read_bytes(), f"{row['name']} of {row['execution']}")
        except Faults as error:
            faults += [fault.message for fault in error.faults]
        except KitError as error:
            faults.append(error.message)
    return None


def _rows(
    ml: DerivaML,
    *names: str,
    script: str | None = None,
    executions: Collection[str] | None = None,
    limit: int = LOOKED_AT,
    after: tuple[str, str] | None = None,
) -> Iterator[Mapping[str, Any]]:
    """Yield output assets of some names with their executions and workflows, the newest first."""
    from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

    from deriva_ml_kit.mainline.asset import links  # noqa: PLC0415
    from deriva_ml_kit.mainline.catalog.rows import any_of, table_name  # noqa: PLC0415

    table = ml.model.name_to_table(TABLE)
    link = links.execution_link(table)
    if link is None:
        return
    path = f"/attribute/A:={table_name(table.schema.name, table.name)}/{any_of('Filename', names)}"
    path += f"/L:=(RID)=({link.path}:{urlquote(link.asset, '')})/Asset_Role=Output"
    path += f"/E:=({urlquote(link.other, '')})=({table_name(ml.ml_schema, 'Execution')}:RID)"
    if executions is not None:
        path += f"/{any_of('RID', sorted(executions))}"
    path += f"/W:=(Workflow)=({table_name(ml.ml_schema, 'Workflow')}:RID)"
    if script is not None:
        path += f"/URL::regexp::{urlquote(f'/{re.escape(script)}$', '')}"
    path += (  # a path has a row for each of its last table: the links, of which executions and workflows have several
        "/$L/asset:=A:RID,made:=A:RCT,name:=A:Filename,url:=A:URL,md5:=A:MD5,length:=A:Length,asset_by:=A:RCB"
        ",execution:=E:RID,status:=E:Status,description:=E:Description,execution_by:=E:RCB"
        ",workflow:=W:URL,checksum:=W:Checksum@sort(made::desc::,asset::desc::)"
    )
    path += f"@after({','.join(urlquote(value, '') for value in after)})" if after else ""
    yield from ml.catalog.get(path if executions is not None else f"{path}?limit={limit}").json()

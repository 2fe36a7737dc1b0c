"""What is checked after a run was committed: that the catalog holds what the run says, and nothing else.

Goes in: a connection, the RID of an execution, what the run was given and what it wrote. Comes out: one `Check` each.
Outputs themselves (size, MD5) are compared by the runner, which knows the files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from deriva_ml_kit.mainline import DerivaML, ExecutionStatus
from deriva_ml_kit.mainline.execution import nested
from deriva_ml_kit.mainline.execution.consumed import Versions, inputs_of
from deriva_ml_kit.tiers.receipt import Check, DatasetInput, Receipt, Status

SHOWN = 5
SMALLEST, LARGEST = 0.2, 5.0  # of the size that tier 2 lets expect
RUN_AGAIN = "Run it again; this execution is not to be relied on."


def finished(ml: DerivaML, execution_rid: str) -> Check:
    """The catalog says that the execution ended well."""
    status = ml.lookup_execution(execution_rid).status
    return _check(
        "status",
        "The execution ended well",
        [] if status is ExecutionStatus.Uploaded else [f"its status is {status.value}"],
        value=status.value,
        limit=ExecutionStatus.Uploaded.value,
        evidence=execution_rid,
    )


def provenance(
    ml: DerivaML,
    execution_rid: str,
    *,
    datasets: Sequence[DatasetInput],
    assets: Sequence[str],
    parent: str | None = None,
) -> Check:
    """Workflow, input datasets in their versions, input assets and parent are on record, and no others."""
    record = ml.lookup_execution(execution_rid)
    workflow, problems = record.workflow, []
    if workflow is None or not workflow.url or not workflow.checksum:
        problems.append("no workflow with address and checksum is on record")
    elif not workflow.workflow_types:
        problems.append(f"workflow {workflow.workflow_rid} has no type")
    consumed, versions = inputs_of(ml, executions=[execution_rid])
    recorded = {each.dataset: each.version for each in consumed}
    problems += _compared("dataset", recorded, {each.rid for each in datasets})
    problems += [
        f"dataset {each.rid} is recorded in version {recorded[each.rid]}, not {each.version}"
        for each in datasets
        if recorded.get(each.rid) not in (None, each.version)
    ]
    problems += _compared("asset", {asset.asset_rid for asset in record.list_assets("Input")}, set(assets))
    if parent and parent not in nested.parents(ml, execution_rid):
        problems.append(f"it is no part of execution {parent}")
    made = [rid for rid in versions.rows if rid["Execution"] == execution_rid and rid["Dataset"] not in recorded]
    return _check(
        "provenance",
        "Workflow, inputs and parent are on record",
        problems,
        value={"datasets": len(recorded), "assets": len(assets), "made": len(made)},
        evidence=execution_rid,
    )


def origins(ml: DerivaML, datasets: Sequence[DatasetInput]) -> Check:
    """An execution is on record that made each input dataset in its version; if none is, others are to blame."""
    versions = Versions.of(ml, {each.rid for each in datasets})
    unknown = [f"{each.rid}@{each.version}" for each in datasets if versions.made_by(each.rid, each.version) is None]
    return Check(
        id="origins",
        title="The origin of every input dataset is on record",
        status=Status.INSUFFICIENT if unknown else Status.PASS if datasets else Status.SKIP,
        detail=f"no execution is on record that made {_listed(unknown)}" if unknown else None,
        remedy="Make datasets within an execution: exe.create_dataset(…)" if unknown else None,
        required=False,
    )


def no_orphans(ml: DerivaML, execution_rid: str, declared: Collection[tuple[str, str]]) -> Check:
    """The execution's output assets are those that were declared, each once.

    Args:
        ml: The connection.
        execution_rid: The execution.
        declared: Asset table and file name of every output.
    """
    assets = [a for a in ml.list_execution_assets(execution_rid, "Output") if a.asset_table != "Execution_Metadata"]
    there = [(asset.asset_table, asset.filename) for asset in assets]
    strays = sorted(name for table, name in there if (table, name) not in declared)
    twice = sorted({name for table, name in there if there.count((table, name)) > 1})
    problems = [f"never declared: {_listed(strays)}"] if strays else []
    problems += [f"there more than once: {_listed(twice)}"] if twice else []
    return _check(
        "no_orphans",
        "The execution has no other output files",
        problems,
        value=len(there),
        limit=len(declared),
        evidence=execution_rid,
    )


def values_written(
    counts: Mapping[str, tuple[int, int]], targets: Mapping[str, Collection[str]], predicted: Collection[str] | None
) -> Check:
    """The feature values that the run staged are in the catalog, and they are about the records that it predicted.

    Args:
        counts: Feature table to the number of values that the catalog holds of the execution, and that were staged.
        targets: Feature table to the RIDs that its values are about.
        predicted: RIDs of the records that were predicted, if the run said so.
    """
    identifier, title = "feature_values", "The feature values written are those of the records predicted"
    if not counts:
        return Check(id=identifier, title=title, status=Status.SKIP, detail="the run writes none", required=False)
    problems = [f"{table} holds {there} of {staged}" for table, (there, staged) in counts.items() if there != staged]
    if predicted is not None and not any(set(rids) == set(predicted) for rids in targets.values()):
        closest = max(targets.values(), key=lambda rids: len(set(rids) & set(predicted)))
        problems.append(
            f"{len(predicted)} records were predicted, {len(set(closest))} have a value, "
            f"{len(set(closest) & set(predicted))} of them the same"
        )
    return _check(
        identifier,
        title,
        problems,
        value={table: there for table, (there, _) in counts.items()},
        limit=len(set(predicted)) if predicted is not None else None,
        remedy="Write one value for each record that is handed to evidence.predictions(…, rids=…).",
    )


def sizes(outputs: Mapping[str, int], before: Receipt | None, growth: float) -> Check:
    """The outputs are about as large as those of tier 2 let expect, whether they grow with the work or not.

    Args:
        outputs: File name to bytes.
        before: The receipt of tier 2.
        growth: How many times as many records, and as many epochs, as in tier 2.
    """
    identifier, title = "sizes", "The outputs have the sizes that tier 2 lets expect"
    known = before.checks if before else ()
    measured = next((check.value for check in known if check.id == "outputs_uploaded"), None)
    if not isinstance(measured, Mapping):
        return Check(id=identifier, title=title, status=Status.SKIP, detail="tier 2 measured none", required=False)
    problems, limits = [], {}
    for name, size in outputs.items():
        if not (earlier := measured.get(name)):
            continue
        low, high = SMALLEST * earlier * min(1.0, growth), LARGEST * earlier * max(1.0, growth)
        limits[name] = [round(low), round(high)]
        if not low <= size <= high:
            problems.append(f"{name} has {size} bytes; {low:.0f} to {high:.0f} were to be expected")
    problems += [f"{name} is missing" for name in sorted(measured.keys() - outputs.keys())]
    return _check(
        identifier,
        title,
        problems,
        value=dict(outputs),
        limit=limits,
        remedy="See what differs from tier 2; if it is meant, run tier 2 again with this code.",
    )


def baseline(ml: DerivaML, execution_rid: str, name: str) -> Check:
    """What later runs compare with is kept: the ranges of the inputs, and the environment.

    Args:
        ml: The connection.
        execution_rid: The execution.
        name: File name of the profile.
    """
    assets = ml.list_execution_assets(execution_rid, "Output")
    problems = [] if any(asset.filename == name for asset in assets) else [f"{name} is not there"]
    metadata = [asset for asset in assets if asset.asset_table == "Execution_Metadata"]
    if not any("Runtime_Env" in asset.asset_types for asset in metadata):
        problems.append("the environment is not there")
    return _check("baseline", "Ranges of the inputs and the environment are kept", problems, evidence=execution_rid)


def _check(  # noqa: PLR0917
    identifier: str,
    title: str,
    problems: Sequence[str],
    value: Any = None,
    limit: Any = None,
    evidence: str | None = None,
    remedy: str = RUN_AGAIN,
) -> Check:
    return Check(
        id=identifier,
        title=title,
        status=Status.FAIL if problems else Status.PASS,
        value=value,
        limit=limit,
        detail="; ".join(problems) or None,
        evidence=evidence,
        remedy=remedy if problems else None,
    )


def _compared(kind: str, there: Collection[str], wanted: Collection[str]) -> list[str]:
    missing, others = sorted(set(wanted) - set(there)), sorted(set(there) - set(wanted))
    problems = [f"{kind} {_listed(missing)} is not recorded as an input"] if missing else []
    return problems + ([f"{kind} {_listed(others)} is recorded, but was not asked for"] if others else [])


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown
